"""Shared by the tests of admission."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_cooldown(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}, "payment": {"cooldown": 0}}
