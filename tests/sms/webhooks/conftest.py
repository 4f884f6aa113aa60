"""A receiver on loopback for each test, and a way to wait until everything has been sent."""

from __future__ import annotations

import time

import pytest

from sms import cells, names
from sms.scripts import client
from sms.webhooks import sender, store
from tests.sms.webhooks.receiver import Receiver


@pytest.fixture
def receiver(settings):
    with Receiver() as found:
        settings.WEBHOOKS = {"shop": found.url()}
        yield found
        sender.stop()
        until_idle()
        sender.begin()


def until_idle() -> None:
    """Wait until no thread sends."""
    deadline = time.monotonic() + 60
    while sum(sender._running.values()):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def claim_any(endpoint: str = "shop") -> store.Claimed | None:
    """Claim an event of any cell, as a sender does."""
    found = (store.claim(endpoint, cell) for cell in store.due(endpoint))
    return next(filter(None, found), None)


def send_all() -> None:
    """Do what a sweep does, and wait until nothing more is due."""
    sender.wake()
    until_idle()


def due_now(endpoint: str = "shop") -> None:
    """Make all that waits due now."""
    for cell in cells.every():
        key = names.key(names.WEBHOOKS_DUE + endpoint, cell)
        with client(cell) as redis:
            for text in redis.zrange(key, 0, -1):
                redis.zadd(key, {text: 1})
