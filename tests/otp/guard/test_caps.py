"""Caps and the budget: what stops a range, a country, new countries, the money."""

from __future__ import annotations

import pytest

from tests.bench import pumping
from tests.otp.guard.clock import BEGIN, DAY, HOUR, Clock, spread


@pytest.mark.parametrize(
    ("figures", "refusal"),
    [
        ({"new": (4, 9, 9)}, "hour new"),
        ({"country": (4, 9, 9)}, "hour DE"),
        ({"country": (9, 4, 9)}, "day DE"),
        ({"country": (9, 9, 4)}, "fortnight DE"),
        ({"coarse": (4, 9, 9)}, "hour +4915100"),
    ],
)
def test_without_proof_a_cap_is_its_figure(clock, wide, figures, refusal):
    wide(**figures)
    assert clock.sent(spread(4), "DE") == 4
    assert clock.send("+4915100990000", "DE") == refusal


def test_a_cap_opens_again_when_its_window_has_passed(clock, wide):
    wide(fine=(2, 1000, 1000))
    assert clock.sent(["+4915112345678"] * 3, "DE") == 2
    assert 0 < clock.wait <= HOUR * 1000
    clock.now += 2 * HOUR
    assert clock.send("+4915112345678", "DE") == ""


def test_the_time_to_wait_is_enough_and_not_much_more(clock, wide):
    wide(fine=(4, 1000, 1000))
    clock.now = BEGIN + 12 * HOUR + 3000
    assert clock.sent(["+4915112345678"] * 5, "DE") == 4
    clock.now = BEGIN + 13 * HOUR + 1
    assert clock.send("+4915112345678", "DE") == "hour +491511234"
    wait = clock.wait / 1000
    clock.now += wait - 60
    assert clock.send("+4915112345678", "DE") == "hour +491511234"
    clock.now += 61
    assert clock.send("+4915112345678", "DE") == ""


def test_a_cap_grows_with_what_was_verified(clock, wide):
    wide(country=(4, 4, 4))
    for number in spread(30):
        clock.prove(number, "DE", 1)
    clock.now += HOUR
    assert clock.sent(spread(100, "+49160"), "DE") > 20


def test_a_conversion_of_60_per_cent_is_fine_for_days(clock):
    refused = 0
    for hour in range(72):
        for index in range(10):
            refused += bool(clock.send(f"+49151{hour:02d}{index}20000", "DE"))
            clock.now += 30
            if index % 5 < 3:
                clock.verify()
        clock.now += HOUR - 300
    assert refused == 0


def test_what_is_young_counts_by_what_usually_stays_unverified(clock, wide):
    """A launch: many wait for their SMS at once, in a country whose people do verify."""
    wide(country=(20, 20, 20))
    for number in spread(40):
        clock.prove(number, "DE", 1)
    clock.now += 3 * DAY  # what grew with the last day is gone
    burst = clock.sent(spread(200, "+49160"), "DE")
    assert burst > 60  # 20 and a little if each counted in full
    assert burst < 200


def test_countries_without_proof_share_a_cap(clock, wide):
    wide(new=(3, 1000, 1000))
    assert [clock.send(f"+2{n}4{n}1234567", f"{c}") for n, c in ((2, "GN"), (3, "CM"), (5, "KE"))] == [""] * 3
    # Two a day are still free, or no country could ever begin.
    assert [clock.send(f"+26611{n}4567", "LS") for n in range(3)] == ["", "", "hour new"]


@pytest.mark.parametrize(("verified", "is_new"), [(4, True), (5, False)])
def test_a_country_is_new_until_five_codes_were_verified_there(clock, verified, is_new):
    for number in spread(verified):
        clock.prove(number, "DE", 1)
    before = pumping.snapshot()[b"otp:guard:new"]
    clock.send("+4916012340000", "DE")
    assert (pumping.snapshot()[b"otp:guard:new"] != before) is is_new


def test_a_country_with_proof_does_not_share_it(clock, wide):
    wide(new=(3, 1000, 1000))
    for number in spread(5):
        clock.prove(number, "DE", 1)
    clock.now += 2 * HOUR
    while not (refusal := clock.send(f"+2241234{clock.sends:03d}0", "GN")):
        pass
    assert refusal == "hour new"
    before = pumping.snapshot()[b"otp:guard:new"]
    assert clock.sent(spread(10, "+49160"), "DE") == 10
    assert pumping.snapshot()[b"otp:guard:new"] == before


def test_under_an_attack_on_a_country_its_known_ranges_go_on(clock, wide):
    wide(country=(10, 10, 1000))
    clock.prove("+4915112340000", "DE", 3)
    clock.now += 2 * DAY
    while not clock.send(f"+49160{clock.sends:04d}0000", "DE"):
        pass
    assert clock.send("+4916077770000", "DE") == "hour DE"
    assert clock.send("+4915112349999", "DE") == ""  # people are known there
    while not clock.send("+4915112349999", "DE"):  # but only so many go on credit
        pass
    assert clock.sends < 60


def test_a_budget_stops_before_the_money_does(clock, settings, wide):
    settings.GUARD_PRICES = {"DE": "0.25", "default": "0.1"}
    settings.GUARD_BUDGET = "1"
    assert clock.sent(spread(5), "DE") == 4  # 1.00
    assert clock.send("+33612345678", "FR") == "budget all"
    assert clock.wait == 12 * HOUR * 1000  # until midnight, UTC
    clock.now += 12 * HOUR
    assert clock.sent(spread(3), "DE") == 3  # 0.75
    assert clock.sent([f"+3361234{n}000" for n in range(3)], "FR") == 2  # 0.95


def test_the_budget_holds_for_what_is_allowed_too(clock, settings):
    settings.GUARD_PRICES = {"default": 0.3}
    settings.GUARD_BUDGET = 0.6
    settings.GUARD_ALLOW = ["DE"]
    assert clock.sent(spread(5), "DE") == 2


def test_without_prices_no_money_is_counted(redis):
    Clock().send("+4915112345678", "DE")
    assert redis.exists("otp:guard-spend") == 0
