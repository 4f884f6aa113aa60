"""The public door of the package: a code and its SMS together.

    from otp import services
    verification = services.start("+12025550123", purpose="login")
    services.check(verification.id, "123456").status == "valid"

A verification belongs to the API key whose name the ``caller`` of its start has. The functions that take
an ``owner`` find that one's alone where it is given, and every verification where it is "".

Every function raises ``otp.errors.StoreUnavailable`` when Redis (or, for ``start`` and ``resend``,
the broker) does not answer.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

import structlog
from django.dispatch import Signal

from otp import alarms, codes, conf, delivery, handler, purposes, signals, store
from otp.admission import judges, limits, refusals, testnumbers
from otp.admission.judges import Wanted
from otp.admission.limits import Spending
from otp.caller import NOBODY, Caller
from otp.delivery import Delivery
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.guard import scopes as guard
from otp.handler import Check, Issue, OTPHandler
from otp.purposes import Purpose
from sms import given
from sms import services as sms
from sms.errors import InvalidNumber, NoRoute, Unavailable
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
    delivery: Delivery | Literal[""] = ""  # of the SMS of a pending one, see otp.delivery


def start(
    phone: given.Number,
    purpose: str = "login",
    locale: str | None = "",
    *,
    caller: Caller = NOBODY,
    challenge: str | None = "",
    holder: str = "",
) -> Verification:
    """Make a code and put its SMS on the way.

    ``phone``: any usual spelling, or a ``phonenumbers.PhoneNumber``; of what is neither, such as None,
    ``phone_missing`` is told. ``locale``: picks the text of the SMS ("de", "pt-BR").
    ``caller``: whom the limits count it for. ``challenge``: what ``OTP_CHALLENGE`` wants to see.
    ``holder``: who may find it again by its phone, see ``otp.pages.holders``.

    Raises ``NotAllowed`` for a number or purpose that gets no code, ``RateLimited`` while a code
    lives and its cooldown runs, or where a limit is reached.
    """
    rules = _rules(purpose)
    purpose, locale = rules.name, given.text(locale) or ""
    with refusals.translated():
        number = parse_phone(phone)
        spending = limits.spending(number, purpose, caller)
        wanted = judges.hear(number, purpose, caller, spending, given.text(challenge) or "")
        try:  # a test number needs no route, and is looked for as long as any other
            sms.require_route(number)
        except NoRoute:
            if not wanted.code:
                raise
        sms.require_broker()
        message_id = sms.new_id()
        envelope = sms.seal(
            {"to": number.e164, "purpose": purpose, "locale": locale, "ip": caller.ip, "holder": holder}
        )
        id = codes.new_id()
        try:
            issue = OTPHandler.generate_otp(
                number.e164,
                purpose,
                id=id,
                reference=message_id,
                envelope=envelope,
                owner=caller.name,
                spending=spending,
                guarded=guard.call(
                    number, caller.ip, free=bool(wanted.withheld), parts=_parts(rules, locale)
                ),
                code=wanted.code,
            )
            refusals.raise_unless_issued(issue, number, purpose, caller)
            _send(rules, wanted, issue, message_id, locale)
        except RateLimited:
            raise
        except Exception:
            _undo(id, message_id, spending)
            raise
    _tell(signals.code_issued, "code_issued", issue.id, purpose, message_id=message_id)
    return _pending(issue, number, message_id)


def check(id: str, code: str, *, owner: str = "", caller: Caller = NOBODY) -> Check:
    """Hold one guess against the code of verification ``id``. A wrong code is an answer.

    ``caller``: whom ``OTP_GUESS_LIMITS`` counts a wrong one for. Raises ``RateLimited`` where it has no more;
    the guess was not compared then. Raises ``NotAllowed`` (``code_missing``) for a code that is no text; it
    counts as no guess.
    """
    id = given.id(id)
    alarms.tell_due()
    checked = handler.verify_id(id, code, owner, limits.guessing(caller))
    if checked.limit:
        raise refusals.reached(checked.limit, checked.retry_after, caller)
    if checked.status in _SIGNALS:
        _tell(_SIGNALS[checked.status], f"code_{checked.status}", id, checked.purpose)
    if checked.status == "valid" or (checked.status == "invalid" and not checked.attempts_left):
        _call_back(checked.reference)
    return checked


def resend(id: str, *, caller: Caller = NOBODY, owner: str = "") -> Verification:
    """Send the code of verification ``id`` once more.

    Raises ``RateLimited`` while its cooldown runs or where a limit is reached, and ``NotAllowed``
    (``expired``, ``blocked``) when there is no live code.
    """
    id = given.id(id)
    envelope = store.read(id, owner).get("envelope")
    if envelope is None:
        raise refusals.over("blocked" if status(id, owner=owner).status == "blocked" else "expired")
    try:
        kept = sms.unseal(envelope)
    except sms.Unsealable:
        raise refusals.over("expired") from None
    purpose = kept["purpose"]
    rules = _rules(purpose)
    caller = replace(caller, ip=caller.ip or kept.get("ip", ""))  # over the API only the start names it
    with refusals.translated():
        number = parse_phone(kept["to"])
        spending = limits.spending(number, purpose, caller)
        wanted = judges.hear(number, purpose, caller, spending)
        sms.require_broker()
        message_id = sms.new_id()
        try:
            issue = OTPHandler.resend(
                number.e164,
                purpose,
                id=id,
                reference=message_id,
                spending=spending,
                guarded=guard.call(
                    number, caller.ip, free=bool(wanted.withheld), parts=_parts(rules, kept["locale"])
                ),
                code=wanted.code,
            )
            if issue.status == "expired" or (issue.status == "blocked" and not issue.retry_after):
                raise refusals.over(issue.status)
            refusals.raise_unless_issued(issue, number, purpose, caller)
            _send(rules, wanted, issue, message_id, kept["locale"])
        except RateLimited:
            raise
        except Exception:  # also one of a script that has run: its answer got lost, or its code is unknown
            _call_back(message_id)  # what the next resend cannot find would go out beside it
            with suppress(StoreUnavailable):
                store.unresend(id, message_id, spending)
            raise
    _tell(signals.code_resent, "code_resent", id, purpose, message_id=message_id)
    return _pending(issue, number, message_id)


def parse_phone(spelling: given.Number) -> Phone:
    """The number that gets the code: one that SMS may go to, or a test number.

    Raises ``sms.errors.InvalidNumber``.
    """
    spelling = given.phone(spelling)
    try:
        return sms.parse_phone(spelling)
    except InvalidNumber:
        if (found := testnumbers.read(spelling)) is None:
            raise
        return found


def status(id: str, *, owner: str = "") -> Verification:
    """Where verification ``id`` stands. An id that never was is ``expired``."""
    id = given.id(id)
    found = store.read(id, owner)
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
        delivery=delivery.of(found.get("reference", b"").decode()),
    )


def cancel(id: str, *, owner: str = "") -> bool:
    """Forget verification ``id`` and call its SMS back if it still waits. True if there was one."""
    id = given.id(id)
    existed, reference, _, purpose = store.cancel(id=id, owner=owner)
    if existed:
        _tell(signals.verification_cancelled, "verification_cancelled", id, purpose.decode())
        _call_back(reference.decode())
    return bool(existed)


def _text(rules: Purpose, code: str, lives: float, locale: str) -> str:
    return rules.render(
        code,
        lives=lives,
        site=conf.get("OTP_SITE_NAME"),
        host=urlsplit(conf.get("PUBLIC_URL")).hostname or "localhost",
        locale=locale,
    )


def _parts(rules: Purpose, locale: str) -> int:
    """As how many SMS a code is paid, before there is one: all codes of a purpose are of one length."""
    return sms.parts(_text(rules, rules.alphabet[0] * rules.length, rules.lifetime, locale))


def _send(rules: Purpose, wanted: Wanted, issue: Issue, message_id: str, locale: str) -> None:
    sms.send(
        wanted.number,
        _text(rules, issue.code, issue.expires_in, locale),
        queue=sms.OTP_QUEUE,
        expires_at=issue.expires_at,
        resend_unknown=True,
        replaces=issue.replaced,
        verification_id=issue.id,
        message_id=message_id,
        withheld=wanted.withheld,
    )


def _undo(id: str, message_id: str, spending: Spending) -> None:
    """Nothing half-made: a code without an SMS only keeps the next one waiting, and an SMS without
    a code is of no use. Both may stand in Redis although its answer got lost. The code before it lives on.
    """
    with suppress(Unavailable, StoreUnavailable):  # if one cannot be told, neither can the other
        sms.cancel(message_id)
        store.cancel(id=id, unsent=True, spending=spending)


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


def _pending(issue: Issue, number: Phone, message_id: str) -> Verification:
    return Verification(
        issue.id,
        "pending",
        expires_at=issue.expires_at,
        resend_at=issue.resend_at,
        attempts_left=issue.attempts_left,
        masked=number.masked,
        message_id=message_id,
        delivery="underway",
    )


def _tell(signal: Signal, event: str, id: str, purpose: str, **details: str) -> None:
    log.info(event, verification_id=id, purpose=purpose, **details)
    signal.send_robust(OTPHandler, verification_id=id, purpose=purpose, **details)
