"""Attempts that end early: a dead worker, a lost lease, Redis away, news of the message."""

from __future__ import annotations

from typing import Any

import pytest

from sms import names, receipts, services, steps, store
from sms.delivery import outcome
from sms.delivery import run as delivery
from sms.delivery.health import Ended
from sms.delivery.slots import Alias
from sms.errors import AccountFailure, OutcomeUnknown, TemporaryFailure, Unavailable
from sms.message import Attempt, State
from tests.sms.house import Scripted, exactly, lease_ends, leave_out


def test_a_worker_that_died_in_a_call_leaves_that_alias_for_last(house, monkeypatch):
    id = house.code()
    monkeypatch.setattr(Scripted, "send", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        delivery.deliver(id)
    monkeypatch.undo()
    lease_ends(house.redis, id)
    assert house.deliver(id).alias == "b"
    assert house.redis.hget(names.HEALTH + "a", "bad") == b"1"


@pytest.mark.parametrize("kind", ["code", "send"])
def test_redis_was_away_for_longer_than_the_lease(house, redis, monkeypatch, clock, kind):
    """Another worker comes first when it is back. The one that called still has the outcome to write."""
    id = getattr(house, kind)()
    wrote = store.finish

    def first_comes_another(*args, **more):
        redis.hset(names.RECORD + id, "lease_until", 1)
        assert [store.claim(id).verdict for _ in range(2)] == ["busy", "busy"]
        due = redis.zscore(names.LEASES + services.get(id).queue, id) / 1000
        assert due == exactly(clock.now + steps.LAST_CHANCE)
        return wrote(*args, **more)

    monkeypatch.setattr(store, "finish", first_comes_another)
    assert house.deliver(id).state is State.SENT
    assert (house.calls, services.get(id).attempts) == ("a", 1)


def test_each_attempt_has_one_last_chance(house, redis):
    id = house.code()
    able = {name: alias.able for name, alias in house.aliases.items()}
    verdicts = [store.claim(id, aliases=able).verdict]
    for _ in range(4):
        redis.hset(names.RECORD + id, "lease_until", 1)
        verdicts.append(store.claim(id, aliases=able).verdict)
    assert verdicts == ["claimed", "busy", "claimed", "busy", "unknown"]


def test_each_call_of_an_attempt_has_one(house, redis, monkeypatch):
    house.providers["a"].outcomes = [TemporaryFailure("x")]
    id = house.code()
    send, verdicts = Scripted.send, []

    def slow(provider, sms):
        redis.hset(names.RECORD + id, "lease_until", 1)
        verdicts.append(store.claim(id).verdict)
        return send(provider, sms)

    monkeypatch.setattr(Scripted, "send", slow)
    assert house.deliver(id).alias == "b"
    assert verdicts == ["busy", "busy"]


def test_an_acceptance_by_the_next_alias_stands_after_its_lease(house, redis, monkeypatch):
    id = house.code()
    house.deliver(id)
    receipts.take("a", {}, f"{id} failed".encode(), "/", "")

    def slow(_):
        lease_ends(redis, id)
        assert store.claim(id).verdict == "unknown"
        return "b-1"

    monkeypatch.setattr(house.providers["b"], "send", slow)
    found = house.deliver(id)
    assert (found.state, found.alias, found.provider_message_id) == (State.SENT, "b", "b-1")


def test_a_receipt_comes_after_an_acceptance_whose_answer_got_lost(house, monkeypatch):
    """The worker writes it again, after the receipt has sent the code on to the next alias."""
    id = house.code()
    wrote = store.finish

    def lost(*args, **more):
        wrote(*args, **more)
        monkeypatch.setattr(store, "finish", wrote)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        raise Unavailable("away")

    monkeypatch.setattr(store, "finish", lost)
    monkeypatch.setattr(outcome, "RECORD_RETRY", 0)
    assert house.deliver(id).state is State.QUEUED
    assert house.deliver(id).alias == "b"
    assert house.calls == "ab"


def test_a_worker_that_died_before_any_call_has_sent_nothing(house):
    """So nothing is unknown, and a plain message may go out."""
    id = house.send()
    assert store.claim(id)[0] == "claimed"
    lease_ends(house.redis, id)
    assert house.deliver(id).state is State.SENT
    assert house.calls == "a"


def test_an_earlier_call_is_not_the_one_that_a_worker_died_in(house):
    for name in "ab":
        house.providers[name].outcomes = [TemporaryFailure("x")]
    id = house.send()
    house.deliver(id)
    house.redis.hset(names.RECORD + id, "not_before", 1)
    assert store.claim(id)[0] == "claimed"
    lease_ends(house.redis, id)
    assert house.deliver(id).state is State.SENT


def test_what_was_delivered_meanwhile_is_not_sent(house):
    id = house.code()
    _, attempt, _ = store.claim(id)
    assert isinstance(attempt, Attempt)
    house.redis.hset(names.RECORD + id, "asked", "a")  # by an earlier attempt, whose outcome is unknown
    store.record_receipt(id, State.DELIVERED, alias="a")
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
    id = house.send()

    def slow(_):
        lease_ends(house.redis, id)
        house.redis.hset(names.RECORD + id, "resend_unknown", "1")
        assert store.claim(id)[0] == "claimed"  # somebody else
        raise TemporaryFailure("x")

    monkeypatch.setattr(house.providers["a"], "send", slow)
    assert house.deliver(id).state is State.SENDING
    assert house.calls == ""


def test_a_long_run_keeps_its_lease(house, redis, monkeypatch, clock):
    house.providers["a"].outcomes = [TemporaryFailure("x")]
    id = house.send()
    send, left = Scripted.send, []

    def slow(provider, sms):
        until = [redis.hget(names.RECORD + id, "lease_until"), redis.zscore(names.LEASES + "bulk", id)]
        left.append([float(ends) / 1000 - clock.now for ends in until])
        nearly_over = int(clock.now * 1000) + 2_000
        redis.hset(names.RECORD + id, "lease_until", nearly_over)
        redis.zadd(names.LEASES + "bulk", {id: nearly_over})
        return send(provider, sms)

    monkeypatch.setattr(Scripted, "send", slow)
    assert house.deliver(id).state is State.SENT
    assert house.calls == "ab"
    assert left == [[exactly(steps.LEASE)] * 2] * 2


def test_redis_away_between_the_claim_and_the_call(house, monkeypatch):
    """The route was changed since it was accepted, so that the claim could not choose."""
    choose, failures = store.choose, [Unavailable("away")]

    def away_once(*args, **more):
        if failures:
            raise failures.pop()
        return choose(*args, **more)

    monkeypatch.setattr(store, "choose", away_once)
    house.settings.SMS_ROUTES = {"default": "b>a"}
    id = house.send()
    house.settings.SMS_ROUTES = {"default": "a>b"}
    assert house.deliver(id).state is State.QUEUED
    assert house.deliver(id).state is State.SENT
    assert house.calls == "a"


@pytest.mark.parametrize("kind", ["code", "send"])
def test_redis_away_between_two_aliases(house, redis, monkeypatch, clock, kind):
    """The alias has definitely refused, and that is kept. No other was asked, so the round has not failed."""

    def away(*_, **__):
        raise Unavailable("away")

    house.providers["a"].outcomes = [TemporaryFailure("x")]
    id = getattr(house, kind)()
    with monkeypatch.context() as patch:
        patch.setattr(store, "choose", away)
        assert house.deliver(id).state is State.QUEUED
    assert not redis.hget(names.RECORD + id, "rounds")
    queue = services.get(id).queue
    assert redis.zscore(names.LEASES + queue, id) / 1000 == exactly(clock.now + 1)
    assert house.deliver(id).state is State.SENT


@pytest.mark.parametrize("outcome", [TemporaryFailure("x"), AccountFailure("x")])
@pytest.mark.parametrize("last", ["wait_for_slot", "finish"])
def test_a_worker_that_died_after_a_refusal_has_sent_nothing(house, redis, monkeypatch, outcome, last):
    """It dies as it waits for a slot of the next alias, or as it writes down that there is no other."""
    house.providers["a"].outcomes = [outcome]
    if last == "finish":
        leave_out("b")
    id = house.send()
    wait = Alias.wait_for_slot

    def dies(*_, **__):
        raise SystemExit

    with monkeypatch.context() as patch, house.aliases["b"].slot():
        if last == "finish":
            patch.setattr(store, "finish", dies)
        else:
            patch.setattr(house.aliases["b"], "_share", 0)
            patch.setattr(Alias, "wait_for_slot", lambda wanted: dies() if house.calls else wait(wanted))
        with pytest.raises(SystemExit):
            delivery.deliver(id)
    assert house.calls == "a"
    for alias in "ab":
        redis.delete(names.HEALTH + alias)
    lease_ends(redis, id)
    assert house.deliver(id).state is State.SENT
    assert redis.hget(names.RECORD + id, "unknowns") == b"0"


def test_a_refusal_whose_counting_was_not_heard_of_counts_once(house, redis, monkeypatch):
    choose = store.choose

    def lost(*args, **more):
        choose(*args, **more)
        raise Unavailable("away")

    monkeypatch.setattr(store, "choose", lost)
    house.providers["a"].outcomes = [TemporaryFailure("x")]
    assert house.deliver(house.code()).state is State.QUEUED
    assert redis.hget(names.HEALTH + "a", "bad") == b"1"


def test_a_call_that_was_counted_as_its_workers_death_counts_once(house, redis, monkeypatch):
    id = house.send()

    def slow(_):
        lease_ends(redis, id)
        store.claim(id)  # somebody else
        raise OutcomeUnknown("x")

    monkeypatch.setattr(house.providers["a"], "send", slow)
    assert house.deliver(id).state is State.UNKNOWN
    assert redis.hget(names.HEALTH + "a", "bad") == b"1"


def test_a_refusal_that_comes_too_late_says_nothing_of_the_next_attempt(house, redis):
    id = house.code()
    attempts = []
    for _ in range(2):
        attempts.append(store.claim(id).found)
        lease_ends(redis, id)
    redis.hset(names.RECORD + id, "calling", "b")
    refused = [Ended("a", "US", bad=1)._asdict()]
    nobody: dict[str, Any] = {"hops": (), "parts": 1, "failed": {}, "aliases": {}, "calls": refused}
    late, latest = attempts
    assert isinstance(late, Attempt)
    store.choose(late, **nobody)
    assert redis.hget(names.RECORD + id, "calling") == b"b"
    assert isinstance(latest, Attempt)
    store.choose(latest, **nobody)
    assert redis.hget(names.RECORD + id, "calling") == b""
    redis.delete(names.RECORD + id)
    store.choose(latest, **nobody)
    assert not redis.exists(names.RECORD + id)
