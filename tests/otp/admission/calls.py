"""Starts that shall be refused."""

from __future__ import annotations

import pytest

from otp import services
from otp.errors import RateLimited

PHONE = "+12025550123"


def numbers(count: int) -> list[str]:
    return [f"+1202555{number:04}" for number in range(100, 100 + count)]


def refused(*args, **kwargs) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        services.start(*args, **kwargs)
    return caught.value
