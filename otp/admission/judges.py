"""Ask those who may refuse a number before it gets an SMS.

They are ``OTP_CHALLENGE`` (docs/challenge.md), receivers of ``code_wanted``, and the look-ups of
``OTP_LOOKUPS`` (docs/lookups.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from otp import conf, digests, signals, steps, store
from otp.admission import refusals, testnumbers
from otp.admission.limits import Counted
from otp.caller import Caller
from otp.challenges import altcha
from otp.errors import StoreUnavailable
from otp.guard import decision
from otp.handler import OTPHandler
from otp.lookups import settings as lookups
from sms.errors import Unavailable
from sms.phone import Phone

log = structlog.get_logger("otp")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A number that may have a code, the limits it counts towards, and what is special about the code."""

    number: Phone
    counted: Counted
    code: str = ""  # of a test number
    withheld: str = ""  # why no SMS is sent; callers must not notice
    puzzle: Mapping[str, Any] | None = None  # see ``otp.challenges.altcha``


def hear(
    number: Phone,
    purpose: str,
    caller: Caller,
    counted: Counted,
    answer: str | None = None,
    *,
    goes_on: bool = False,
) -> Wanted:
    """Ask the challenge, then the receivers of ``code_wanted``, then the look-ups. Raises what refuses.

    ``answer``: to the challenge; None for a resend, which is not challenged. ``goes_on``: see ``store.peek``.
    """
    is_start = answer is not None
    puzzle = _puzzle(counted, answer) if answer is not None and altcha.is_on() else None
    ask = challenge() if is_start else None
    # All of them may cost money, so first see whether the code would be refused anyway.
    is_paid = ask or signals.code_wanted.has_listeners(OTPHandler) or (is_start and lookups.configured())
    if is_paid and (
        refused := store.peek(
            digests.of_number(number, purpose),
            counted,
            f"{purpose}|{number.country}|{caller.name}",
            goes_on=goes_on,
            puzzle=puzzle,
            guard=decision.ask(number, caller.ip) if puzzle else None,
        )
    ):
        refusals.raise_unless_issued(refused, caller)
    if ask:
        _require(ask, number=number, purpose=purpose, ip=caller.ip, answer=answer)
    answers = signals.code_wanted.send_robust(OTPHandler, number=number, purpose=purpose, ip=caller.ip)
    refusal = any(said == signals.REFUSE for _, said in answers)
    code = testnumbers.in_force().get(number.e164, "")
    if lookups.configured() and not number.is_email:
        refusal = _look_up(number, gets_no_sms=bool(code) or refusal, is_start=is_start) or refusal
    return Wanted(number, counted, code, "test_number" if code else "refused" if refusal else "", puzzle)


def _require(ask: Callable[..., bool], **about: object) -> None:
    try:
        passed = ask(**about)
    except Exception as error:  # a site's own function may raise anything: answer 503 rather than let it pass
        # Do not log the text, which may hold the number. The function knows what it may log itself.
        log.error("challenge_failed", error=type(error).__name__)
        raise StoreUnavailable("The challenge cannot be checked now.") from error
    if not passed:
        raise refusals.challenge_required()


def _puzzle(counted: Counted, answer: str) -> dict[str, Any]:
    """Describe the puzzle of a start for the script.

    Limits by phone are left out: one honest user who gets no code fills those.
    """
    places = [place for place, rule in enumerate(counted.rules, 1) if "phone" not in rule.subjects]
    return altcha.asked(answer, places)


def _look_up(number: Phone, *, gets_no_sms: bool, is_start: bool) -> bool:
    """Whether a look-up refuses the code."""
    from otp.lookups import verdict  # needed only where numbers are looked up

    if gets_no_sms:
        if is_start:
            verdict.take_as_long()
        return False
    try:
        return verdict.is_refused(number, may_ask=is_start)
    except Unavailable as error:
        raise steps.unavailable(error) from error


def challenge() -> Callable[..., bool] | None:
    """The function named by ``OTP_CHALLENGE``, or None. Raises ``ImproperlyConfigured``."""
    path = conf.get("OTP_CHALLENGE")
    if not path or path == altcha.PATH:  # start.lua asks for ALTCHA puzzles itself
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
        raise ImproperlyConfigured(f"OTP_CHALLENGE: {path} is not a function.")
    return found  # type: ignore[no-any-return]  # called as it is, whatever its type
