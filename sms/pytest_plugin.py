"""A fixture for pytest, which finds it by itself where Otpost is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sms.providers.base import Sms


@pytest.fixture
def sms_outbox() -> list[Sms]:
    """What was sent in this test, the latest last. Nothing of the tests before it is left; see ``reset``."""
    from sms.testing import outbox, reset  # Django is not set up yet when pytest loads this file

    reset()
    return outbox
