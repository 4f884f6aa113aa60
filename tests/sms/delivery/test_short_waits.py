"""Short waits end by themselves, to the millisecond."""

from __future__ import annotations

import threading
import time

import pytest

from sms import broker, names, receipts, registry, services
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
    def test_it_comes_back_when_its_time_is_over(self, house, redis, monkeypatch, why):
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

    @pytest.mark.parametrize("seconds", [6, 20])
    def test_a_longer_one_is_left_to_the_sweeps(self, house, monkeypatch, seconds):
        told = []
        monkeypatch.setattr(wakeups, "publish_in", lambda *args: told.append(args))
        house.settings.SMS_RECEIPT_WAIT = seconds
        house.providers["a"].outcomes = [OutcomeUnknown("x")]
        assert house.deliver(house.code()).state is State.QUEUED
        assert told == []


def test_one_that_cannot_be_published_does_not_end_the_thread_that_does_it(monkeypatch):
    published = threading.Event()

    def publish(message_id, queue):
        if message_id == "bad":
            raise RuntimeError
        published.set()

    monkeypatch.setattr(broker, "publish", publish)
    returns = wakeups.Wakeups()
    returns.publish_in(0.0, "bad", "otp")
    returns.publish_in(0.05, "good", "otp")
    assert published.wait(2)
