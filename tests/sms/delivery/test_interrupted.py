"""What ends an attempt before its time: a dead worker, a lost lease, Redis away, news of the message."""

from __future__ import annotations

import time

import pytest

from sms import names, services, store
from sms.delivery import health
from sms.delivery import run as delivery
from sms.errors import AccountFailure, TemporaryFailure, Unavailable
from sms.message import Attempt, State
from tests.sms.house import Scripted


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
    store.report(id, State.DELIVERED, alias="a", figures=health.breaker().figures)
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
    """The route was changed since it was accepted, so that the claim could not choose."""
    choose, failures = health.choose, [Unavailable("away")]

    def away_once(*args, **more):
        if failures:
            raise failures.pop()
        return choose(*args, **more)

    monkeypatch.setattr(health, "choose", away_once)
    house.settings.SMS_ROUTES = {"default": "b>a"}
    id = house.send()
    house.settings.SMS_ROUTES = {"default": "a>b"}
    assert house.deliver(id).state is State.QUEUED
    assert house.deliver(id).state is State.SENT
    assert house.calls == "a"


def test_redis_away_between_two_aliases(house, redis, monkeypatch):
    """Nobody was asked for want of Redis, which is no failed round."""

    def away(*_, **__):
        raise Unavailable("away")

    monkeypatch.setattr(health, "choose", away)
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
