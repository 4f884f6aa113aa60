"""Shared by the tests of the dashboard."""

from __future__ import annotations

import pytest

from otp.dashboard import door, figures


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """No hour of the test before is known, and no look was logged."""
    monkeypatch.setattr(figures, "_kept", {})
    monkeypatch.setattr(figures, "_kept_sums", {})
    monkeypatch.setattr(door, "_looked", {})
