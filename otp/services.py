"""The public door of the package: a code and its SMS together.

    from otp import services
    verification = services.start("+12025550123", purpose="login")
    services.check(verification.id, "123456").status == "valid"

Every function raises ``otp.errors.StoreUnavailable`` when Redis (or, for ``start`` and ``resend``,
the broker) does not answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import structlog
from django.dispatch import Signal

from otp import codes, conf, handler, purposes, signals, store
from otp.caller import Caller
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.handler import Check, Issue, OTPHandler
from otp.purposes import Purpose
from sms import services as sms
from sms.errors import InvalidNumber, NoRoute, Overloaded, Unavailable
from sms.phone import Phone

log = structlog.get_logger("otp")

_SIGNALS = {"valid": signals.code_accepted, "invalid": signals.code_rejected, "blocked": signals.code_blocked}


@dataclass(frozen=True, slots=True)
class Verification:
    """One proof of a phone for one purpose. Times are seconds since the epoch, 0 if over."""

    id: str
    status: Literal["pending", "valid", "expired", "blocked"]
    expires_at: float = 0.0
    resend_at: float = 0.0
    attempts_left: int = 0
    masked: str = ""  # of the phone, as far as it is known here
    message_id: str = ""


def start(
    phone: str, purpose: str = "login", locale: str = "", *, caller: Caller | None = None
) -> Verification:
    """Make a code and put its SMS on the way.

    ``phone``: any usual spelling. ``locale``: picks the text of the SMS ("de", "pt-BR").

    Raises ``NotAllowed`` for a number or purpose that gets no code, ``RateLimited`` while a code
    lives and its cooldown runs.
    """
    rules = _rules(purpose)
    with _translated():
        number = sms.parse_phone(phone)
        sms.require_route(number)
        sms.require_broker()
        message_id = sms.new_id()
        envelope = sms.seal({"to": number.e164, "purpose": purpose, "locale": locale})
        id = codes.new_id()
        try:
            issue = OTPHandler.generate_otp(
                number.e164, purpose, id=id, reference=message_id, envelope=envelope
            )
            _raise_unless_issued(issue)
            _send(rules, number, issue, message_id, locale)
        except RateLimited:
            raise
        except Exception:
            _undo(id, message_id)
            raise
    _tell(signals.code_issued, "code_issued", issue.id, purpose, message_id=message_id)
    return _pending(issue, number, message_id)


def check(id: str, code: str) -> Check:
    """Hold one guess against the code of verification ``id``. A wrong code is an answer."""
    checked = handler.verify_id(id, code)
    if checked.status in _SIGNALS:
        _tell(_SIGNALS[checked.status], f"code_{checked.status}", id, checked.purpose)
    if checked.status == "valid" or (checked.status == "invalid" and not checked.attempts_left):
        _call_back(checked.reference)
    return checked


def resend(id: str, *, caller: Caller | None = None) -> Verification:
    """Send the code of verification ``id`` once more.

    Raises ``RateLimited`` while its cooldown runs, and ``NotAllowed`` (``expired``, ``blocked``)
    when there is no live code.
    """
    envelope = store.read(id).get("envelope")
    if envelope is None:
        raise _over("blocked" if status(id).status == "blocked" else "expired")
    try:
        kept = sms.unseal(envelope)
    except sms.Unsealable:
        raise _over("expired") from None
    purpose = kept["purpose"]
    rules = _rules(purpose)
    with _translated():
        number = sms.parse_phone(kept["to"])
        sms.require_broker()
        message_id = sms.new_id()
        issue = OTPHandler.resend(number.e164, purpose, id=id, reference=message_id)
        if issue.status in ("expired", "blocked"):
            raise _over(issue.status)
        _raise_unless_issued(issue)
        try:
            _send(rules, number, issue, message_id, kept["locale"])
        except Exception:
            _call_back(message_id)  # what the next resend cannot find would go out beside it
            raise
    _tell(signals.code_resent, "code_resent", id, purpose, message_id=message_id)
    return _pending(issue, number, message_id)


def status(id: str) -> Verification:
    """Where verification ``id`` stands. An id that never was is ``expired``."""
    found = store.read(id)
    if not found:
        return Verification(id, "expired")
    word: Any = found["status"].decode()
    if word != "pending":
        return Verification(id, word)
    return Verification(
        id,
        "pending",
        expires_at=int(found["expires_at"]) / 1000,
        resend_at=int(found["resend_at"]) / 1000,
        attempts_left=int(found["left"]),
    )


def cancel(id: str) -> bool:
    """Forget verification ``id`` and call its SMS back if it still waits. True if there was one."""
    existed, reference, _, purpose = store.cancel(id=id)
    if existed:
        _tell(signals.verification_cancelled, "verification_cancelled", id, purpose.decode())
        _call_back(reference.decode())
    return bool(existed)


def _send(rules: Purpose, number: Phone, issue: Issue, message_id: str, locale: str) -> None:
    body = rules.render(
        issue.code,
        lives=issue.expires_at - time.time(),
        site=conf.get("OTP_SITE_NAME"),
        host=urlsplit(conf.get("PUBLIC_URL")).hostname or "localhost",
        locale=locale,
    )
    sms.send(
        number,
        body,
        queue=sms.OTP_QUEUE,
        expires_at=issue.expires_at,
        resend_unknown=True,
        replaces=issue.replaced,
        verification_id=issue.id,
        message_id=message_id,
    )


def _undo(id: str, message_id: str) -> None:
    """Nothing half-made: a code without an SMS only keeps the next one waiting, and an SMS without
    a code is of no use. Both may stand in Redis although its answer got lost.
    """
    with suppress(Unavailable, StoreUnavailable):  # if one cannot be told, neither can the other
        sms.cancel(message_id)
        store.cancel(id=id, unsent=True)


def _call_back(message_id: str) -> None:
    """The code is dead: its SMS, if it still waits, must not go out. The answer stands anyway."""
    if not message_id:
        return
    try:
        sms.cancel(message_id)
    except Unavailable:
        log.warning("call_back_failed", message_id=message_id)


def _rules(purpose: str) -> Purpose:
    try:
        return purposes.get(purpose)
    except KeyError:
        known = ", ".join(sorted(purposes.all_purposes()))
        raise NotAllowed(
            f"There is no such purpose. Use one of: {known}.", code="purpose_unknown", field="purpose"
        ) from None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except InvalidNumber as error:
        raise NotAllowed(error.detail, code=error.code, field="phone") from None
    except NoRoute as error:
        raise NotAllowed(str(error), code="no_route", field="phone") from None
    except Overloaded as error:
        log.warning("overloaded", seconds=error.retry_after)
        raise StoreUnavailable(retry_after=error.retry_after, code="overloaded") from error
    except Unavailable as error:
        log.warning("unavailable", reason=str(error))
        raise StoreUnavailable(retry_after=error.retry_after) from error


def _raise_unless_issued(issue: Issue) -> None:
    if issue.status != "issued":
        raise RateLimited(issue.message, retry_after=max(issue.retry_after, 1), code=issue.status)


def _over(status: str) -> NotAllowed:
    detail = {
        "expired": "There is no live code to send again. Start a new verification.",
        "blocked": "Too many wrong guesses. Start a new verification.",
    }[status]
    return NotAllowed(detail, code=status, field="id")


def _pending(issue: Issue, number: Phone, message_id: str) -> Verification:
    return Verification(
        issue.id,
        "pending",
        expires_at=issue.expires_at,
        resend_at=issue.resend_at,
        attempts_left=issue.attempts_left,
        masked=number.masked,
        message_id=message_id,
    )


def _tell(signal: Signal, event: str, id: str, purpose: str, **details: str) -> None:
    log.info(event, verification_id=id, purpose=purpose, **details)
    signal.send_robust(OTPHandler, verification_id=id, purpose=purpose, **details)
