"""The tally: what happened how often, and how long it took."""

from __future__ import annotations

from contextlib import suppress

import pytest

from otp import services as codes
from otp.caller import Caller
from otp.errors import RateLimited
from sms import cells, receipts, services, store, tally
from sms.errors import AccountFailure, OutcomeUnknown, Overloaded, PermanentFailure, TemporaryFailure
from sms.names import IN_LUA
from sms.scripts import INCLUDES, Script, client
from sms.tally import Series, Span
from sms.testing import code_in, outbox
from tests.sms.house import PHONE, lease_ends


def counted(family: tally.Family = "counts") -> dict[str, int]:
    """Every field of all time, by its text."""
    (found,) = tally.read(family)
    return found


def of(name: str, family: tally.Family = "counts") -> dict[tuple[str, ...], int]:
    """The labels of one name, and their counts."""
    return {one.labels: value for one, value in tally.series(counted(family)) if one.name == name}


def took() -> dict[Series, tally.Times]:
    return tally.times(counted("times"))


def test_a_code_from_start_to_check(settings):
    started = codes.start(PHONE, caller=Caller("shop"))
    codes.check(started.id, "000000" if code_in(outbox[-1].body) != "000000" else "111111")
    codes.check(started.id, code_in(outbox[-1].body))
    assert of("starts") == {("issued", "login", "US", "shop"): 1}
    assert of("messages") == {("queued", "", "US", "otp"): 1, ("sent", "test", "US", "otp"): 1}
    assert of("codes") == {("queued", "login"): 1, ("sent", "login"): 1}
    assert of("calls") == {("accepted", "test", "US"): 1}
    assert of("checks") == {("invalid", "login", "shop"): 1, ("valid", "login", "shop"): 1}
    assert of("verified") == {("test", "US"): 1}
    named = {series.name: (series.labels, times.count) for series, times in took().items()}
    assert named == {
        "to_sent": (("otp",), 1),
        "call": (("test",), 1),
        "to_verified": (("test",), 1),
    }


def test_the_hour_and_the_day_have_the_same(redis):
    codes.start(PHONE)
    seconds = int(store.now())
    everything = counted()
    for unit, length in tally.LENGTH.items():
        (found,) = tally.read("counts", unit, [seconds // length])
        assert found == everything
        assert 34 < redis.ttl(tally.place("counts", unit, seconds // length)) / 86400 <= 35
    assert redis.ttl(tally.place("counts")) == -1


def test_what_nobody_read_goes_to_its_hour_when_the_next_begins(redis, tmp_path):
    now = int(store.now()) // 3600 * 3600
    for at in (now - 7200, now - 7200, now - 3600, now - 7200):  # the clock of a new master may be behind
        add(tmp_path, "counts", "checks|valid|login|", at)
    hour = now // 3600
    assert redis.hgetall(tally.place("counts", "hour", hour - 2)) == {b"checks|valid|login|": b"4"}
    assert tally.read("counts", "hour", [hour - 2, hour - 1]) == [
        {"checks|valid|login|": 6},
        {"checks|valid|login|": 2},
    ]
    assert of("checks") == {("valid", "login", ""): 8}
    assert of("checks") == {("valid", "login", ""): 8}  # folded once


def test_what_counts_between_two_looks_adds_up(redis, tmp_path):
    for count in (2, 4, 6):
        add(tmp_path, "counts", "checks|valid|login|")
        assert of("checks") == {("valid", "login", ""): count}
    assert not redis.keys("sms:tally:*fresh*")


def test_what_refuses_a_start_is_named(settings, redis):
    settings.OTP_PURPOSES = {"login": {"cooldown": 30}, "signup": {"cooldown": 0}}
    settings.OTP_LIMITS = "phone=2/1h"
    codes.start(PHONE)
    for purpose in ("login", "signup", "signup"):
        with suppress(RateLimited):
            codes.start(PHONE, purpose)
    assert of("starts") == {
        ("issued", "login", "US", ""): 1,
        ("cooldown", "login", "US", ""): 1,
        ("issued", "signup", "US", ""): 1,
        ("limit:phone", "signup", "US", ""): 1,
    }


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
def test_what_the_guard_says_is_counted(settings, mode):
    settings.GUARD_MODE, settings.GUARD_FIGURES = mode, {"fine": (2, 9, 9), "strict": 2}
    settings.GUARD_PRICES = {"default": 0.05}
    for number in range(3):
        with suppress(RateLimited):
            codes.start(f"+1202555{number + 200:04}")
    issued = 2 if mode == "enforce" else 3
    assert of("starts")["issued", "login", "US", ""] == issued
    if mode == "enforce":
        assert of("starts")["guard:hour", "login", "US", ""] == 1
    else:
        assert of("let_through") == {("shadow:hour", "login", "US", ""): 1}
    assert of("spent") == {("US",): issued * 50_000}


@pytest.mark.parametrize(
    ("error", "outcome", "word"),
    [
        (TemporaryFailure("x", code="busy"), "temporary", "busy"),
        (PermanentFailure("x", code="21211"), "refused", "21211"),
        (AccountFailure("x", code="no_money"), "account", "no_money"),
        (OutcomeUnknown("x", code="timeout"), "unknown", "timeout"),
    ],
)
def test_each_outcome_of_a_call_is_counted_with_the_vendors_word(house, error, outcome, word):
    house.providers["a"].outcomes = [error]
    house.deliver(house.code())
    assert of("calls")[outcome, "a", "US"] == 1
    assert of("call", "words") == {(outcome, "a", word): 1}


def test_a_worker_that_died_in_a_call_is_counted(house, redis):
    id = house.code()
    house.choose(id, "a")
    lease_ends(redis, id)
    house.deliver(id)
    assert of("calls")["worker_died", "a", "US"] == 1


def test_receipts_are_counted_and_timed(house):
    id = house.code()
    house.deliver(id)
    receipts.take("a", {}, f"{id} delivered".encode(), "/", "")
    assert of("receipts") == {("delivered", "a", "US"): 1}
    assert of("messages")["delivered", "a", "US", "otp"] == 1
    assert took()[Series("to_delivered", ("a",))].count == 1
    other = house.code()
    house.deliver(other)
    receipts.take("a", {}, f"{other} failed".encode(), "/", "")
    assert of("receipt", "words") == {("failed", "a", "failed"): 1}


def arrivals(redis) -> list[bytes]:
    return sorted(redis.keys("sms:arrival:*"))


def test_a_receipt_counts_from_the_call_that_it_is_about(house, redis):
    """Not from that of another alias, which had the code before or after."""
    id = house.code()
    house.deliver(id)
    redis.hincrby(f"sms:message:{id}", "sent_at", -50_000)
    receipts.take("a", {}, f"{id} failed".encode(), "/", "")
    house.deliver(id)
    assert house.calls == "ab"
    receipts.take("a", {}, f"{id} delivered".encode(), "/", "")
    assert services.get(id).state == "delivered"
    assert (arrivals(redis), Series("to_delivered", ("a",)) in took()) == ([], False)


def test_a_receipt_that_overtakes_the_answer_is_not_timed(house, redis):
    id = house.code()
    house.deliver(id)
    redis.hincrby(f"sms:message:{id}", "sent_at", -50_000)
    receipts.take("a", {}, f"{id} failed".encode(), "/", "")
    word = f"{id} delivered".encode()
    house.providers["b"].meanwhile = lambda _: receipts.take("b", {}, word, "/", "")
    house.deliver(id)
    assert services.get(id).state == "delivered"
    assert (arrivals(redis), Series("to_delivered", ("b",)) in took()) == ([], False)


@pytest.mark.usefixtures("one_list")
def test_what_is_not_accepted_is_counted(redis, settings):
    settings.SMS_LONGEST_WAIT = {"otp": 2, "bulk": 2}
    redis.zadd("sms:waiting:bulk", {f"message-{n}": 1 for n in range(20)})
    with pytest.raises(Overloaded):
        services.send(PHONE, "Hello")
    assert of("messages") == {("refused:overloaded", "", "US", "bulk"): 1}


def add(tmp_path, family: tally.Family, field: str, at: float | None = None, cell: int = 0) -> None:
    """Count a field twice as scripts do, now or at another time."""
    step = tmp_path / "step.lua"
    step.write_text(
        '--- @include "clock"\n--- @include "tally"\n'
        "tally(tonumber(ARGV[3]) or clock(), ARGV[1], { ARGV[2], 2 })\n"
    )
    count = Script(step, includes=(INCLUDES,), keys=IN_LUA)
    count((), (family, field, "" if at is None else at * 1000), cell)


def fill(family: tally.Family, fields: int) -> None:
    for cell in cells.every():
        with client(cell) as redis:
            redis.hset(tally.place(family, cell=cell), mapping={f"old|{n}": 1 for n in range(fields)})


@pytest.mark.parametrize("name", tally.LABELS)
def test_a_full_hash_gives_up_the_label_with_open_ends_first(redis, tmp_path, name):
    """Which provider it was, and how it ended, stays: that is what alerts ask for."""
    family: tally.Family = "words" if name in ("call", "receipt") else "counts"
    labels = tally.LABELS[name]
    fill(family, 5000)
    for country in ("US", "CA"):
        values = {"country": country, "word": country}
        add(tmp_path, family, "|".join((name, *(values.get(label, f"a {label}") for label in labels))))
    open_ends = {"country": "other", "word": "other"}
    expected = tuple(open_ends.get(label, f"a {label}") for label in labels)
    assert of(name, family) == {expected: 4}


def test_what_a_full_hash_knows_counts_on(redis):
    fill("counts", 4999)
    redis.hset(tally.place("counts"), "starts|issued|login|US|", 7)
    codes.start(PHONE)
    assert of("starts") == {("issued", "login", "US", ""): 8}


def test_a_new_provider_is_told_apart_in_a_full_tally(house, redis):
    fill("counts", 5000)
    house.providers["a"].outcomes = [TemporaryFailure("x")]
    house.deliver(house.code())
    assert of("calls") == {("temporary", "a", "other"): 1, ("accepted", "b", "other"): 1}


def test_a_hash_is_bounded_and_the_rest_is_other(redis, settings):
    settings.REDIS_CELLS = 1
    fill("counts", 7000)
    redis.hset(tally.place("counts"), "calls|accepted|test|other", 1)
    codes.start(PHONE)
    assert of("starts")[("other",) * 4] == 1
    assert of("calls") == {("accepted", "test", "other"): 2}  # that was there already
    assert redis.hlen(tally.place("counts")) <= 7000 + len(tally.LABELS)


def test_fields_of_other_versions_are_read(redis):
    fields = {"starts|issued|login": 1, "unheard_of|x": 1, "checks|other": 2}
    assert dict(tally.series(fields)) == {
        Series("starts", ("issued", "login", "", "")): 1,
        Series("checks", ("other", "other", "other")): 2,
    }


def test_a_plain_message_is_of_no_purpose():
    services.send(PHONE, "Hello")
    assert of("messages")["sent", "test", "US", "bulk"] == 1
    assert of("codes") == {}


def test_what_cells_count_is_added_up(settings, tmp_path):
    settings.REDIS_CELLS = 4
    for cell in (0, 1, 3):
        add(tmp_path, "counts", "checks|valid|login|", cell=cell)
    add(tmp_path, "counts", "cancelled|login", cell=2)
    added = {"checks|valid|login|": 6, "cancelled|login": 2}
    assert counted() == added
    assert tally.read("counts", "hour", [int(store.now()) // 3600]) == [added]


def test_several_hashes_are_read_in_one_trip():
    codes.start(PHONE)
    day = int(store.now()) // 86400
    spans = [Span("counts", "day", day), Span("times"), Span("words", "day", day)]
    assert tally.read_spans(spans) == [counted(), counted("times"), {}]


@pytest.mark.parametrize(
    ("ms", "power"),
    [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10), (2**20, 20), (2**20 + 1, 21)],
)
def test_a_time_stands_under_the_power_that_bounds_it(redis, tmp_path, ms, power):
    step = tmp_path / "step.lua"
    step.write_text(
        '--- @include "clock"\n--- @include "timed"\ntimed(clock(), "call", "a", tonumber(ARGV[1]))\n'
    )
    Script(step, includes=(INCLUDES,), keys=IN_LUA)((), (ms,))
    assert counted("times") == {f"call|a|{power}": 1, "call|a|sum": ms}


def test_percentiles_are_guessed_between_bounds():
    times = tally.times({"call|a|3": 50, "call|a|4": 50, "call|a|sum": 900})[Series("call", ("a",))]
    assert (times.count, times.seconds) == (100, 0.9)
    assert times.percentile(0.5) == 0.008
    assert times.percentile(0.75) == pytest.approx(0.012)
    assert times.percentile(1) == 0.016
    assert tally.times({}) == {}


def test_a_code_that_another_alias_sends_anew_is_sent_once(house):
    id = house.send(queue="otp", resend_unknown=True)
    house.redis.hset(f"sms:message:{id}", "purpose", "login")
    house.deliver(id)
    receipts.take("a", {}, f"{id} failed".encode(), "/", "")
    house.deliver(id)
    assert of("codes")["sent", "login"] == 1
    assert {alias for state, alias, *_ in of("messages") if state == "sent"} == {"a", "b"}
