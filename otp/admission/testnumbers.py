"""Test numbers, for people who must log in without a phone. Each has a fixed code and gets no SMS.

    TEST_NUMBERS=+12025550100:123456,+447400000000:654321
    TEST_NUMBERS_UNTIL=2026-12-31            a date or a time (ISO 8601, in UTC by default)

A known number with a known code is a way in, so test numbers expire. Codes that were started before live for
their ``lifetime``. Everything else works as usual, and callers cannot tell such a number from others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from django.core.exceptions import ImproperlyConfigured

from otp import conf, purposes
from sms import phone as numbers


def in_force() -> Mapping[str, str]:
    """The code of each test number (E.164). Empty once they have expired."""
    setting: Mapping[str, str] = conf.get("TEST_NUMBERS")
    return setting if setting and time.time() < end() else {}


def end() -> float:
    """When test numbers expire, in seconds since the epoch; 0 if not set. Raises ``ImproperlyConfigured``."""
    text = conf.get("TEST_NUMBERS_UNTIL")
    if not text:
        return 0.0
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ImproperlyConfigured(
            "TEST_NUMBERS_UNTIL must be a text with a date or a time such as 2026-12-31 or 2026-12-31T18:00Z."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def check() -> None:
    """Raise ``ImproperlyConfigured`` for settings that cannot work."""
    setting: object = conf.get("TEST_NUMBERS")
    ends = end()
    if not isinstance(setting, Mapping) or not all(
        isinstance(text, str) for entry in setting.items() for text in entry
    ):
        raise ImproperlyConfigured(
            'TEST_NUMBERS must be a dict of numbers and codes, both texts: {"+12025550100": "123456"}.'
        )
    known = purposes.all_purposes().values()
    for e164, code in setting.items():
        if not re.fullmatch(r"\+[1-9]\d{6,14}", e164, re.ASCII):
            raise ImproperlyConfigured(
                f"TEST_NUMBERS: {e164!r} is not E.164. Write + and at most 15 digits, such as +12025550100."
            )
        of = f"TEST_NUMBERS: the code of {numbers.mask(e164)}"
        if not re.fullmatch("[0-9A-Z]{4,64}", code):
            raise ImproperlyConfigured(f"{of} must have 4 to 64 digits or capital letters.")
        if not any(rules.fits(code) for rules in known):
            lengths = ", ".join(f"{rules.length} ({rules.name})" for rules in known)
            raise ImproperlyConfigured(
                f"{of} fits no purpose. Give it the length and the characters of one: {lengths}."
            )
    if setting and ends <= time.time():
        raise ImproperlyConfigured(
            "TEST_NUMBERS_UNTIL is over. Remove TEST_NUMBERS, or set a later day if they are still needed."
            if ends
            else "TEST_NUMBERS needs TEST_NUMBERS_UNTIL, the day on which they expire, such as 2026-12-31."
        )
