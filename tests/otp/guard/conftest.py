"""Shared by the tests of the guard: it is on, and its clock moves by hand."""

from __future__ import annotations

import pytest

from tests.otp.guard.clock import Clock


@pytest.fixture(autouse=True)
def on(settings):
    """As it is out of the box; the other tests have it off."""
    settings.GUARD_MODE = "enforce"


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


@pytest.fixture
def today(redis):
    """A clock that agrees with the server's, whose time the command goes by."""
    clock = Clock()
    clock.now = redis.time()[0]
    return clock
