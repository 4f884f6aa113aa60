"""Settings of a web process that has test numbers, and a receiver that refuses some numbers."""

from __future__ import annotations

from typing import Any

from config.settings import *  # noqa: F403
from otp import signals

from .uniform import REFUSED_AREA, TEST_AREA

# Every number of the exchange 555 in these areas is of its kind.
TEST_NUMBERS = {f"+1{TEST_AREA}555{line:04}": "123456" for line in range(10_000)}
TEST_NUMBERS_UNTIL = "2099-12-31"


def _judge(number: Any, **_: Any) -> str | None:
    return signals.REFUSE if number.e164.startswith(f"+1{REFUSED_AREA}") else None


signals.code_wanted.connect(_judge)
