"""A fixture for pytest, which finds it by itself where Otpost is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sms.providers.base import Sms


@pytest.fixture
def sms_outbox() -> list[Sms]:
    """The messages sent in this test, the latest last. Those of earlier tests are gone; see ``reset``."""
    from sms.testing import outbox, reset  # Django is not set up yet when pytest loads this file

    reset()
    return outbox
