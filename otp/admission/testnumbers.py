"""Numbers with a code of their own and no SMS, for whoever must log in without a phone.

    TEST_NUMBERS=+12025550100:123456,+447400000000:654321
    TEST_NUMBERS_UNTIL=2026-12-31            a date or a time (ISO 8601, UTC unless it says otherwise)

A known code to a known number is a way in, so it ends by itself: what is started before that moment
lives its ``lifetime``, a few minutes, as any other. Nothing else is different: limits, cooldown and
attempts hold, and who asks cannot tell such a number from another.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from django.core.exceptions import ImproperlyConfigured

from otp import conf, purposes
from sms import phone as numbers
from sms.errors import InvalidNumber
from sms.phone import Phone

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_CODE = re.compile(r"[0-9A-Z]{4,64}")


def code_of(e164: str) -> str:
    """The code that this number has now, "" for all others."""
    setting: Mapping[str, str] = conf.get("TEST_NUMBERS")
    return setting.get(e164, "") if setting and time.time() < until() else ""


def read(spelling: str) -> Phone | None:
    """The test number that ``spelling`` means, even one that no country has; None for all others."""
    try:
        e164 = numbers.canonical(spelling, conf.get("PHONE_REGION"))
    except InvalidNumber:
        return None
    return Phone(e164, "", numbers.mask(e164)) if code_of(e164) else None


def until() -> float:
    """When they end, in seconds since the epoch; 0 if no end is set. Raises ``ImproperlyConfigured``."""
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
    """Raise ``ImproperlyConfigured`` for what cannot work."""
    setting: object = conf.get("TEST_NUMBERS")
    ends = until()
    if not isinstance(setting, Mapping) or not all(
        isinstance(text, str) for entry in setting.items() for text in entry
    ):
        raise ImproperlyConfigured(
            'TEST_NUMBERS is a dict of a number and its code, both texts: {"+12025550100": "123456"}.'
        )
    known = purposes.all_purposes().values()
    for e164, code in setting.items():
        if not _E164.fullmatch(e164):
            raise ImproperlyConfigured(
                f"TEST_NUMBERS: {e164!r} is not E.164; write + and at most 15 digits, as +12025550100."
            )
        if not _CODE.fullmatch(code):
            raise ImproperlyConfigured(
                f"TEST_NUMBERS: the code of {numbers.mask(e164)} must have 4 to 64 digits or capital letters."
            )
        if not any(len(code) == rules.length and set(code) <= set(rules.alphabet) for rules in known):
            lengths = ", ".join(f"{rules.length} ({rules.name})" for rules in known)
            raise ImproperlyConfigured(
                f"TEST_NUMBERS: the code of {numbers.mask(e164)} is one of no purpose. Give it the length "
                f"and the characters of one: {lengths}."
            )
    if not setting:
        return
    if not ends:
        raise ImproperlyConfigured(
            "TEST_NUMBERS needs TEST_NUMBERS_UNTIL, the day on which they end, as 2026-12-31."
        )
    if ends <= time.time():
        raise ImproperlyConfigured(
            "TEST_NUMBERS_UNTIL is over: take TEST_NUMBERS out, or set a later day if they are still needed."
        )
