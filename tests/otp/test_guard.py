"""The pumping guard: its script on a real server, in virtual time, and what an operator does with it."""

from __future__ import annotations

import json
from io import StringIO

import phonenumbers
import pytest
import structlog
from django.core.management import CommandError, call_command
from django_redis import get_redis_connection

from otp import signals
from otp.errors import RateLimited
from otp.guard import checks as guard_checks
from otp.guard import decision, scopes
from otp.guard import settings as guard_settings
from otp.results import Refusal
from sms.phone import Phone
from tests.bench import attacks, pumping

HOUR, DAY = 3600, 86_400
BEGIN = 1_700_006_400  # midnight UTC, seconds since the epoch


@pytest.fixture(autouse=True)
def on(settings):
    """As it is out of the box; the other tests have it off."""
    settings.GUARD_MODE = "enforce"


class Clock:
    """The guard's script with a time of its own. ``now``: seconds."""

    def __init__(self):
        self.now = BEGIN + 12 * HOUR
        self.sends = 0
        self.told: list[str] = []  # of sends that were allowed beyond a cap

    def send(self, e164, country, ip="", free=False):
        """Ask for one send: "" if it went, otherwise reason and scope. ``self.wait``: milliseconds."""
        ask = decision.ask(Phone(e164, country, ""), ip, free=free)
        self.sends += 1
        if ask is None:
            return ""
        event = {"at": self.now * 1000, "send": self.sends, "ask": ask}
        (answer,) = pumping.DRIVER((), (json.dumps([event]),))
        wait, _, refusal = answer.decode().partition(" ")
        self.wait = int(wait or 0)
        said = " ".join(map(scopes.readable, refusal.split()))
        if said.startswith("allowed-"):
            self.told.append(said)
            return ""
        return said

    def verify(self, number=0):
        """The code of a send (the last one) is typed."""
        event = {"at": self.now * 1000, "send": number or self.sends}
        pumping.DRIVER((), (json.dumps([event]),))

    def prove(self, e164, country, times, ip=""):
        """So many sends that are verified after 20 seconds."""
        for _ in range(times):
            assert self.send(e164, country, ip) == ""
            self.now += 20
            self.verify()

    def sent(self, numbers, country, ip=""):
        """How many of these get a code."""
        return sum(not self.send(number, country, ip) for number in numbers)


@pytest.fixture
def clock(any_redis):
    return Clock()


@pytest.fixture
def wide(settings):
    """Only the caps that a test is about shall matter."""
    many = (1000, 1000, 1000)
    settings.GUARD_FIGURES = dict.fromkeys(("new", "country", "coarse", "fine", "address"), many)

    def but(**figures):
        settings.GUARD_FIGURES = settings.GUARD_FIGURES | figures

    return but


def spread(count, country="+49151"):
    """Numbers that have nothing in common but their country and operator."""
    return [f"{country}{index:04d}0000" for index in range(count)]


# --- what it counts -----------------------------------------------------------------------------


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
    assert tuple(map(scopes.readable, found)) == expected
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
    redis = get_redis_connection()
    redis.delete(*redis.keys("otp:guard*"))
    clock.verify()
    assert [key for key in pumping.snapshot() if not key.startswith(b"otp:guard-known:")] == []


# --- caps ---------------------------------------------------------------------------------------


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
    # Two a day are free all the same, or no country could ever begin.
    assert [clock.send(f"+26611{n}4567", "LS") for n in range(3)] == ["", "", "hour new"]


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


def shut(clock, range="+491511234", country="DE"):
    """A stranger with ever new addresses fills the cap of a range."""
    while not clock.send(f"{range}{clock.sends:04d}", country):
        pass


def test_a_phone_that_verified_goes_on_whatever_its_range_does(clock):
    clock.prove("+4915112349999", "DE", 1)
    clock.now += 13 * DAY
    shut(clock)
    assert clock.send("+4915112348888", "DE") == "hour +491511234"
    assert [clock.send("+4915112349999", "DE") for _ in range(6)] == [""] * 5 + ["hour +491511234"]


def test_what_a_phone_has_beyond_the_caps_begins_anew_when_it_verifies(clock):
    clock.prove("+4915112349999", "DE", 1)
    shut(clock)
    for _ in range(3):
        clock.prove("+4915112349999", "DE", 4)


def test_a_phone_is_forgotten_a_fortnight_after_it_verified(redis):
    clock = Clock()
    clock.prove("+4915112349999", "DE", 1)
    (key,) = redis.keys("otp:guard-known:*")
    assert 13.9 * DAY * 1000 < redis.pttl(key) <= 14 * DAY * 1000
    clock.now += 14 * DAY - 60
    clock.send("+4915112349999", "DE")
    assert 0 < redis.pttl(key) <= 60_000  # a send makes it last no longer
    clock.now += 60
    shut(clock)
    assert clock.send("+4915112349999", "DE") == "hour +491511234"


def test_a_phone_is_known_under_the_former_secret_too(clock, settings):
    clock.prove("+4915112349999", "DE", 1)
    settings.PHONE_SECRET_KEY, settings.PHONE_SECRET_KEY_FALLBACKS = (
        "another-" * 8,
        [settings.PHONE_SECRET_KEY],
    )
    shut(clock)
    assert clock.send("+4915112349999", "DE") == ""


@pytest.mark.parametrize("stop", ["block", "budget", "address", "known=0"])
def test_a_phone_that_verified_is_stopped_by_what_strangers_cannot_bring_about(clock, settings, redis, stop):
    settings.GUARD_PRICES, settings.GUARD_BUDGET = {"default": "1"}, "9"
    clock.now = redis.time()[0]
    clock.prove("+4915112349999", "DE", 1)
    if stop == "known=0":
        settings.GUARD_FIGURES = {"known": 0}
        shut(clock)
    elif stop == "budget":
        settings.GUARD_BUDGET = "1"
    elif stop == "block":
        command("--block", "DE")
    else:
        assert (
            clock.sent(["+12025550123", "+12125550123", "+13105550123", "+14155550123"], "US", "192.0.2.1")
            == 4
        )
    assert clock.send("+4915112349999", "DE", "192.0.2.1" if stop == "address" else "")


def test_a_range_is_shut_for_little_more_than_a_day_and_nobody_is_told_to_wait_longer(clock):
    """Ten sends of a stranger, as fast as the guard lets him."""
    for _ in range(10):
        while clock.send(f"+491511234{clock.sends:04d}", "DE"):
            clock.now += HOUR / 4
    begin = clock.now
    while refusal := clock.send("+4915112349999", "DE"):
        assert refusal.split()[1] == "+491511234"
        assert clock.wait <= DAY * 1000
        clock.now += HOUR
    assert clock.now - begin < 27 * HOUR


@pytest.mark.parametrize("days", [2, 4, 14])
def test_strangers_who_go_on_for_days_shut_it_no_longer(clock, days):
    for _ in range(4 * 24 * days):
        clock.send(f"+491511234{clock.sends % 10_000:04d}", "DE")
        clock.now += HOUR / 4
    begin = clock.now
    while clock.send("+4915112349999", "DE"):
        assert clock.wait <= DAY * 1000
        clock.now += HOUR
    assert clock.now - begin < 27 * HOUR


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


# --- addresses ----------------------------------------------------------------------------------

ABROAD = (("+33612345678", "FR"), ("+34612345678", "ES"), ("+393123456789", "IT"), ("+447400123456", "GB"))


def test_an_address_may_not_ask_for_a_fourth_country(clock, wide):
    answers = [clock.send(e164, country, "192.0.2.1") for e164, country in ABROAD]
    assert answers[:3] == ["", "", ""]
    assert answers[3].startswith("countries ip:")
    assert clock.wait == DAY * 1000
    assert clock.send(*ABROAD[0], "192.0.2.1") == ""  # those it began with
    assert clock.send(*ABROAD[3], "192.0.2.2") == ""  # another address
    assert clock.send(*ABROAD[3]) == ""  # none is known
    clock.now += DAY
    assert clock.send(*ABROAD[3], "192.0.2.1") == ""


def test_countries_that_were_verified_do_not_count(clock, wide):
    """An office, a VPN's exit: people of many countries behind one address."""
    for e164, country in ABROAD * 2:
        clock.prove(e164, country, 1, "192.0.2.1")


def test_an_address_may_ask_for_one_more_country_for_each_code_it_verified(clock, wide):
    clock.prove("+351912345678", "PT", 1, "192.0.2.1")
    answers = [clock.send(e164, country, "192.0.2.1") for e164, country in ABROAD]
    assert answers == [""] * 4  # the verified one is not among the three, and allows a fourth
    assert clock.send("+4915112345678", "DE", "192.0.2.1").startswith("countries ip:")


def test_a_country_that_was_verified_is_forgotten_and_no_other(clock, wide):
    for number in ABROAD[:2]:
        assert clock.send(*number, "192.0.2.1") == ""
    clock.prove("+4915112345678", "DE", 1, "192.0.2.1")
    answers = [clock.send(*number, "192.0.2.1") for number in (*ABROAD[2:], ("+351912345678", "PT"))]
    assert answers[:2] == ["", ""]  # with the first two that makes four: three, and one for the verified code
    assert answers[2].startswith("countries ip:")


def test_an_address_that_verifies_nothing_has_a_cap(clock, wide):
    wide(address=(5, 8, 20))
    answers = [clock.send(number, "DE", "192.0.2.1") for number in spread(6)]
    assert answers[:5] == [""] * 5
    assert answers[5] == "hour ip:" + decision.address("192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "no address", True),
    ],
)
def test_an_address_is_a_digest_of_it_or_of_its_64(one, other, same):
    assert (decision.address(one) == decision.address(other)) is same


# --- money --------------------------------------------------------------------------------------


def test_a_budget_stops_before_the_money_does(clock, settings, wide):
    settings.GUARD_PRICES = {"DE": "0.25", "default": "0.1"}
    settings.GUARD_BUDGET = "1"
    assert clock.sent(spread(5), "DE") == 4  # 1.00
    assert clock.send("+33612345678", "FR") == "budget all"
    assert clock.wait == 12 * HOUR * 1000  # until midnight, UTC
    clock.now += 12 * HOUR
    assert clock.sent(spread(3), "DE") == 3  # 0.75
    assert clock.sent([f"+3361234{n}000" for n in range(3)], "FR") == 2  # 0.95


def test_without_prices_no_money_is_counted(redis):
    Clock().send("+4915112345678", "DE")
    assert redis.exists("otp:guard-spend") == 0


def test_the_budget_holds_for_what_is_allowed_too(clock, settings):
    settings.GUARD_PRICES = {"default": 0.3}
    settings.GUARD_BUDGET = 0.6
    settings.GUARD_ALLOW = ["DE"]
    assert clock.sent(spread(5), "DE") == 2


# --- modes --------------------------------------------------------------------------------------


def test_off_counts_nothing(clock, settings):
    settings.GUARD_MODE = "off"
    assert clock.sent(spread(50), "DE") == 50
    clock.verify()
    assert pumping.snapshot() == {}


def test_shadow_blocks_nothing_and_says_what_it_would_have(clock, settings, wide):
    wide(fine=(2, 1000, 1000))
    settings.GUARD_MODE = "shadow"
    answers = [clock.send("+4915112345678", "DE") for _ in range(4)]
    assert answers == ["", "", "hour +491511234", "hour +491511234"]
    counts = pumping.snapshot()[f"otp:guard:{scopes.tag('+491511234')}".encode()].split(b",")
    assert counts[:2] == [b"4", b"2"]  # fine prefix, 2 refusals
    assert counts[9] == b"4"  # sends of this hour: all went out


def test_refusals_are_counted_by_the_day(clock, settings, wide):
    wide(fine=(2, 1000, 1000))
    settings.GUARD_MODE = "shadow"
    for _ in range(5):
        clock.send("+4915112345678", "DE")
    clock.now += DAY
    clock.send("+4915112345678", "DE")
    assert pumping.snapshot()[f"otp:guard:{scopes.tag('+491511234')}".encode()].split(b",")[1:3] == [
        b"0",
        b"3",
    ]


@pytest.mark.parametrize(("mode", "event"), [("enforce", "guard_refused"), ("shadow", "guard_would_refuse")])
def test_every_decision_is_a_log_line_and_a_signal(settings, mode, event):
    settings.GUARD_MODE = mode
    heard = []

    def receiver(**facts):
        heard.append({name: facts[name] for name in told})

    told = ("reason", "scope", "country", "purpose", "enforced", "allowed")
    signals.guard_decided.connect(receiver)
    number = Phone("+4915112345678", "DE", "+4••••78")
    try:
        with structlog.testing.capture_logs() as lines:
            if mode == "enforce":
                with pytest.raises(RateLimited) as caught:
                    decision.apply(Refusal("hour +491511234", 90_500), number, "login")
                assert (caught.value.code, caught.value.retry_after) == ("guard", 91)
                assert "4915" not in str(caught.value)
            else:
                decision.apply(Refusal("hour +491511234", 90_500), number, "login")
    finally:
        signals.guard_decided.disconnect(receiver)
    facts = {"reason": "hour", "scope": "+491511234", "country": "DE", "purpose": "login"}
    assert heard == [facts | {"enforced": mode == "enforce", "allowed": False}]
    assert lines == [facts | {"event": event, "log_level": "warning", "retry_after": 91}]
    assert "12345678" not in str(lines)


@pytest.mark.parametrize("allowed", ["DE", "+49151", "+491511234"])
def test_what_is_allowed_has_no_caps(clock, settings, wide, allowed):
    wide(fine=(2, 2, 2))
    settings.GUARD_ALLOW = [allowed]
    assert clock.sent(["+4915112345678"] * 5, "DE") == 5
    assert clock.sent(["+33612345678"] * 5, "FR") == 2


@pytest.mark.parametrize("how", ["setting", "rule"])
def test_what_is_allowed_beyond_a_cap_is_told(settings, redis, how):
    clock = Clock()
    clock.now = redis.time()[0]
    if how == "setting":
        settings.GUARD_ALLOW = ["DE"]
    else:
        command("--allow", "DE")
    assert clock.sent([f"+49151123400{n:02d}" for n in range(50)], "DE") == 50
    assert len(clock.told) == 44  # six are within every cap
    assert clock.told[0] == "allowed-hour +491511234"


def test_what_is_allowed_is_no_refusal_in_the_table(today, settings):
    settings.GUARD_ALLOW = ["DE"]
    assert today.sent([f"+49151123400{n:02d}" for n in range(50)], "DE") == 50
    assert {line.split()[5] for line in command("--all")[0].splitlines()[1:]} == {"0"}


@pytest.mark.parametrize(
    ("words", "event"), [(("--allow", "DE"), "guard_rule_set"), (("--block", "+4915"), "guard_rule_set")]
)
def test_what_an_operator_says_is_a_log_line(today, words, event):
    today.send("+4915112345678", "DE")
    with structlog.testing.capture_logs() as lines:
        command(*words, "--hours", "1")
        command("--release", words[1])
    said, released = lines
    assert said.pop("until")
    assert said == {"event": event, "log_level": "warning", "rule": words[0][2:], "scope": words[1]}
    assert released == {"event": "guard_released", "log_level": "warning", "scope": words[1]}


# --- what is not sent ---------------------------------------------------------------------------


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


# --- the simulation -----------------------------------------------------------------------------


def test_attacks_are_stopped_and_people_are_not(redis):
    """Shapes and a seed that the figures were not chosen with; a smaller form of `make bench`."""
    found = pumping.simulate(pumping.SEED + 1, attacks.JUDGED, scale=0.2, force=0.4)
    history = found.pop("history")
    assert history.refused_share < pumping.MOST_REFUSED
    every = pumping.total(found)
    assert every.stopped_share > pumping.LEAST_STOPPED
    assert every.refused_share < pumping.MOST_REFUSED
    assert every.saved > 10 * every.lost


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GUARD_MODE", "on", "GUARD_MODE is 'on'. Write one of: off, shadow, enforce."),
        ("GUARD_ALLOW", ["XX"], "GUARD_ALLOW, 'XX': write countries such as DE"),
        ("GUARD_ALLOW", ["+0123"], "GUARD_ALLOW, '+0123': write"),
        ("GUARD_ALLOW", ["+"], "GUARD_ALLOW, '+': write"),
        ("GUARD_ALLOW", ["+4915112345678"], "GUARD_ALLOW, '+4915112345678': there is no number that begins"),
        ("GUARD_ALLOW", ["+999"], "GUARD_ALLOW, '+999': no country code begins so."),
        ("GUARD_ALLOW", [49], "GUARD_ALLOW, 49: write texts such as 'DE' and '+4477'."),
        ("GUARD_ALLOW", "DE", "GUARD_ALLOW is 'DE'. Write a list such as ['DE', '+4477']."),
        ("GUARD_PRICES", 5, "GUARD_PRICES is 5. Write a dict such as {'US': '0.0079'"),
        ("GUARD_PRICES", {49: "1"}, "GUARD_PRICES, 49: write a country such as DE"),
        ("GUARD_BUDGET", [5], "GUARD_BUDGET: [5] must be a number"),
        ("GUARD_FIGURES", [1.0], "GUARD_FIGURES is [1.0]. Write a dict such as {'ratio': 0.8}."),
        ("GUARD_PRICES", {"XX": "1"}, "GUARD_PRICES, XX: write a country such as DE"),
        ("GUARD_PRICES", {"DE": "cheap"}, "GUARD_PRICES, DE: 'cheap' must be a number, 0 or more"),
        ("GUARD_PRICES", {"DE": "nan"}, "GUARD_PRICES, DE: 'nan' must be a number"),
        ("GUARD_PRICES", {"DE": "-1"}, "GUARD_PRICES, DE: '-1' must be a number, 0 or more"),
        ("GUARD_BUDGET", "-5", "GUARD_BUDGET: '-5' must be a number, 0 or more"),
        ("GUARD_BUDGET", "much", "GUARD_BUDGET: 'much' must be a number"),
        ("GUARD_BUDGET", "5", "GUARD_BUDGET needs to know what an SMS costs everywhere. Name a default"),
        ("GUARD_FIGURES", {"fun": 1}, "GUARD_FIGURES has no 'fun'. It has: ratio, proven"),
        ("GUARD_FIGURES", {"ratio": 0}, "GUARD_FIGURES, ratio: give a number over 0."),
        ("GUARD_FIGURES", {"ratio": "much"}, "GUARD_FIGURES, ratio: give a number over 0."),
        ("GUARD_FIGURES", {"ratio": 10**400}, "GUARD_FIGURES, ratio: give a number over 0."),
        ("GUARD_FIGURES", {"fine": 5}, "GUARD_FIGURES, fine: give three numbers over 0"),
        ("GUARD_FIGURES", {"fine": [5, 6, True]}, "GUARD_FIGURES, fine: give three numbers over 0"),
    ],
)
def test_bad_settings_are_refused_with_their_name_and_the_mend(settings, name, value, said):
    setattr(settings, name, value)
    (error,) = guard_checks.guard_settings()
    assert error.msg.startswith(said)


@pytest.mark.parametrize(
    ("narrowest", "number", "country"),
    [
        ("+1202555", "+12025550123", "US"),
        ("+491511234", "+4915112345678", "DE"),
        ("+354611", "+3546111234", "IS"),  # where longer numbers begin with other digits
        ("+2305422", "+23054221234", "MU"),
    ],
)
def test_a_rule_that_is_taken_can_match_and_one_digit_more_is_refused(today, narrowest, number, country):
    command("--block", narrowest)
    assert today.send(number, country) == f"blocked {narrowest}"
    with pytest.raises(CommandError, match="is no scope: there is no number that begins so"):
        command("--block", number[: len(narrowest) + 1])


def test_every_range_of_mobile_numbers_may_have_a_rule():
    """Whether there are such numbers is tried out, and what exists must not be refused for it."""
    for region in phonenumbers.SUPPORTED_REGIONS:
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if not number:  # Tristan da Cunha has none
            continue
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for end in range(2, len(e164) - 3):
            assert guard_settings.scope_problem(e164[:end]) == "", e164[:end]


def test_good_settings_are_silent(settings):
    assert guard_checks.guard_settings() == []
    assert guard_checks.guard_is_on() == []
    settings.GUARD_ALLOW = ["DE", "+4477", "001"]
    settings.GUARD_PRICES = {"US": "0.0079", "default": 0.06}
    settings.GUARD_BUDGET = "12.50"
    settings.GUARD_FIGURES = {"fine": [1, 2, 3], "ratio": 0.8}
    assert guard_checks.guard_settings() == []
    assert guard_settings.read().figures == guard_settings.Figures(fine=(1, 2, 3), ratio=0.8)
    settings.GUARD_MODE = "shadow"
    (warning,) = guard_checks.guard_settings()
    assert "GUARD_BUDGET stops nothing while GUARD_MODE is shadow" in warning.msg


def test_a_guard_that_is_off_is_told_before_deployment(settings):
    settings.GUARD_MODE = "off"
    (warning,) = guard_checks.guard_is_on()
    assert "GUARD_MODE is off" in warning.msg


# --- manage.py guard ----------------------------------------------------------------------------


def command(*words):
    """What `manage.py guard` prints: standard output, standard error."""
    out, err = StringIO(), StringIO()
    call_command("guard", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def today(redis):
    """A clock that agrees with the server's, whose time the command goes by."""
    clock = Clock()
    clock.now = redis.time()[0]
    return clock


def test_a_country_that_was_refused_before_its_first_send_is_a_country(today, settings):
    settings.GUARD_MODE = "shadow"
    command("--block", "DE")
    assert today.send("+4915112345678", "DE") == "blocked DE"
    (row,) = (
        json.loads(line) for line in command("--json", "--all")[0].splitlines() if '"scope": "DE"' in line
    )
    assert (row["kind"], row["refused"]) == ("country", 1)


def test_one_scope_is_a_table_too(today):
    command("--block", "DE")
    assert today.send("+4915112345678", "DE") == "blocked DE"
    (row,) = map(json.loads, command("--json", "--all")[0].splitlines())
    assert (row["scope"], row["kind"], row["refused"], row["state"]) == ("DE", "rule", 1, "blocked")


def test_the_table_shows_what_there_is_to_see(today, settings):
    settings.GUARD_PRICES = {"default": "0.05"}
    settings.GUARD_BUDGET = "100"
    today.prove("+4915112345678", "DE", 2)
    today.now -= 40
    while not today.send("+22412345678", "GN"):
        pass
    out, err = command()
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert set(lines) == {"scope", "new", "DE", "GN", "+2241234"}
    assert lines["DE"].split()[1] == "2/2"
    assert lines["DE"].endswith("ok")
    assert lines["+2241234"].endswith("over hour")
    assert lines["+2241234"].split()[5] == "1"  # refused
    assert "GUARD_MODE is enforce." in err
    assert "Spent today (UTC): 0.4 of 100." in err
    assert "3 more" in err
    assert "+22412\n" not in out
    assert "+491511234" in command("--all")[0]


def test_json_has_one_object_a_line(today):
    today.prove("+4915112345678", "DE", 1)
    found = {row["scope"]: row for row in map(json.loads, command("--json", "--all")[0].splitlines())}
    assert set(found) == {"new", "DE", "+4915112", "+491511234"}
    assert found["DE"]["kind"] == "country"
    assert found["DE"]["day"]["sends"] == found["DE"]["day"]["verified"] == 1
    assert found["DE"]["day"]["cap"] == guard_settings.Figures().country[1] + 1
    assert (found["DE"]["state"], found["DE"]["rule_until"]) == ("ok", None)


def test_block_and_release_count_at_once(today):
    assert today.send("+4915112345678", "DE") == ""
    assert "DE is blocked until" in command("--block", "DE", "--hours", "2")[0]
    assert today.send("+4915112345678", "DE") == "blocked DE"
    assert 7_100_000 < today.wait <= 7_202_000  # whole seconds here
    assert "blocked until" in command()[0]
    assert command("--release", "DE")[0] == "DE is released.\n"
    assert today.send("+4915112345678", "DE") == ""


@pytest.mark.parametrize("prefix", ["+4", "+4915", "+4915112", "+49151123", "+491511234"])
def test_a_rule_holds_for_a_prefix_of_any_length(today, prefix):
    command("--block", prefix)
    assert today.send("+4915112345678", "DE") == f"blocked {prefix}"
    shown = [line for line in command()[0].splitlines() if line.startswith(f"{prefix} ")]
    assert len(shown) == 1
    assert "blocked until" in shown[0]
    command("--release", prefix)
    while not today.send("+4915112345678", "DE"):
        pass
    command("--release", prefix)
    command("--release", "new")
    assert today.send("+4915112345678", "DE") == ""


@pytest.mark.parametrize("word", ["block", "allow"])
@pytest.mark.parametrize("prefix", ["+49151123", "+491511234"])
def test_a_rule_outlives_a_change_of_the_secret(today, settings, wide, prefix, word):
    wide(fine=(1, 9, 9))

    def holds():
        answers = [today.send("+4915112345678", "DE") for _ in range(2)]
        return answers == [f"blocked {prefix}" if word == "block" else ""] * 2

    command(f"--{word}", prefix)
    former = settings.PHONE_SECRET_KEY
    settings.PHONE_SECRET_KEY, settings.PHONE_SECRET_KEY_FALLBACKS = "another-" * 8, [former]
    assert holds()
    command()  # as docs/security.md asks for before the former value goes
    settings.PHONE_SECRET_KEY_FALLBACKS = []
    assert holds()
    settings.PHONE_SECRET_KEY_FALLBACKS = [former]
    command("--release", prefix)
    assert not holds()


def test_the_rule_of_the_narrowest_scope_decides(today):
    command("--block", "DE")
    command("--allow", "+49151")
    command("--block", "+491511")
    assert today.send("+4915122345678", "DE") == ""
    assert today.send("+4915112345678", "DE") == "blocked +491511"
    assert today.send("+4916012345678", "DE") == "blocked DE"


def test_allow_lifts_the_caps(today):
    while not today.send("+22412345678", "GN"):
        pass
    command("--allow", "GN")
    assert today.sent(["+22412345678"] * 5, "GN") == 5


def test_a_rule_ends(today, redis):
    command("--block", "GN", "--hours", "1")
    assert 3_500_000 < redis.pttl("otp:guard-rules") <= 3_600_000
    assert today.send("+22412345678", "GN") == "blocked GN"
    today.now += HOUR + 2
    assert today.send("+22412345678", "GN") == ""


def test_a_short_rule_does_not_end_a_long_one(today, redis):
    command("--block", "FR", "--hours", "48")
    command("--block", "DE", "--hours", "1")
    assert redis.pttl("otp:guard-rules") > 47 * HOUR * 1000


def test_release_forgives_a_prefix_and_all_within_it(today):
    while not today.send("+22412345678", "GN"):
        pass
    assert command("--release", "+224")[0] == "+224 is released.\n"
    assert today.send("+22412345678", "GN") == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--block", "XX"), "'XX' is no scope: write countries such as DE (ISO 3166) and prefixes such as"),
        (("--allow", "+"), "'+' is no scope: write a prefix with + and digits"),
        (("--block", "+12025550"), "'+12025550' is no scope: there is no number that begins so and goes on"),
        (("--release", "FR"), "Nothing is known of FR."),
        (("--block", "DE", "--hours", "0"), "--hours must be over 0"),
        (("--block", "DE", "--hours", "nan"), "--hours must be over 0"),
        (("--hours", "3"), "--hours goes with --allow or --block."),
    ],
)
def test_a_wrong_word_is_an_error_that_says_what_to_write(redis, words, said):
    with pytest.raises(CommandError) as caught:
        command(*words)
    assert str(caught.value).startswith(said)


def test_a_rule_that_does_not_count_yet_says_so(redis, settings):
    settings.GUARD_MODE = "shadow"
    assert "GUARD_MODE is shadow: nothing is blocked" in command("--block", "DE")[1]


def test_a_redis_that_is_away_is_named(settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}}
    with pytest.raises(CommandError, match=r"Redis does not answer. Is REDIS_URL right\?"):
        command()
