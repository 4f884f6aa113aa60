"""Slots: an alias that hangs leaves some for the others."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from celery.signals import celeryd_after_setup

from sms import registry, services


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
        message = house.deliver(house.code())
        assert house.calls == "b"
        assert message.attempts == 1  # to be chosen is not to be asked
    house.deliver(house.code())
    assert house.calls == "ab"


def test_a_worker_uses_as_many_slots_as_it_was_started_with(monkeypatch):
    """`celery worker -c 33`, whatever the setting says."""
    monkeypatch.setattr(registry, "_concurrency", 0)
    assert registry.aliases()["test"]._slots.count == 80
    celeryd_after_setup.send(sender="here", instance=SimpleNamespace(concurrency=33), conf=None)
    assert registry.aliases()["test"]._slots.count == 33
    registry.work_with(0)
