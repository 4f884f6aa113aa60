"""Short waits end by themselves, to the millisecond."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import nullcontext

import pytest

from sms import broker, receipts, registry, services
from sms.delivery import run as delivery
from sms.delivery import wakeups
from sms.errors import OutcomeUnknown, TemporaryFailure
from sms.message import State


def fail_once(monkeypatch, provider):
    """Let it refuse each message for the first time that it is asked."""
    send = provider.send

    def first_fails(sms):
        again = sms.id in {call.id for call in provider.calls}
        sent = send(sms)
        if not again:
            raise TemporaryFailure("x")
        return sent

    monkeypatch.setattr(provider, "send", first_fails)


class TestShortWaits:
    """They end without a sweep, which travels behind the queue."""

    @pytest.mark.parametrize("why", ["round", "unknown", "slot", "left out", "receipt first"])
    def test_it_comes_back_when_its_time_is_over(self, house, redis, monkeypatch, clock, why):
        """To the millisecond."""
        wait = 0.0 if why == "receipt first" else 0.4
        monkeypatch.setattr(delivery, "ROUNDS", (wait,))
        monkeypatch.setattr(delivery, "SOON", wait)
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
                house.hold("a", hold_until=int((clock.now + 0.3) * 1000))
        house.work_by(clock)
        with house.aliases["a"].slot() if why == "slot" else nullcontext():
            id = house.code()
            clock.advance(0.2 if wait else 0)
        if wait:
            clock.advance(0.199)
            assert services.get(id).state is State.QUEUED
            clock.advance(0.001)
        assert services.get(id).state is State.SENT

    def test_a_hundred_that_wait_cost_one_thread(self, house, monkeypatch):
        house.settings.SMS_BREAKER = {"fewest": 1000}
        monkeypatch.setattr(delivery, "ROUNDS", (2.0,))
        for name in "ab":
            fail_once(monkeypatch, house.providers[name])
        before = set(threading.enumerate())
        with house.workers(4):
            for _ in range(100):
                house.code()
            house.wait_for("b", 100)
            more = set(threading.enumerate()) - before
            assert sum(thread.name == "wakeups" for thread in more) == 1
            house.wait_for("a", 200)
        assert house.calls.count("b") == 100

    def test_one_of_five_seconds_is_short(self, house, clock):
        house.settings.SMS_RECEIPT_WAIT = 5
        house.providers["a"].outcomes = [OutcomeUnknown("x")]
        house.work_by(clock)
        id = house.code()
        clock.advance(4.999)
        assert services.get(id).state is State.QUEUED
        clock.advance(0.001)
        assert services.get(id).state is State.SENT

    @pytest.mark.parametrize("seconds", [6, 20])
    def test_a_longer_one_is_left_to_the_sweeps(self, house, monkeypatch, seconds):
        told = []
        monkeypatch.setattr(wakeups, "publish_in", lambda *args: told.append(args))
        house.settings.SMS_RECEIPT_WAIT = seconds
        house.providers["a"].outcomes = [OutcomeUnknown("x")]
        assert house.deliver(house.code()).state is State.QUEUED
        assert told == []


def published_by(monkeypatch):
    """Wakeups of our own, and where each that they publish is put with the time at which they do."""
    published: queue.Queue[tuple[str, float]] = queue.Queue()

    def publish(message_id, _):
        if message_id == "bad":
            raise RuntimeError
        published.put((message_id, time.monotonic()))

    monkeypatch.setattr(broker, "publish", publish)
    return wakeups.Wakeups(), published


def test_one_that_cannot_be_published_does_not_end_the_thread_that_does_it(monkeypatch):
    returns, published = published_by(monkeypatch)
    returns.publish_in(0.0, "bad", "otp")
    returns.publish_in(0.05, "good", "otp")
    assert published.get(timeout=30)[0] == "good"


def test_whatever_is_due_first_is_published_first_and_nothing_early(monkeypatch):
    returns, published = published_by(monkeypatch)
    waits = {"third": 0.3, "first": 0.1, "second": 0.2}
    began = time.monotonic()
    for id, wait in waits.items():
        returns.publish_in(wait, id, "otp")
    found = [published.get(timeout=30) for _ in waits]
    assert [id for id, _ in found] == ["first", "second", "third"]
    assert all(at - began >= waits[id] for id, at in found)


def test_a_wait_ends_to_the_millisecond(monkeypatch):
    """A busy machine may wake a thread late now and then, but not ten times."""
    returns, published = published_by(monkeypatch)
    late = []
    for _ in range(10):
        began = time.monotonic()
        returns.publish_in(0.05, "some", "otp")
        late.append(published.get(timeout=30)[1] - began - 0.05)
    assert 0 <= min(late) < 0.02
