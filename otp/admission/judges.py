"""Who has a say before a number gets an SMS: a challenge, receivers of ``code_wanted``; and test numbers.

The function of ``OTP_CHALLENGE`` is asked before each first SMS, see docs/challenge.md. Test numbers have a
code of their own and get no SMS, for whoever must log in without a phone:

    TEST_NUMBERS=+12025550100:123456,+447400000000:654321
    TEST_NUMBERS_UNTIL=2026-12-31            a date or a time (ISO 8601, UTC unless it says otherwise)

A known code to a known number is a way in, so it ends by itself; what was started before lives its
``lifetime``. All else holds, and who asks cannot tell such a number from another.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from otp import conf, digests, purposes, signals, store
from otp.admission import refusals
from otp.admission.limits import Counted
from otp.caller import Caller
from otp.errors import NotAllowed, StoreUnavailable
from otp.handler import OTPHandler
from sms import phone as numbers
from sms.errors import InvalidNumber
from sms.phone import Phone

log = structlog.get_logger("otp")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A number that asks for a code, what that counts towards, and what it gets."""

    number: Phone
    counted: Counted
    code: str = ""  # that of a test number
    withheld: str = ""  # why no SMS goes there, though nobody who asks shall see it


def hear(number: Phone, purpose: str, caller: Caller, counted: Counted, answer: str | None = None) -> Wanted:
    """Ask the challenge, unless it is a resend (``answer`` is None), and the signal. Raises what refuses."""
    ask = None if answer is None else challenge()
    # Both may cost money, so they are not asked about what is refused anyway.
    if (ask or signals.code_wanted.has_listeners(OTPHandler)) and (
        refused := store.peek(digests.of_number(number, purpose), counted)
    ):
        refusals.raise_unless_issued(refused, caller)
    if ask:
        _require(ask, number=number, purpose=purpose, ip=caller.ip, answer=answer)
    answers = signals.code_wanted.send_robust(OTPHandler, number=number, purpose=purpose, ip=caller.ip)
    refusal = any(said == signals.REFUSE for _, said in answers)
    code = known_code(number.e164)
    return Wanted(number, counted, code, "test_number" if code else "refused" if refusal else "")


def _require(ask: Callable[..., bool], **about: object) -> None:
    try:
        passed = ask(**about)
    except Exception as error:  # the function is the site's own and may raise anything: 503, no open door
        # Its text may hold the number; the function itself knows best what may be logged.
        log.error("challenge_failed", error=type(error).__name__)
        raise StoreUnavailable("The challenge cannot be checked now.") from error
    if not passed:
        what = "Answer the challenge of this site, and send the answer along."
        raise NotAllowed(what, code="challenge_required", field="challenge")


def challenge() -> Callable[..., bool] | None:
    """The function of ``OTP_CHALLENGE``, None without one. Raises ``ImproperlyConfigured``."""
    path = conf.get("OTP_CHALLENGE")
    if not path:
        return None
    if not all(map(str.isidentifier, path.split("."))) or "." not in path:
        raise ImproperlyConfigured(
            "OTP_CHALLENGE must be the dotted path of a function, such as shop.captcha."
        )
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"OTP_CHALLENGE: {error}. It is the dotted path of a function.") from None
    if not callable(found):
        raise ImproperlyConfigured(f"OTP_CHALLENGE: {path} is no function.")
    return found  # type: ignore[no-any-return]  # whatever it is, it is called


def known_code(e164: str) -> str:
    """The code that a test number has now, "" for all others."""
    setting: Mapping[str, str] = conf.get("TEST_NUMBERS")
    return setting.get(e164, "") if setting and time.time() < test_numbers_end() else ""


def read_test_number(spelling: str) -> Phone | None:
    """The test number that ``spelling`` means, even one that no country has; None for all others."""
    try:
        e164 = numbers.canonical(spelling, conf.get("PHONE_REGION"))
    except InvalidNumber:
        return None
    return Phone(e164, "", numbers.mask(e164)) if known_code(e164) else None


def test_numbers_end() -> float:
    """When they end, in seconds since the epoch; 0 if not set. Raises ``ImproperlyConfigured``."""
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


def check_test_numbers() -> None:
    """Raise ``ImproperlyConfigured`` for what cannot work."""
    setting: object = conf.get("TEST_NUMBERS")
    ends = test_numbers_end()
    if not isinstance(setting, Mapping) or not all(
        isinstance(text, str) for entry in setting.items() for text in entry
    ):
        raise ImproperlyConfigured(
            'TEST_NUMBERS is a dict of a number and its code, both texts: {"+12025550100": "123456"}.'
        )
    known = purposes.all_purposes().values()
    for e164, code in setting.items():
        if not re.fullmatch(r"\+[1-9]\d{6,14}", e164, re.ASCII):
            raise ImproperlyConfigured(
                f"TEST_NUMBERS: {e164!r} is not E.164; write + and at most 15 digits, as +12025550100."
            )
        of = f"TEST_NUMBERS: the code of {numbers.mask(e164)}"
        if not re.fullmatch("[0-9A-Z]{4,64}", code):
            raise ImproperlyConfigured(f"{of} must have 4 to 64 digits or capital letters.")
        if not any(len(code) == rules.length and set(code) <= set(rules.alphabet) for rules in known):
            lengths = ", ".join(f"{rules.length} ({rules.name})" for rules in known)
            raise ImproperlyConfigured(
                f"{of} is one of no purpose. Give it the length and the characters of one: {lengths}."
            )
    if setting and ends <= time.time():
        raise ImproperlyConfigured(
            "TEST_NUMBERS_UNTIL is over: take TEST_NUMBERS out, or set a later day if they are still needed."
            if ends
            else "TEST_NUMBERS needs TEST_NUMBERS_UNTIL, the day on which they end, as 2026-12-31."
        )
