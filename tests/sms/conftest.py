"""Shared by the tests of messages: a house of three aliases, and who was left out."""

from __future__ import annotations

import pytest

from sms import signals
from tests.sms.house import Clock, House


@pytest.fixture
def house(monkeypatch, settings, redis):
    return House(monkeypatch, settings, redis)


@pytest.fixture
def clock(request, monkeypatch, redis):
    """The time of scripts and of Python, which only the test moves; its parameter is a seed."""
    return Clock(monkeypatch, redis, getattr(request, "param", 0))


@pytest.fixture
def left_out():
    """Every (alias, country) that the signal told of."""
    heard = []

    def hear(*, alias, country, **_):
        heard.append((alias, country))

    signals.provider_left_out.connect(hear)
    yield heard
    signals.provider_left_out.disconnect(hear)
