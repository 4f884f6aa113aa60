"""The guard's counts: what counts, where, and for how long."""

from __future__ import annotations

import pytest

from otp.guard import decision, report
from sms.phone import Phone
from tests.bench import pumping
from tests.otp.guard.clock import ABROAD, BEGIN, DAY, HOUR, Clock, command, shut
from tests.tagged import looking


@pytest.mark.parametrize(
    ("e164", "country", "expected"),
    [
        ("+12025550123", "US", ("US", "+12025", "+1202555")),
        ("+447400123456", "GB", ("GB", "+447400", "+44740012")),
        ("+4915112345678", "DE", ("DE", "+4915112", "+491511234")),
        ("+3546111234", "IS", ("IS", "+3546", "+354611")),
        ("+6834000", "NU", ("NU",)),  # too short for a prefix that would leave anything open
        ("+881612345678", "001", ("001", "+881612", "+88161234")),
    ],
)
def test_a_number_counts_for_its_country_and_two_prefixes(e164, country, expected):
    asked = decision.ask(Phone(e164, country, "")) or {}
    found = [asked[name] for name in ("country", "coarse", "fine") if name in asked]
    assert tuple(map(report.readable, found)) == expected
    assert e164[:-5] not in "".join(found)


def test_nothing_in_redis_shows_a_number_or_an_address_or_stays_for_good(redis, settings):
    settings.GUARD_PRICES = {"default": "0.05"}
    clock = Clock()
    clock.prove("+4915112345678", "DE", 2, "192.0.2.77")
    clock.send("+12025550123", "US", "192.0.2.77")
    keys = redis.keys("otp:guard*")
    everything = b" ".join(keys) + b" ".join(redis.get(key) for key in keys)
    # The record of a message shows the last two digits, so six must be open here.
    for secret in (b"15112345678", b"15112345", b"1511234", b"15112 3", b"202555", b"192.0.2"):
        assert secret not in everything
    assert len(keys) == 11  # new, 2 countries, 4 prefixes, the address, its countries, a phone, the money
    assert all(0 < redis.pttl(key) <= 28 * DAY * 1000 for key in keys)


def test_a_verification_counts_where_its_send_counted(clock):
    """Otherwise the hour after a busy one would begin with verified codes and no sends."""
    clock.now = BEGIN + 13 * HOUR - 10
    assert clock.sent(["+4915112345678"] * 3, "DE") == 3
    clock.now += 20  # the next hour
    for number in (1, 2, 3):
        clock.verify(number)
    hour = pumping.snapshot()[b"otp:guard:DE"].split(b",")[8:13]
    assert hour[1:] == [b"0", b"0", b"3", b"3"]  # sends, verified, and those of the hour before


def test_a_verification_that_nobody_remembers_changes_nothing(clock):
    clock.send("+4915112345678", "DE")
    redis = looking()
    redis.delete(*redis.keys("otp:guard*"))
    clock.verify()
    assert [key for key in pumping.snapshot() if not key.startswith(b"otp:guard-known:")] == []


def test_what_is_not_sent_uses_up_neither_money_nor_caps(clock, settings, wide):
    wide(fine=(2, 9, 9))
    settings.GUARD_PRICES, settings.GUARD_BUDGET = {"default": "0.4"}, "1"
    for _ in range(50):
        assert clock.send("+4915112345678", "DE", "192.0.2.1", free=True) == ""
        clock.verify()
    assert clock.sent(["+4915112345678"] * 3, "DE", "192.0.2.1") == 2


def test_its_countries_do_not_count_for_an_address(clock, wide):
    for number in ABROAD:
        assert clock.send(*number, "192.0.2.1", free=True) == ""
    assert [clock.send(*number, "192.0.2.1") for number in ABROAD[:3]] == [""] * 3


def test_what_is_not_sent_proves_no_phone(clock):
    clock.send("+4915112345678", "DE", free=True)
    clock.verify()
    shut(clock)
    assert clock.send("+4915112345678", "DE") == "hour +491511234"


@pytest.mark.parametrize("stop", ["hour", "budget", "blocked"])
def test_what_is_not_sent_is_refused_where_others_are(today, settings, stop):
    """Otherwise a start tells which numbers are test numbers, or refused, while others have to wait."""
    settings.GUARD_PRICES, settings.GUARD_BUDGET = {"default": "1"}, "20"
    if stop == "blocked":
        command("--block", "DE")
    elif stop == "budget":
        settings.GUARD_BUDGET = "0.5"
    else:
        shut(today)
    answers = {today.send("+4915112345678", "DE", free=free) for free in (True, False)}
    assert len(answers) == 1
    assert answers.pop().startswith(stop)


def test_what_stands_in_redis_lives_as_long_as_it_can_count(redis, settings):
    settings.GUARD_PRICES = {"default": "0.000001"}
    Clock().send("+4915112345678", "DE", "192.0.2.77")
    (fan,) = redis.keys("otp:guard-fan:*")
    assert 23 * HOUR * 1000 < redis.pttl(fan) <= DAY * 1000
    assert 47 * HOUR * 1000 < redis.pttl("otp:guard-spend") <= 2 * DAY * 1000


def test_a_send_looks_at_everything_in_one_call(redis):
    clock = Clock()
    clock.prove("+4915112345678", "DE", 1, "192.0.2.77")
    before = redis.info("commandstats")
    clock.send("+4915112345678", "DE", "192.0.2.77")
    after = redis.info("commandstats")
    calls = {name: stats["calls"] - before.get(name, {"calls": 0})["calls"] for name, stats in after.items()}
    assert (calls["cmdstat_mget"], calls["cmdstat_get"]) == (1, 0)
