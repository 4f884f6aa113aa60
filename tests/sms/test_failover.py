"""The failover rule as a table, the breaker, rates, slots, undelivered codes and dead letters."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from io import StringIO
from types import SimpleNamespace

import pytest
from celery.signals import celeryd_after_setup
from django.core.management import CommandError, call_command

from sms import broker, names, receipts, registry, services, signals, store
from sms.checks import providers as provider_checks
from sms.checks import settings as checks
from sms.delivery import health, turns
from sms.delivery import run as delivery
from sms.errors import (
    LONGEST_HOLD,
    AccountFailure,
    NoRoute,
    OutcomeUnknown,
    Overloaded,
    PermanentFailure,
    TemporaryFailure,
    Unavailable,
)
from sms.message import Attempt, Receipt, State
from sms.providers.base import Provider, Sms
from sms.providers.transport import retry_after

PHONE = "+12025550123"


class Scripted(Provider):
    """Does what the test says, one outcome after the other; ``always`` once they are used up."""

    scheme = "scripted"
    takes_receipts = True

    def __init__(self, alias: str) -> None:
        super().__init__(alias)
        self.outcomes: list[Exception | None] = []
        self.always: Exception | None = None
        self.calls: list[Sms] = []
        self.times: list[float] = []
        self.hangs: threading.Event | None = None

    def send(self, sms):
        self.calls.append(sms)
        self.times.append(time.monotonic())
        if self.hangs:
            self.hangs.wait(30)
        outcome = self.outcomes.pop(0) if self.outcomes else self.always
        if outcome:
            raise outcome
        return f"{self.alias}-{len(self.calls)}"

    def parse_receipts(self, headers, body, url):
        reference, word = body.decode().split()
        return [Receipt(reference, State(word), word)]


def busiest(times: list[float]) -> int:
    """The most calls of any second."""
    return max(sum(begin <= at < begin + 1 for at in times) for begin in times)


class House:
    """Three scripted aliases a, b, c; messages wait until the test delivers them."""

    def __init__(self, monkeypatch, settings, redis) -> None:
        self.redis = redis
        self.published: list[str] = []
        self.providers = {name: Scripted(name) for name in "abc"}
        self.slots = registry.Slots(10)
        self.aliases = {
            name: registry.Alias(provider, slots=self.slots, share=registry.SHARE)
            for name, provider in self.providers.items()
        }
        settings.SMS_PROVIDERS = dict.fromkeys(self.providers, "memory://")
        settings.SMS_ROUTES = {"default": "a>b"}
        for module in (delivery, health, registry):
            monkeypatch.setattr(module, "aliases", lambda: self.aliases)
        monkeypatch.setattr(broker, "publish", lambda id, _: self.published.append(id) or True)
        self.settings = settings

    def rate(self, name, rate=0.0, segment_rate=0.0):
        self.aliases[name] = registry.Alias(
            self.providers[name], slots=self.slots, share=1, rate=rate, segment_rate=segment_rate
        )

    def send(self, **options):
        return services.send(PHONE, "123456", **options).id

    def code(self):
        return self.send(queue="otp", expires_at=time.time() + 120, resend_unknown=True)

    def deliver(self, id):
        self.redis.hset(names.RECORD + id, "not_before", 1)
        delivery.deliver(id)
        return services.get(id)

    @contextmanager
    def workers(self, count):
        """So many threads deliver whatever is published, and what has waited for its turn."""
        with ThreadPoolExecutor(count) as pool, pytest.MonkeyPatch.context() as patch:
            patch.setattr(turns, "publish_in", turns.Turns().publish_in)
            patch.setattr(broker, "publish", lambda id, _: pool.submit(delivery.deliver, id))
            yield

    def wait_for(self, alias, count):
        deadline = time.monotonic() + 10
        while len(self.providers[alias].calls) < count:
            assert time.monotonic() < deadline, f"{len(self.providers[alias].calls)} calls"
            time.sleep(0.01)

    @property
    def calls(self) -> str:
        """``aab``: who was called, in no order between aliases."""
        return "".join(name * len(provider.calls) for name, provider in self.providers.items())

    def pause_is_over(self, alias):
        self.redis.hset(names.HEALTH + alias, "open_until", 1)

    def left_out(self) -> set[str]:
        """Alias, or alias:country."""
        keys = (key.decode() for key in self.redis.keys(names.HEALTH + "*"))
        return {key.removeprefix(names.HEALTH) for key in keys if self.redis.hexists(key, "open_until")}


@pytest.fixture
def house(monkeypatch, settings, redis):
    monkeypatch.setattr(health, "_good", Counter())
    return House(monkeypatch, settings, redis)


@pytest.fixture
def left_out():
    """Every (alias, country) that the signal told of."""
    heard = []

    def hear(*, alias, country, **_):
        heard.append((alias, country))

    signals.provider_left_out.connect(hear)
    yield heard
    signals.provider_left_out.disconnect(hear)


DELIVERED, FAILED, QUEUED = State.DELIVERED, State.FAILED, State.QUEUED
SENDING, SENT, UNKNOWN = State.SENDING, State.SENT, State.UNKNOWN


@dataclass
class Row:
    """One row of the failover rule, see ``sms.delivery``. The route is a>b, or a alone."""

    outcome: BaseException | str | None  # of the call to a; a str: what its receipt says after it
    # The message: its state, who is called in this run, who when it comes back.
    code: tuple[State, str, str]
    other: tuple[State, str, str]  # a message that is no code
    alone: tuple[State, str, str]  # a code whose route has no other alias
    # The alias: outcomes that count for it, and for it in this country; where it is left out, of
    # which a log line at level error and a signal tell.
    good: int = 0
    bad: int = 0
    good_there: int = 0
    bad_there: int = 0
    left_out: str | None = None  # "" everywhere, or a country


RULE = {
    "accepted": Row(None, (SENT, "a", ""), (SENT, "a", ""), (SENT, "a", ""), good=1),
    "temporary": Row(
        TemporaryFailure("x", code="503"), (SENT, "ab", ""), (SENT, "ab", ""), (QUEUED, "a", "a"), bad=1
    ),
    "number": Row(
        PermanentFailure("x", code="21211"), (FAILED, "a", ""), (FAILED, "a", ""), (FAILED, "a", ""), good=1
    ),
    "account": Row(
        AccountFailure("x", code="20003"),
        (SENT, "ab", ""),
        (SENT, "ab", ""),
        (QUEUED, "a", ""),  # it looks again, but may not ask before the probe
        bad=1,
        left_out="",
    ),
    "sender": Row(
        AccountFailure("x", code="21408", here=True),
        (SENT, "ab", ""),
        (SENT, "ab", ""),
        (QUEUED, "a", ""),
        bad_there=1,
        left_out="US",
    ),
    "unknown": Row(
        OutcomeUnknown("x", code="read_timeout"),
        (QUEUED, "a", "b"),
        (UNKNOWN, "a", ""),
        (QUEUED, "a", "a"),
        bad=1,
    ),
    "worker died in it": Row(
        SystemExit(), (SENDING, "a", "b"), (SENDING, "a", ""), (SENDING, "a", "a"), bad=1
    ),
    "receipt: undelivered": Row(
        "failed", (QUEUED, "a", "b"), (FAILED, "a", ""), (FAILED, "a", ""), good=1, bad_there=1
    ),
    "receipt: delivered": Row(
        "delivered", (DELIVERED, "a", ""), (DELIVERED, "a", ""), (DELIVERED, "a", ""), good=1, good_there=1
    ),
}


@pytest.mark.parametrize("kind", ["code", "other", "alone"])
@pytest.mark.parametrize("outcome", RULE)
def test_the_rule(house, left_out, caplog, outcome, kind):
    redis, row, a = house.redis, RULE[outcome], house.providers["a"]
    if kind == "alone":
        house.settings.SMS_ROUTES = {"default": "a"}
    id = house.send() if kind == "other" else house.code()
    a.outcomes = [row.outcome] if isinstance(row.outcome, BaseException) else []
    with suppress(SystemExit):
        house.deliver(id)
    if isinstance(row.outcome, str):
        receipts.take("a", {}, f"{id} {row.outcome}".encode(), "/", "")
    state, calls = services.get(id).state, house.calls

    redis.hset(names.RECORD + id, "lease_until", 1)
    good = health._good["a"]  # what the next choice will count
    house.deliver(id)
    later = Counter(house.calls) - Counter(calls)
    assert (state, calls, "".join(later)) == getattr(row, kind)
    ended = UNKNOWN if state is SENDING else state  # unless somebody took it now
    assert services.get(id).state is (SENT if later else ended)

    if kind != "alone":  # else it was asked twice
        counts = [
            int(redis.hget(names.HEALTH + key, name) or 0)
            for key, name in (("a", "bad"), ("a:US", "good"), ("a:US", "bad"))
        ]
        assert (good, *counts) == (row.good, row.bad, row.good_there, row.bad_there)
    loud = [record.msg for record in caplog.records if record.levelname == "ERROR"]
    if row.left_out is None:
        assert (house.left_out(), left_out, loud) == (set(), [], [])
    else:
        assert house.left_out() == {"a:US" if row.left_out else "a"}
        assert left_out == [("a", row.left_out)]
        assert [(line["event"], line["alias"], line["country"]) for line in loud] == [
            ("provider_left_out", "a", row.left_out)
        ]


def test_an_unknown_code_goes_to_the_next_alias_once(house):
    for name in "ab":
        house.providers[name].always = OutcomeUnknown("x")
    id = house.code()
    house.deliver(id)
    due = house.redis.zscore(names.LEASES + "otp", id) / 1000 - time.time()
    assert 4 < due <= 5.1  # SMS_RECEIPT_WAIT
    assert house.deliver(id).state is State.UNKNOWN
    assert house.calls == "ab"
    assert house.deliver(id).state is State.UNKNOWN
    assert house.calls == "ab"


def test_an_unknown_message_that_is_no_code_stops(house):
    house.providers["a"].always = OutcomeUnknown("x")
    assert house.deliver(house.send()).state is State.UNKNOWN
    assert house.calls == "a"


def test_an_unknown_code_does_not_return_while_the_route_has_another(house):
    """Not while that fails, nor while it is left out: rounds of the others alone."""
    house.providers["a"].outcomes = [OutcomeUnknown("x")]
    b = house.providers["b"]
    b.outcomes = [TemporaryFailure("x")]
    id = house.code()
    house.deliver(id)
    assert house.deliver(id).state is State.QUEUED
    assert house.redis.hget(names.RECORD + id, "rounds") == b"1"
    health.failed("b", at_once=True)
    assert house.deliver(id).state is State.QUEUED
    house.pause_is_over("b")
    assert house.deliver(id).state is State.SENT
    assert house.calls == "abb"


def test_an_unknown_code_goes_to_the_only_alias_once_more(house):
    house.settings.SMS_ROUTES = {"default": "a"}
    house.providers["a"].always = OutcomeUnknown("x")
    id = house.code()
    assert [house.deliver(id).state for _ in range(3)] == [State.QUEUED, State.UNKNOWN, State.UNKNOWN]
    assert house.calls == "aa"


class TestOnceMoreInAll:
    """A code that an alias may have goes to one more, whatever happens there."""

    def test_unknown_then_undelivered(self, house):
        house.providers["a"].outcomes = [OutcomeUnknown("x")]
        id = house.code()
        house.deliver(id)
        assert house.deliver(id).alias == "b"
        receipts.take("b", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED
        house.deliver(id)
        assert house.calls == "ab"

    def test_undelivered_then_unknown(self, house):
        house.providers["b"].outcomes = [OutcomeUnknown("x")]
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        assert house.deliver(id).state is State.UNKNOWN
        house.deliver(id)
        assert house.calls == "ab"

    def test_undelivered_then_the_worker_died(self, house, monkeypatch):
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")

        def dies(_):
            raise SystemExit

        monkeypatch.setattr(house.providers["b"], "send", dies)
        with pytest.raises(SystemExit):
            delivery.deliver(id)
        house.redis.hset(names.RECORD + id, "lease_until", 1)
        assert house.deliver(id).state is State.UNKNOWN
        assert house.calls == "a"


def test_a_receipt_ends_the_wait_for_the_next_alias(house):
    house.providers["a"].always = OutcomeUnknown("x")
    id = house.code()
    house.deliver(id)
    receipts.take("a", {}, f"{id} delivered".encode(), "/", "")
    assert house.deliver(id).state is State.DELIVERED
    assert house.calls == "a"


def test_a_worker_that_died_in_a_call_leaves_that_alias_for_last(house, monkeypatch):
    id = house.code()
    monkeypatch.setattr(Scripted, "send", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        delivery.deliver(id)
    monkeypatch.undo()
    house.redis.hset(names.RECORD + id, "lease_until", 1)
    assert house.deliver(id).alias == "b"
    assert house.redis.hget(names.HEALTH + "a", "bad") == b"1"


def test_a_worker_that_died_before_any_call_has_sent_nothing(house):
    """So nothing is unknown, and a message that is no code may go out."""
    id = house.send()
    assert store.claim(id)[0] == "claimed"
    house.redis.hset(names.RECORD + id, "lease_until", 1)
    assert house.deliver(id).state is State.SENT
    assert house.calls == "a"


def test_an_earlier_call_is_not_the_one_that_a_worker_died_in(house):
    for name in "ab":
        house.providers[name].outcomes = [TemporaryFailure("x")]
    id = house.send()
    house.deliver(id)
    house.redis.hset(names.RECORD + id, "not_before", 1)
    assert store.claim(id)[0] == "claimed"
    house.redis.hset(names.RECORD + id, "lease_until", 1)
    assert house.deliver(id).state is State.SENT


def test_what_was_delivered_meanwhile_is_not_sent(house):
    id = house.code()
    _, attempt, _ = store.claim(id)
    assert isinstance(attempt, Attempt)
    house.redis.hset(names.RECORD + id, "asked", "a")  # by an earlier attempt, whose outcome is unknown
    store.report(id, State.DELIVERED, alias="a", health=names.HEALTH, figures=health.breaker().figures)
    delivery._Run(attempt).go()
    assert (house.calls, services.get(id).state) == ("", State.DELIVERED)


def test_what_was_called_back_meanwhile_goes_to_nobody_else(house, monkeypatch):
    id = house.code()

    def fails(_):
        services.cancel(id)
        raise TemporaryFailure("x")

    monkeypatch.setattr(house.providers["a"], "send", fails)
    assert house.deliver(id).state is State.CANCELLED
    assert house.calls == ""


def test_a_record_that_is_gone_is_not_made_again(house, redis):
    id = house.code()
    _, attempt, _ = store.claim(id)
    assert isinstance(attempt, Attempt)
    redis.flushall()
    delivery._Run(attempt).go()
    assert (house.calls, redis.exists(names.RECORD + id)) == ("", 0)


def test_who_lost_the_lease_asks_nobody_else(house, monkeypatch):
    monkeypatch.setattr(delivery, "ONE_CALL", store.LEASE)
    id = house.send()

    def slow(_):
        house.redis.hset(names.RECORD + id, "lease_until", 1)
        house.redis.hset(names.RECORD + id, "resend_unknown", "1")
        assert store.claim(id)[0] == "claimed"  # somebody else
        raise TemporaryFailure("x")

    monkeypatch.setattr(house.providers["a"], "send", slow)
    assert house.deliver(id).state is State.SENDING
    assert house.calls == ""


def test_a_long_run_keeps_its_lease(house, monkeypatch):
    monkeypatch.setattr(delivery, "ONE_CALL", store.LEASE)
    house.providers["a"].outcomes = [TemporaryFailure("x")]
    assert house.deliver(house.send()).state is State.SENT
    assert house.calls == "ab"


def test_redis_away_between_the_claim_and_the_call(house, monkeypatch):
    choose, failures = health.choose, [Unavailable("away")]

    def away_once(*args, **more):
        if failures:
            raise failures.pop()
        return choose(*args, **more)

    monkeypatch.setattr(health, "choose", away_once)
    id = house.send()
    assert house.deliver(id).state is State.QUEUED
    assert house.deliver(id).state is State.SENT
    assert house.calls == "a"


def test_redis_away_between_two_aliases(house, redis, monkeypatch):
    """Nobody was asked for want of Redis, which is no failed round."""
    choose, asked = health.choose, []

    def away_the_second_time(*args, **more):
        asked.append(1)
        if len(asked) == 2:
            raise Unavailable("away")
        return choose(*args, **more)

    monkeypatch.setattr(health, "choose", away_the_second_time)
    house.providers["a"].outcomes = [TemporaryFailure("x")]
    id = house.code()
    assert house.deliver(id).state is State.QUEUED
    assert not redis.hget(names.RECORD + id, "rounds")
    assert redis.zscore(names.LEASES + "otp", id) / 1000 - time.time() == pytest.approx(1, abs=0.2)
    assert house.deliver(id).state is State.SENT


def test_redis_away_as_the_lease_is_renewed(house, redis, monkeypatch):
    """The alias has definitely refused: that stays so, and it is no failed round."""
    monkeypatch.setattr(delivery, "ONE_CALL", store.LEASE)
    house.providers["a"].outcomes = [TemporaryFailure("x")]
    id = house.send()

    def away(*_):
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "renew", away)
        assert house.deliver(id).state is State.QUEUED
    assert not redis.hget(names.RECORD + id, "rounds")
    assert house.deliver(id).state is State.SENT
    assert house.calls == "aa"


@pytest.mark.parametrize("outcome", [TemporaryFailure("x"), AccountFailure("x")])
@pytest.mark.parametrize("last", ["report", "renew"])
def test_a_worker_that_died_after_a_refusal_has_sent_nothing(house, redis, monkeypatch, outcome, last):
    """It dies before the next alias is chosen; Redis may not have heard of the refusal at once."""
    house.providers["a"].outcomes = [outcome]
    id = house.send()

    def dies(*_, **__):
        raise SystemExit

    with monkeypatch.context() as patch:
        if last == "renew":
            patch.setattr(delivery, "ONE_CALL", store.LEASE)
            patch.setattr(health, "failed", lambda *_, **__: None)
        choose = health.choose
        patch.setattr(
            health, "choose", lambda *args, **more: dies() if house.calls else choose(*args, **more)
        )
        with pytest.raises(SystemExit):
            delivery.deliver(id)
    redis.hset(names.RECORD + id, "lease_until", 1)
    assert house.deliver(id).state is State.SENT
    assert redis.hget(names.RECORD + id, "unknowns") == b"0"


def test_a_refusal_that_comes_too_late_says_nothing_of_the_next_attempt(house, redis):
    id = house.code()
    for _ in range(2):
        assert store.claim(id)[0] == "claimed"
        redis.hset(names.RECORD + id, "lease_until", 1)
    redis.hset(names.RECORD + id, "calling", "b")
    health.failed("a", refused=(id, 1))
    assert redis.hget(names.RECORD + id, "calling") == b"b"
    health.failed("b", refused=(id, 2))
    assert redis.hget(names.RECORD + id, "calling") == b""
    health.failed("b", refused=("gone", 2))
    assert not redis.exists(names.RECORD + "gone")


def test_all_aliases_failed(house, redis):
    """Rounds after 3, 10 and 20 s, each through the whole route; then a dead letter."""
    house.settings.SMS_BREAKER = {"fewest": 100}
    for name in "ab":
        house.providers[name].always = TemporaryFailure("x", code="busy")
    id = house.code()
    waits = []
    for _ in range(3):
        assert house.deliver(id).state is State.QUEUED
        waits.append(round(redis.zscore(names.LEASES + "otp", id) / 1000 - time.time()))
    assert waits == [3, 10, 20]
    assert house.deliver(id).state is State.FAILED
    assert house.calls == "aaaabbbb"
    assert [message.id for message in services.dead_letters()] == [id]
    assert services.dead_letter(id).error == "busy"


class TestShortWaits:
    """They end without a sweep, which travels behind the queue."""

    @pytest.mark.parametrize("why", ["round", "unknown", "slot", "left out", "receipt first"])
    def test_it_comes_back_when_its_time_is_over(self, house, redis, monkeypatch, why):
        wait = 0.0 if why == "receipt first" else 0.4
        monkeypatch.setattr(delivery, "ROUNDS", (wait,))
        monkeypatch.setattr(delivery, "SOON", wait)
        monkeypatch.setattr(health, "LATER", wait)
        house.settings.SMS_RECEIPT_WAIT = wait
        a, b = house.providers["a"], house.providers["b"]
        if why == "round":
            a.outcomes, b.outcomes = [TemporaryFailure("x")], [TemporaryFailure("x")]
        elif why == "unknown":
            a.outcomes = [OutcomeUnknown("x")]
        elif why == "receipt first":
            monkeypatch.setattr(
                a, "send", lambda sms: receipts.take("a", {}, f"{sms.id} failed".encode(), "/", "") or "1"
            )
        else:
            house.settings.SMS_ROUTES = {"default": "a"}
            house.aliases["a"] = registry.Alias(a, slots=registry.Slots(1), share=1)
            if why == "left out":
                redis.hset(names.HEALTH + "a", "hold_until", int((time.time() + 0.3) * 1000))
        with house.workers(2):
            began = time.monotonic()
            if why == "slot":
                with house.aliases["a"].slot():
                    id = house.code()
                    time.sleep(0.2)
            else:
                id = house.code()
            while services.get(id).state is not State.SENT:
                assert time.monotonic() - began < 2
                time.sleep(0.01)
            assert time.monotonic() - began == pytest.approx(wait, abs=0.3)

    def test_a_hundred_that_wait_cost_one_thread(self, house, monkeypatch):
        house.settings.SMS_BREAKER = {"fewest": 1000}
        monkeypatch.setattr(delivery, "ROUNDS", (0.5,))
        for name in "ab":
            house.providers[name].outcomes = [TemporaryFailure("x")] * 100
        before = set(threading.enumerate())
        with house.workers(4):
            for _ in range(100):
                house.code()
            house.wait_for("b", 100)
            more = set(threading.enumerate()) - before
            assert sum(thread.name == "turns" for thread in more) == 1
            house.wait_for("a", 200)
        assert house.calls.count("b") == 100

    @pytest.mark.parametrize("seconds", [6, 20])
    def test_a_longer_one_is_left_to_the_sweeps(self, house, monkeypatch, seconds):
        told = []
        monkeypatch.setattr(turns, "publish_in", lambda *args: told.append(args))
        house.settings.SMS_RECEIPT_WAIT = seconds
        house.providers["a"].outcomes = [OutcomeUnknown("x")]
        assert house.deliver(house.code()).state is State.QUEUED
        assert told == []


class TestUndelivered:
    """A receipt says that a code did not arrive while it lives."""

    def undelivered(self, house):
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        return id

    def test_it_goes_to_the_next_alias_once(self, house):
        id = self.undelivered(house)
        assert services.get(id).state is State.QUEUED
        assert house.published.count(id) == 2
        assert house.deliver(id).state is State.SENT
        assert (house.calls, services.get(id).alias) == ("ab", "b")
        receipts.take("b", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED

    def test_dead_before_the_next_alias_had_it_has_failed(self, house, redis):
        """It was sent, and a receipt says what became of it: that is not "died before it could be sent"."""
        id = self.undelivered(house)
        redis.hset(names.RECORD + id, "expires_at", 1)
        found = house.deliver(id)
        assert (found.state, found.error, house.calls) == (State.FAILED, "undelivered", "a")
        assert not redis.exists(names.BODY + id)
        assert redis.zcard(names.LEASES + "otp") == 0

    def test_the_same_receipt_again_is_nothing(self, house):
        id = self.undelivered(house)
        assert receipts.take("a", {}, f"{id} failed".encode(), "/", "") == 0
        house.deliver(id)
        assert receipts.take("a", {}, f"{id} failed".encode(), "/", "") == 0
        assert services.get(id).state is State.SENT

    def test_an_earlier_word_that_comes_late_does_not_end_it(self, house):
        id = self.undelivered(house)
        assert receipts.take("a", {}, f"{id} sent".encode(), "/", "") == 0
        assert house.deliver(id).alias == "b"

    def test_it_is_known_before_the_call_has_answered(self, house, monkeypatch):
        id = house.code()
        a = house.providers["a"]

        def early(_):
            receipts.take("a", {}, f"{id} failed".encode(), "/", "")
            return "a-1"

        monkeypatch.setattr(a, "send", early)
        assert house.deliver(id).state is State.QUEUED
        assert house.deliver(id).alias == "b"

    def test_what_was_known_early_is_about_that_call_alone(self, house, monkeypatch):
        """The first alias is asked again, as the route has no other any more, and takes it: that is sent."""
        id = house.code()
        a = house.providers["a"]

        def early(_):
            receipts.take("a", {}, f"{id} failed".encode(), "/", "")
            return "a-1"

        with monkeypatch.context() as first:
            first.setattr(a, "send", early)
            assert house.deliver(id).state is State.QUEUED
        house.settings.SMS_ROUTES = {"default": "a"}
        assert house.deliver(id).state is State.SENT
        assert house.calls == "a"

    def test_a_word_that_nobody_knows_ends_nothing(self, house):
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} unknown".encode(), "/", "")
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        receipts.take("a", {}, f"{id} unknown".encode(), "/", "")
        assert house.deliver(id).alias == "b"

    def test_the_only_alias_is_not_paid_again(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        id = self.undelivered(house)
        assert services.get(id).state is State.FAILED
        assert house.published.count(id) == 1

    def test_it_closes_no_country_that_has_no_other_alias(self, house, redis, left_out):
        """Whoever may start verifications can name five phones that are off."""
        house.settings.SMS_ROUTES = {"default": "a"}
        for _ in range(7):
            self.undelivered(house)
        assert redis.hget(names.HEALTH + "a:US", "bad") == b"7"
        assert (house.left_out(), left_out) == (set(), [])
        assert house.deliver(house.code()).state is State.SENT

    def test_it_leaves_no_country_without_an_alias(self, house, redis, left_out):
        """The first is left out, so the second stays, even while the first is probed."""
        for _ in range(5):
            self.undelivered(house)
        for n in range(12):
            if n == 6:
                house.pause_is_over("a:US")
                redis.hset(names.HEALTH + "a:US", "probe_until", int((time.time() + 30) * 1000))
            id = house.code()
            assert house.deliver(id).alias == "b"
            receipts.take("b", {}, f"{id} failed".encode(), "/", "")
        assert left_out == [("a", "US")]
        assert "b:US" not in house.left_out()

    @pytest.mark.parametrize("held", ["hold_until", "open_until"])
    @pytest.mark.parametrize("key", ["b", "b:US"])
    def test_an_alias_that_may_not_be_asked_takes_nothing_over(self, house, redis, held, key):
        redis.hset(names.HEALTH + key, held, int((time.time() + 60) * 1000))
        for _ in range(7):
            self.undelivered(house)
        assert "a:US" not in house.left_out()
        redis.delete(names.HEALTH + key)
        self.undelivered(house)
        assert "a:US" in house.left_out()

    def test_few_of_many_do_not_close_a_country(self, house):
        house.settings.SMS_BREAKER = {"fewest": 3}
        for n in range(12):
            id = house.code()
            house.deliver(id)
            receipts.take("a", {}, f"{id} {'delivered' if n % 3 else 'failed'}".encode(), "/", "")
        assert house.left_out() == set()

    def test_a_used_code_is_not_sent_again(self, house, redis):
        id = house.code()
        house.deliver(id)
        assert redis.exists(names.BODY + id)
        services.cancel(id)
        assert not redis.exists(names.BODY + id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED

    def test_a_replaced_code_is_not_sent_again(self, house, redis):
        id = house.code()
        house.deliver(id)
        house.send(queue="otp", replaces=id)
        assert not redis.exists(names.BODY + id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED

    def test_a_delivered_code_keeps_no_text(self, house, redis):
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} delivered".encode(), "/", "")
        assert not redis.exists(names.BODY + id)

    def test_a_code_that_died_in_the_call_is_not_sent_again(self, house, redis):
        id = house.code()
        _, attempt, _ = store.claim(id)
        assert isinstance(attempt, Attempt)
        services.cancel(id)
        delivery._Run(attempt).record(State.SENT, alias="a")
        assert not redis.exists(names.BODY + id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED

    def test_the_same_receipt_again_while_the_next_alias_is_being_chosen(self, house):
        id = self.undelivered(house)
        assert store.claim(id)[0] == "claimed"
        assert receipts.take("a", {}, f"{id} failed".encode(), "/", "") == 0
        assert services.get(id).state is State.SENDING

    def test_it_counts_in_its_country(self, house, left_out):
        house.settings.SMS_BREAKER = {"fewest": 3}
        for _ in range(3):
            self.undelivered(house)
        assert house.left_out() == {"a:US"}
        assert left_out == [("a", "US")]
        house.deliver(house.code())
        assert len(house.providers["b"].calls) == 1


class TestBreaker:
    def test_it_opens_and_one_probe_closes_it(self, house, settings, left_out):
        settings.SMS_BREAKER = {"fewest": 3, "pause": 60}
        a = house.providers["a"]
        a.always = TemporaryFailure("x", code="503")
        for _ in range(5):
            assert house.deliver(house.code()).state is State.SENT
        assert len(a.calls) == 3  # the fourth and fifth message did not ask
        assert left_out == [("a", "")]
        house.pause_is_over("a")
        house.deliver(house.code())
        house.deliver(house.code())
        assert len(a.calls) == 4  # one probe, and it failed
        house.pause_is_over("a")
        a.always = None
        house.deliver(house.code())
        assert len(a.calls) == 5
        assert house.left_out() == set()
        house.deliver(house.code())
        assert len(a.calls) == 6

    def test_a_probe_that_fails_opens_it_again(self, house, settings, redis):
        """One failure is enough then, however long ago the others were."""
        settings.SMS_BREAKER = {"fewest": 3, "pause": 60, "window": 0.05}
        health.failed("a", at_once=True)
        house.pause_is_over("a")
        time.sleep(0.15)
        house.providers["a"].always = TemporaryFailure("x")
        for _ in range(3):
            house.deliver(house.code())
        assert len(house.providers["a"].calls) == 1
        assert int(redis.hget(names.HEALTH + "a", "open_until")) / 1000 > time.time()

    def test_one_probe_at_a_time(self, house):
        health.failed("a", at_once=True)
        house.pause_is_over("a")
        known = [house.aliases[name] for name in "ab"]
        choices = [health.choose("x", known, "US", "Hello") for _ in range(3)]
        assert [choice.alias.name for choice in choices] == ["a", "b", "b"]
        assert choices[0].probe

    @pytest.mark.parametrize(
        "outcome",
        [TemporaryFailure("x"), OutcomeUnknown("x"), AccountFailure("x"), AccountFailure("x", here=True)],
    )
    def test_a_probe_that_fails_keeps_no_other_from_beginning(self, house, redis, outcome):
        for name in ("a", "a:US"):
            redis.hset(names.HEALTH + name, "open_until", 1)
        house.providers["a"].outcomes = [outcome]
        house.deliver(house.code())
        assert len(house.providers["a"].calls) == 1
        for name in ("a", "a:US"):
            house.pause_is_over(name)
        house.deliver(house.code())
        assert len(house.providers["a"].calls) == 2

    def test_a_probe_that_finds_no_slot_keeps_no_other_from_beginning(self, house, redis, monkeypatch):
        for name in ("a", "a:US"):
            redis.hset(names.HEALTH + name, "open_until", 1)
        with monkeypatch.context() as patch:
            patch.setattr(house.aliases["a"], "slot", lambda: nullcontext(False))
            house.deliver(house.code())
        assert house.calls == "b"
        house.deliver(house.code())
        assert house.calls == "ab"
        assert house.left_out() == set()

    def test_good_outcomes_keep_it_closed(self, house, settings):
        settings.SMS_BREAKER = {"fewest": 2, "share": 0.5}
        for _ in range(8):
            house.deliver(house.code())
        house.providers["a"].outcomes = [TemporaryFailure("x")] * 4
        for _ in range(4):
            house.deliver(house.code())
        assert house.left_out() == set()

    def test_a_refusal_in_one_country_is_about_that_country(self, house):
        house.providers["a"].outcomes = [AccountFailure("x", code="21408", here=True)]
        house.deliver(house.code())
        assert house.left_out() == {"a:US"}
        german = services.send("+4915123456789", "Hallo").id
        assert house.deliver(german).alias == "a"

    def test_retry_after_is_honoured_by_all(self, house):
        house.providers["a"].outcomes = [TemporaryFailure("x", retry_after=30)]
        house.deliver(house.code())
        house.deliver(house.code())
        assert house.calls == "abb"

    def test_a_shorter_retry_after_does_not_end_a_longer_one(self, house, redis):
        for seconds in (300, 2):
            health.failed("a", hold=seconds)
        left = int(redis.hget(names.HEALTH + "a", "hold_until")) / 1000 - time.time()
        assert left == pytest.approx(300, abs=1)
        assert redis.ttl(names.HEALTH + "a") > LONGEST_HOLD

    @pytest.mark.parametrize(
        ("asked", "kept"), [(86_400, 600), (math.inf, 600), (7, 7), (math.nan, None), (-1, None)]
    )
    def test_a_retry_after_is_believed_for_so_long_at_most(self, asked, kept):
        assert TemporaryFailure("x", retry_after=asked).retry_after == kept

    @pytest.mark.parametrize("seconds", ["9" * 309, "86400"])
    def test_a_retry_after_beyond_reason_does_not_harm(self, house, redis, seconds):
        """The message goes on at once, and a start is told a time that may come true."""
        house.settings.SMS_ROUTES = {"default": "a>b", "DE": "a"}
        asked = retry_after({"Retry-After": seconds})
        house.providers["a"].outcomes = [TemporaryFailure("x", retry_after=asked)]
        assert house.deliver(house.code()).state is State.SENT
        assert house.calls == "ab"
        with pytest.raises(Overloaded) as caught:
            services.send("+4915123456789", "Hallo", queue="otp")
        assert caught.value.retry_after == pytest.approx(LONGEST_HOLD, abs=2)

    def test_one_that_is_held_back_does_not_hold_back_the_other(self, house, redis):
        house.providers["a"].outcomes = [TemporaryFailure("x", retry_after=300)]
        house.providers["b"].outcomes = [TemporaryFailure("x")]
        id = house.code()
        assert house.deliver(id).state is State.QUEUED
        assert redis.zscore(names.LEASES + "otp", id) / 1000 - time.time() == pytest.approx(3, abs=0.2)

    def test_who_waits_for_a_probe_looks_again_soon(self, house, redis):
        house.settings.SMS_ROUTES = {"default": "a"}
        health.failed("a", at_once=True)
        house.pause_is_over("a")
        health.choose("x", [house.aliases["a"]], "US", "")  # the probe
        id = house.code()
        house.deliver(id)
        assert redis.zscore(names.LEASES + "otp", id) / 1000 - time.time() <= 3.1

    def test_nobody_may_be_asked(self, house):
        """That is no failed round: a code outlives an outage of its only provider."""
        house.settings.SMS_ROUTES = {"default": "a"}
        id = house.code()
        health.failed("a", at_once=True)
        for _ in range(9):
            assert house.deliver(id).state is State.QUEUED
        assert house.calls == ""


class TestRate:
    def test_over_it_the_next_alias_is_sooner(self, house, redis):
        house.rate("a", 1)
        for _ in range(3):
            house.deliver(house.code())
        assert house.calls == "abb"

    def test_alone_it_waits_for_its_turn(self, house, redis):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 0.5)
        ids = [house.code() for _ in range(3)]
        states = [house.deliver(id).state for id in ids]
        assert states == [State.SENT, State.QUEUED, State.QUEUED]
        due = [redis.zscore(names.LEASES + "otp", id) / 1000 - time.time() for id in ids[1:]]
        assert due == pytest.approx([2, 4], abs=0.5)

    def test_it_holds_however_late_the_turns_are_taken(self, house):
        """As when no sweep came for a while: then all come at once."""
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 10)
        ids = [house.code() for _ in range(25)]
        for id in ids:
            house.deliver(id)
        time.sleep(2.4)
        with house.workers(8):
            began = time.monotonic()
            for id in ids:
                broker.publish(id, "otp")
            house.wait_for("a", 25)
        times = house.providers["a"].times
        assert busiest(times[1:]) <= 12
        assert times[-1] - began < 2.9  # 24 messages, 10 a second

    def test_a_queue_drains_at_the_rate(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 20)
        with house.workers(4):
            for _ in range(50):
                house.code()
            house.wait_for("a", 50)
        times = house.providers["a"].times
        assert busiest(times) <= 23
        assert times[-1] - times[0] < 2.9

    def test_who_waits_is_not_overtaken(self, house, redis):
        house.rate("a", 5)
        known = [house.aliases["a"]]
        waits = {id: health.choose(id, known, "US", "", patience=60).wait for id in "xyz"}
        assert waits == {"x": 0, "y": pytest.approx(0.1, abs=0.05), "z": pytest.approx(0.3, abs=0.05)}
        time.sleep(0.4)
        assert health.choose("new", known, "US", "", patience=60).wait == pytest.approx(0.4, abs=0.05)
        assert health.choose("z", known, "US", "", turn="a", patience=60).wait == 0
        # Its place was lost as it was too late, but not what it waited for.
        redis.zrem(names.LINE + "a:bulk", "y")
        assert health.choose("y", known, "US", "", turn="a", patience=60).wait <= 0.2
        time.sleep(0.2)
        redis.zrem(names.LINE + "a:bulk", "y")
        assert health.choose("y", known, "US", "", turn="a", patience=60).wait == 0

    def test_a_code_does_not_wait_behind_newsletters(self, house, redis):
        """The rate is one, the lines are two: who is in that of the codes goes first."""
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 1)
        letters = [house.send(expires_at=time.time() + 600) for _ in range(20)]
        for id in letters:
            house.deliver(id)
        code = house.code()
        assert house.deliver(code).state is State.QUEUED
        due = redis.zscore(names.LEASES + "otp", code) / 1000 - time.time()
        assert due <= 1
        time.sleep(1)
        redis.hset(names.RECORD + letters[1], "not_before", 0)
        assert house.deliver(letters[1]).state is State.QUEUED
        assert house.deliver(code).state is State.SENT

    def test_codes_go_first_and_all_go(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 20)
        with house.workers(8):
            letters = {house.send(expires_at=time.time() + 600) for _ in range(40)}
            codes = set()
            for _ in range(10):
                codes.add(house.code())
                time.sleep(0.05)
            house.wait_for("a", 50)
        order = [sms.id for sms in house.providers["a"].calls]
        assert set(order) == letters | codes
        assert max(order.index(id) for id in codes) < 20  # 40 of the others came before them
        assert busiest(house.providers["a"].times) <= 23

    def test_who_goes_elsewhere_leaves_the_line(self, house, redis):
        house.rate("a", 0.5)
        house.rate("b", 1)
        known = [house.aliases[name] for name in "ab"]
        chosen = [health.choose(id, known, "US", "", patience=60) for id in "xyz"]
        assert [choice.alias.name for choice in chosen] == ["a", "b", "b"]
        assert redis.zrange(names.LINE + "b:bulk", 0, -1) == [b"z"]
        time.sleep(1)
        assert health.choose("z", known, "US", "", turn="b", patience=60).wait == 0
        assert redis.keys(names.LINE + "*") == []

    def test_who_waited_is_sent_though_the_first_alias_refuses_it(self, house, redis):
        """Others keep the second at its rate: neither asking the first again nor they cost its place."""
        house.rate("b", 4)
        house.settings.SMS_ROUTES = {"default": "a>b", "DE": "b"}
        house.settings.SMS_BREAKER = {"fewest": 1000}
        house.providers["a"].always = TemporaryFailure("x")
        with house.workers(4):
            others = [services.send("+4915123456789", "Hallo").id for _ in range(4)]
            id = house.code()
            began = time.monotonic()
            while services.get(id).state is not State.SENT:
                assert time.monotonic() - began < 4
                others.append(services.send("+4915123456789", "Hallo").id)
                time.sleep(0.2)
            # Those who came before it had their turn before it, and only they.
            order = [sms.id for sms in house.providers["b"].calls]
            assert set(order[: order.index(id)]) == set(others[: order.index(id)])
            house.wait_for("b", len(others) + 1)
        assert redis.keys(names.LINE + "*") == []

    def test_whose_turn_it_is_asks_that_alias_first(self, house):
        house.rate("b", 4)
        house.providers["a"].outcomes = [TemporaryFailure("x")] * 2
        house.deliver(house.code())
        id = house.code()
        assert house.deliver(id).state is State.QUEUED
        time.sleep(0.3)
        assert house.deliver(id).alias == "b"
        assert house.calls == "aabb"

    def test_a_place_is_kept_while_another_alias_is_asked(self, house, redis):
        """It comes back early, the first alias is well, but fails."""
        house.rate("b", 1)
        house.settings.SMS_BREAKER = {"fewest": 1000}
        house.providers["a"].outcomes = [TemporaryFailure("x")] * 4
        house.deliver(house.code())
        id = house.code()
        for waits in (id, house.code()):
            house.deliver(waits)
        place = redis.zscore(names.LINE + "b:otp", id)
        assert house.deliver(id).state is State.QUEUED
        assert house.calls == "aaaab"
        assert redis.zscore(names.LINE + "b:otp", id) == place

    @pytest.mark.parametrize(
        "ending", ["cancelled", "replaced", "expired", "called_back", "sent", "receipt", "round", "unknown"]
    )
    def test_who_is_settled_stands_in_no_line(self, house, redis, ending):
        house.rate("b", 0.2)
        a, b = house.providers["a"], house.providers["b"]
        a.outcomes = [TemporaryFailure("x")] * 2
        house.deliver(house.code())
        id = house.code()
        assert house.deliver(id).state is State.QUEUED
        assert redis.zcard(names.LINE + "b:otp") == 1
        if ending == "cancelled":
            services.cancel(id)
        elif ending == "replaced":
            house.send(queue="otp", replaces=id)
        elif ending == "expired":
            redis.hset(names.RECORD + id, "expires_at", 1)
            house.deliver(id)
        elif ending == "called_back":
            redis.hset(names.RECORD + id, "not_before", 1)
            _, attempt, _ = store.claim(id)
            assert isinstance(attempt, Attempt)
            services.cancel(id)
            delivery._Run(attempt).go()
            assert services.get(id).state is State.CANCELLED
        elif ending == "sent":  # by the other, which may be asked sooner
            assert house.deliver(id).alias == "a"
        elif ending == "receipt":
            receipts.take("a", {}, f"{id} delivered".encode(), "/", "")  # it had been asked first
        else:
            a.outcomes = [OutcomeUnknown("x")]
            if ending == "round":
                a.outcomes = [TemporaryFailure("x")]
                redis.delete(names.RATE + "b")
                b.outcomes = [TemporaryFailure("x")]
            assert house.deliver(id).state is State.QUEUED
        assert redis.keys(names.LINE + "*") == []
        assert not redis.hexists(names.RECORD + id, "line")

    def test_segments_count(self, house):
        house.rate("a", segment_rate=2)
        alias = house.aliases["a"]
        choices = [health.choose(id, [alias], "US", "x" * 400, patience=60) for id in "xy"]
        assert choices[0].wait == 0
        assert choices[1].wait == pytest.approx(1.4, abs=0.05)

    def test_no_start_is_refused_while_another_alias_has_room(self, house):
        house.rate("a", 0.01)
        for _ in range(3):
            house.deliver(house.code())
        assert house.calls == "abb"

    def test_a_start_is_refused_where_the_turn_would_be_late(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 0.2)
        for _ in range(2):  # at once, and after 5 s; the next turn is after 10 s
            house.deliver(house.code())
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 10

    def test_a_rate_that_is_left_out_has_no_room(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 100)
        health.failed("a", at_once=True)
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 20  # until the probe

    def test_one_that_is_left_out_does_not_make_room(self, house):
        """The other has a rate, and its line is long."""
        house.rate("b", 0.2)
        health.failed("a", at_once=True)
        for _ in range(2):
            house.deliver(house.code())
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 10
        house.pause_is_over("a")
        house.code()

    @pytest.mark.parametrize("held_until", ["hold_until", "open_until"])
    def test_what_concerns_another_country_refuses_nobody(self, house, redis, held_until):
        house.settings.SMS_ROUTES = {"default": "a"}
        later = (time.time() + 15) * 1000
        redis.hset(names.HEALTH + "a:DE", held_until, int(later))
        house.code()
        redis.hset(names.HEALTH + "a:US", held_until, int(later))
        with pytest.raises(Overloaded):
            house.code()


def test_a_start_costs_one_round_trip_for_its_message(house, redis):
    house.rate("a", 100)
    house.code()  # loads the script
    redis.config_resetstat()
    house.code()
    calls = {name: stats["calls"] for name, stats in redis.info("commandstats").items()}
    assert calls["cmdstat_evalsha"] == 1


def test_two_that_hang_leave_slots_for_a_third(house):
    house.settings.SMS_ROUTES = {"default": "a>b", "DE": "c"}
    house.settings.SMS_BREAKER = {"fewest": 100}
    over = threading.Event()
    for name in "ab":
        house.providers[name].hangs = over
    with house.workers(10):
        try:
            for _ in range(30):
                house.code()
            house.wait_for("a", 6)
            house.wait_for("b", 2)
            for n in range(20):
                services.send("+4915123456789", "Hallo")
                house.wait_for("c", n + 1)
            assert house.calls.count("a") + house.calls.count("b") <= 9
        finally:
            over.set()


def test_a_full_alias_is_passed_over(house):
    house.aliases["a"] = registry.Alias(house.providers["a"], slots=registry.Slots(1), share=1)
    with house.aliases["a"].slot() as held:
        assert held
        house.deliver(house.code())
        assert house.calls == "b"
    house.deliver(house.code())
    assert house.calls == "ab"


def test_the_sender_of_the_route_reaches_the_provider(house):
    house.settings.SMS_ROUTES = {"default": "a", "US": "b@%2B15005550006"}
    house.deliver(house.code())
    assert [sms.sender for sms in house.providers["b"].calls] == ["+15005550006"]


def test_no_route_stores_nothing(house, redis, settings):
    settings.SMS_ROUTES = {"DE": "a"}
    with pytest.raises(NoRoute):
        house.code()
    assert redis.keys() == []


class TestOverload:
    @staticmethod
    def queue(house, redis, count: int, seconds: float) -> int:
        """So many wait, the oldest for so long. Returns the last full second of the server."""
        ids = [house.code() for _ in range(count)]
        now = redis.time()[0]
        redis.zadd(names.WAITING + "otp", dict.fromkeys(ids, (now - seconds) * 1000))
        return int(now) - 1

    @staticmethod
    def drained(redis, second: int, count: int) -> None:
        """So many began in this second and the next ones, as a test may take a second itself."""
        for one in range(second, second + 4):
            redis.set(f"{names.DRAINED}otp:{one}", count)

    def test_what_would_wait_too_long_is_refused(self, house, redis):
        second = self.queue(house, redis, 50, 1.9)
        house.code()  # no worker has begun anything: they may just restart
        self.drained(redis, second, 5)
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 11  # 51 at 5 a second
        assert redis.zcard(names.WAITING + "otp") == 51
        self.drained(redis, second, 500)
        house.code()

    def test_seconds_with_nothing_to_do_say_nothing_of_the_speed(self, house, redis):
        second = self.queue(house, redis, 180, 1.9)
        self.drained(redis, second, 100)  # after four seconds in which nothing was asked for
        house.code()  # 1.8 s

    def test_a_burst_is_held_against_the_speed_of_a_moment_ago(self, house, redis):
        self.queue(house, redis, 300, 0.2)
        house.code()  # nothing is known yet
        redis.set("sms:drain:otp", "33.3", ex=60)
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 10  # 301 at 33 a second

    def test_the_speed_of_before_a_worker_started_says_nothing(self, house, redis):
        """After a restart of the only one it would be that of nobody: starts were refused for a second."""
        second = self.queue(house, redis, 100, 4.5)
        redis.set(f"{names.DRAINED}otp:{second}", 10)  # by one that came back within this second
        with pytest.raises(Overloaded):
            house.code()  # 100 at 10 in 4 seconds
        redis.delete("sms:drain:otp")
        store.worker_started()
        house.code()
        assert 0 < redis.ttl("sms:started:otp") <= 10
        redis.set("sms:started:otp", (second - 2) * 1000)
        self.drained(redis, second - 1, 5)
        with pytest.raises(Overloaded):
            house.code()  # what it has done since then is slow

    def test_the_speed_is_remembered_for_a_minute(self, house, redis):
        second = self.queue(house, redis, 50, 1.9)
        self.drained(redis, second, 40)
        house.code()
        assert float(redis.get("sms:drain:otp")) == 40
        assert 55 < redis.ttl("sms:drain:otp") <= 60

    def test_whoever_finds_no_slot_waits_on(self, house, redis):
        """A claim alone begins nothing: what waits for a slot, a turn or a provider still counts."""
        house.slots.taken = house.slots.count = 0  # no call may begin, but for one of each alias
        for alias in house.aliases.values():
            alias._taken = 1
        ids = [house.code() for _ in range(3)]
        for id in ids:
            house.deliver(id)
        assert redis.zcard(names.WAITING + "otp") == 3
        assert not redis.keys(names.DRAINED + "*")
        for alias in house.aliases.values():
            alias._taken = 0
        for id in ids:
            redis.hset(names.RECORD + id, "not_before", 0)
            house.deliver(id)
        assert redis.zcard(names.WAITING + "otp") == 0
        (drained,) = redis.keys(names.DRAINED + "*")
        assert redis.get(drained) == b"3"

    def test_workers_that_are_away(self, house, redis):
        ids = [house.code() for _ in range(20)]
        redis.zadd(names.WAITING + "otp", {id: (time.time() - 11) * 1000 for id in ids})
        with pytest.raises(Overloaded):
            house.code()

    @pytest.mark.parametrize("held", ["left out", "rate"])
    def test_what_another_alias_holds_back_is_in_nobodys_way(self, house, redis, held):
        """The outage of the only way to one country must not close all the others."""
        house.settings.SMS_ROUTES = {"default": "a", "DE": "c"}
        ids = [
            services.send("+4915123456789", "Hallo", queue="otp", expires_at=time.time() + 120).id
            for _ in range(20)
        ]
        accepted = (time.time() - 11) * 1000
        redis.zadd(names.WAITING + "otp", dict.fromkeys(ids, accepted))
        if held == "left out":
            health.failed("c", at_once=True)
        else:
            house.rate("c", 0.1)
        for id in ids:
            house.deliver(id)
        house.code()
        if held == "left out":  # those who wait for the same probe stand before a message all the same
            redis.set("sms:drain:otp", "1", ex=60)
            house.pause_is_over("c")
            redis.hset(names.HEALTH + "c", "hold_until", int((time.time() + 1) * 1000))
            with pytest.raises(Overloaded):
                services.send("+4915123456789", "Hallo", queue="otp")
        # When they come back, and no worker is there to ask, they wait as others do.
        redis.zadd(names.WAITING + "otp", dict.fromkeys(ids, accepted))
        with pytest.raises(Overloaded):
            house.code()

    def test_what_waits_for_a_slot_is_in_the_way_although_another_alias_is_left_out(self, house, redis):
        """Else nobody would see a queue that grows without end."""
        house.aliases["a"] = registry.Alias(house.providers["a"], slots=registry.Slots(1), share=1)
        health.failed("b", at_once=True)
        id = house.code()
        accepted = redis.zscore(names.WAITING + "otp", id)
        with house.aliases["a"].slot():
            house.deliver(id)
        assert services.get(id).state is State.QUEUED
        assert redis.zscore(names.WAITING + "otp", id) == accepted

    def test_who_may_probe_an_alias_is_not_refused_for_what_another_holds_back(self, house, redis):
        """Or nobody would ever probe it."""
        house.settings.SMS_ROUTES = {"default": "a", "DE": "c"}
        ids = [services.send("+4915123456789", "Hallo", queue="otp").id for _ in range(20)]
        for alias in "ac":
            health.failed(alias, at_once=True)
        for id in ids:
            house.deliver(id)
            redis.hset(names.RECORD + id, "created_at", int((time.time() - 11) * 1000))
        house.pause_is_over("a")
        house.code()

    def test_what_waits_for_a_probe_counts_while_one_is_under_way(self, house, redis):
        """It may take as long as a call, and most that is accepted meanwhile would never be sent."""
        house.settings.SMS_ROUTES = {"default": "a"}
        ids = [house.code() for _ in range(20)]
        health.failed("a", at_once=True)
        for id in ids:
            house.deliver(id)
            redis.hset(names.RECORD + id, "created_at", int((time.time() - 11) * 1000))
        house.pause_is_over("a")
        redis.hset(names.HEALTH + "a", "probe_until", int((time.time() + 30) * 1000))
        with pytest.raises(Overloaded):
            house.code()

    def test_a_few_lost_ones_close_nothing(self, house, redis):
        redis.zadd(names.WAITING + "otp", {house.code(): 1})
        house.code()

    def test_a_claim_and_a_call_back_empty_the_waiting_room(self, house, redis):
        first, second = house.code(), house.code()
        house.deliver(first)
        services.cancel(second)
        assert redis.zcard(names.WAITING + "otp") == 0


def test_one_that_cannot_be_published_does_not_end_the_thread_that_does_it(monkeypatch):
    published = threading.Event()

    def publish(message_id, queue):
        if message_id == "bad":
            raise RuntimeError
        published.set()

    monkeypatch.setattr(broker, "publish", publish)
    returns = turns.Turns()
    returns.publish_in(0.0, "bad", "otp")
    returns.publish_in(0.05, "good", "otp")
    assert published.wait(2)


def test_a_worker_uses_as_many_slots_as_it_was_started_with(monkeypatch):
    """`celery worker -c 33`, whatever the setting says."""
    monkeypatch.setattr(registry, "_concurrency", 0)
    assert registry.aliases()["test"]._slots.count == 80
    celeryd_after_setup.send(sender="here", instance=SimpleNamespace(concurrency=33), conf=None)
    assert registry.aliases()["test"]._slots.count == 33
    registry.work_with(0)


class TestDeadLetters:
    @pytest.fixture
    def dead(self, house):
        house.settings.SMS_BREAKER = {"fewest": 100}
        for name in "ab":
            house.providers[name].outcomes = [TemporaryFailure("x", code="busy")] * 4
        id = house.code()
        for _ in range(4):
            house.deliver(id)
        return id

    def command(self, *arguments: str) -> str:
        out = StringIO()
        call_command("dead_letters", *arguments, stdout=out, stderr=out)
        return out.getvalue()

    def test_they_are_listed_without_number_and_text(self, dead):
        shown = self.command()
        assert dead in shown
        assert "busy" in shown
        assert "123456" not in shown
        assert "2025550123" not in shown

    def test_they_are_forgotten_with_their_records(self, dead, redis):
        record = redis.ttl(names.RECORD + dead)
        assert redis.ttl(names.DEAD) == pytest.approx(record, abs=2) == pytest.approx(72 * 3600, abs=2)

    @pytest.mark.parametrize("skew", [-300, 300])
    def test_what_is_left_of_them_is_told_by_the_clock_of_redis(self, dead, monkeypatch, skew):
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + skew)
        assert 110 <= json.loads(self.command("--json"))["expires_in"] <= 120

    def test_replay_sends_again(self, house, dead):
        assert "sent again" in self.command("--replay")
        assert house.published.count(dead) == 2
        assert house.deliver(dead).state is State.SENT
        assert self.command().startswith("No dead letters.\n")

    def test_what_expired_is_not_sent(self, house, dead, redis):
        redis.hset(names.RECORD + dead, "expires_at", 1)
        assert '"replayed": false' in self.command("--replay", "--json")
        assert house.deliver(dead).state is State.FAILED

    @pytest.mark.parametrize("ending", ["cancelled", "replaced"])
    def test_what_nobody_wants_is_not_sent(self, house, dead, ending):
        if ending == "cancelled":
            services.cancel(dead)
        else:
            house.send(queue="otp", replaces=dead)
        assert not services.replay(dead)

    def test_the_limit_is_about_the_list_alone(self, house, dead, redis):
        """``dead`` is the oldest of many; by its id it is found, and --replay reaches all."""
        for n in range(150):
            redis.copy(names.RECORD + dead, f"{names.RECORD}later-{n}")
            redis.zadd(names.DEAD, {f"later-{n}": (time.time() + n) * 1000})
        assert len(self.command().splitlines()) == 100
        assert len(self.command("--limit", "120").splitlines()) == 120
        assert self.command(dead).startswith(dead)
        shown = self.command("--replay").splitlines()
        assert len(shown) == 151
        assert shown[-1].startswith(dead)
        assert shown[-1].endswith("sent again")

    def test_no_id_looks_like_an_option(self):
        """``manage.py dead_letters -vABC`` would set the verbosity."""
        assert not any(services.new_id().startswith("-") for _ in range(2000))

    def test_an_unknown_id_is_named(self, dead):
        with pytest.raises(CommandError, match="never-was"):
            self.command("never-was")

    def test_there_are_none(self, house):
        assert self.command().startswith("No dead letters.\n")


@pytest.mark.parametrize(
    ("routes", "word"),
    [
        ({"default": "nobody"}, "nobody"),
        ({"default": ""}, "missing"),
        ({"default": "test>"}, "missing"),
        ({"XX": "test"}, "XX"),
        ({"+0": "test"}, r"\+0"),
        ({"+999": "test"}, "no number begins so"),
        ({"default": "test*x"}, "weight"),
        ({"default": "test*0"}, "weight"),
        ({"default": "test>test"}, "twice"),
        ({"default": "test test"}, "test test"),
        ({"default": "test@Sh%0Aop"}, "sender"),
        ({"default": "test@%20Shop"}, "sender"),
    ],
)
def test_routes_that_cannot_be(settings, routes, word):
    settings.SMS_ROUTES = routes
    (error,) = checks.routes()
    assert error.id == "sms.E005"
    assert "SMS_ROUTES" in error.msg
    assert word.replace("\\", "") in error.msg


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("rate=x", "rate="),
        ("rate=0", "rate="),
        ("segment_rate=-1", "segment_rate="),
        ("share=2", "share="),
        ("rate=1&rate=2", "rate= is given twice"),
        ("rate=1#share=.5", "%23"),
    ],
)
def test_aliases_that_cannot_be(settings, option, word):
    settings.SMS_PROVIDERS = {"a": f"memory://?{option}"}
    (error,) = checks.providers()
    assert error.id == "sms.E002"
    assert word in error.msg


@pytest.mark.parametrize(
    "figures", [{"share": 2}, {"window": 0}, {"nonsense": 1}, {"pause": "x"}, {"window": math.inf}]
)
def test_breakers_that_cannot_be(settings, figures):
    settings.SMS_BREAKER = figures
    assert [error.id for error in checks.breaker()] == ["sms.E006"]


@pytest.mark.parametrize("word", ["delivered", "failed"])
def test_a_receipt_costs_one_round_trip(house, redis, word):
    ids = [house.code() for _ in range(2)]
    for id in ids:
        house.deliver(id)
    receipts.take("a", {}, f"{ids[0]} {word}".encode(), "/", "")  # loads the script, opens a connection
    redis.config_resetstat()
    receipts.take("a", {}, f"{ids[1]} {word}".encode(), "/", "")
    calls = {name: stats["calls"] for name, stats in redis.info("commandstats").items()}
    assert calls.pop("cmdstat_evalsha") == 1
    inside = {
        "hmget",
        "hset",
        "hget",
        "hgetall",
        "hincrby",
        "zrem",
        "zadd",
        "del",
        "exists",
        "time",
        "pexpire",
    }
    assert {name.removeprefix("cmdstat_") for name in calls} <= inside | {
        "info",
        "config|resetstat",
        "config",
    }


def test_an_alias_without_a_secret_says_so_at_start(settings):
    settings.SMS_PROVIDERS = {"gsm": "kannel://user:password@127.0.0.1:13013?from=x", "b": "memory://"}
    (warning,) = provider_checks.receipts_can_be_verified()
    assert warning.id == "sms.W004"
    assert "gsm" in warning.msg
    assert "password" not in warning.msg
