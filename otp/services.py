"""The public door of the package: a code and its SMS together.

    from otp import services
    verification = services.start("+12025550123", purpose="login")
    services.check(verification.id, "123456").status == "valid"

A verification is owned by the API key that started it. With ``owner``, a function finds that key's alone;
"" finds every one.

All raise ``otp.errors.StoreUnavailable`` when Redis (or, for ``start`` and ``resend``, the broker) does not
answer.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

import structlog
from django.dispatch import Signal

from otp import alarms, conf, digests, purposes, signals, store
from otp.admission import judges, limits, refusals, testnumbers
from otp.admission.judges import Wanted
from otp.caller import NOBODY, Caller
from otp.errors import NotAllowed, StoreUnavailable
from otp.guard import decision
from otp.handler import OTPHandler, repeat
from otp.purposes import Purpose
from otp.results import Check, Draft, Issue, Sending
from sms import given
from sms import phone as numbers
from sms import services as sms
from sms.errors import InvalidNumber, Unavailable
from sms.message import State
from sms.phone import Phone

log = structlog.get_logger("otp")

#: What is told of the SMS of a code: only that it failed. "Sent" and "delivered" would show, by never coming,
#: which numbers get no SMS: test numbers, and those that a receiver of ``code_wanted`` refuses.
Delivery = Literal["underway", "failed"]

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
    delivery: Delivery | Literal[""] = ""  # of the SMS of a pending one


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

    ``phone``: any usual spelling, or a ``phonenumbers.PhoneNumber``. ``locale``: picks the text of the SMS
    ("de", "pt-BR"). ``caller``: whom the limits count it for. ``challenge``: what ``OTP_CHALLENGE`` wants to
    see. ``holder``: who may find it again by its phone, see ``otp.pages.kept``.

    Raises ``NotAllowed`` for a number or purpose that gets no code, ``RateLimited`` while a cooldown runs
    or where a limit is reached.
    """
    rules = _rules(purpose)
    purpose, locale = rules.name, given.text(locale) or ""
    with refusals.translated():
        number = parse_phone(phone)
        counted = limits.of_sms(number, purpose, caller)
        wanted = judges.hear(number, purpose, caller, counted, given.text(challenge) or "")
        phones = digests.of_number(number, purpose)
        draft = digests.draw(rules, phones, code=wanted.code)
        sending = _sending(rules, wanted, draft, rules.lifetime, locale=locale, ip=caller.ip)
        kept = {"to": number.e164, "purpose": purpose, "locale": locale, "ip": caller.ip, "holder": holder}
        envelope = sms.seal(kept).decode()
        sms.require_broker()
        try:
            issue = store.start(rules, phones, draft, sending, owner=caller.name, envelope=envelope)
        except StoreUnavailable:  # only the answer may be lost: if it stands, nobody knows its id
            with suppress(StoreUnavailable):
                store.cancel(id=draft.id)
            raise
        decision.apply(issue.refusal, number, purpose)
        refusals.raise_unless_issued(issue, caller)
    return _tell_sent(signals.code_issued, "code_issued", issue, purpose, number)


def check(id: str, code: str, *, owner: str = "", caller: Caller = NOBODY) -> Check:
    """Hold one guess against the code of verification ``id``. A wrong code is an answer.

    ``caller``: whom ``OTP_GUESS_LIMITS`` counts a wrong one for. Raises ``RateLimited`` where it has no more;
    the guess was not compared then. Raises ``NotAllowed`` (``code_missing``) for a code that is no text; it
    counts as no guess.
    """
    id = given.id(id)
    alarms.tell_due()
    guesses = digests.of_guess(code, id=id)
    checked = store.verify(guesses, id=id, owner=owner, counted=limits.of_guess(caller))
    if checked.limit:
        raise refusals.reached(checked.limit, checked.retry_after, caller)
    if checked.status in _SIGNALS:
        _tell(_SIGNALS[checked.status], f"code_{checked.status}", id, checked.purpose)
    return checked


def resend(id: str, *, caller: Caller = NOBODY, owner: str = "") -> Verification:
    """Send the code of verification ``id`` once more.

    Raises ``RateLimited`` while its cooldown runs or where a limit is reached, and ``NotAllowed``
    (``expired``, ``blocked``) when there is no live code.
    """
    live = store.live(id=given.id(id), owner=owner)
    if live.status != "pending":
        raise refusals.over("blocked" if live.status == "blocked" else "expired")
    try:
        kept = sms.unseal(live.envelope.encode())
    except sms.Unsealable:
        raise refusals.over("expired") from None
    purpose, locale = kept["purpose"], kept["locale"]
    rules = _rules(purpose)
    caller = replace(caller, ip=caller.ip or kept.get("ip", ""))  # over the API only the start names it
    with refusals.translated():
        number = parse_phone(kept["to"])
        counted = limits.of_sms(number, purpose, caller)
        wanted = judges.hear(number, purpose, caller, counted)
        sms.require_broker()
        prepare = partial(_sending, rules, wanted, locale=locale, ip=caller.ip)
        phones = digests.of_number(number, purpose)
        issue = repeat(rules, phones, live, by="by_id", code=wanted.code, prepare=prepare)
        if issue.status == "expired" or (issue.status == "blocked" and not issue.retry_after):
            raise refusals.over(issue.status)
        decision.apply(issue.refusal, number, purpose)
        refusals.raise_unless_issued(issue, caller)
    return _tell_sent(signals.code_resent, "code_resent", issue, purpose, number)


def parse_phone(spelling: given.Number) -> Phone:
    """The number that gets the code: one that SMS may go to, or a test number.

    Raises ``sms.errors.InvalidNumber``.
    """
    spelling = given.phone(spelling)
    try:
        return sms.parse_phone(spelling)
    except InvalidNumber:
        with suppress(InvalidNumber):
            e164 = numbers.canonical(spelling, conf.get("PHONE_REGION"))
            if e164 in testnumbers.in_force():  # even one that no country has
                return Phone(e164, "", numbers.mask(e164))
        raise


def status(id: str, *, owner: str = "") -> Verification:
    """Where verification ``id`` stands. An id that never was is ``expired``."""
    id = given.id(id)
    found = store.read(id, owner)
    status: Any = found.status if found else "expired"
    if not found or status != "pending":
        return Verification(id, status)
    return Verification(
        id,
        status,
        expires_at=found.expires_at,
        resend_at=found.resend_at,
        attempts_left=found.left,
        delivery=_delivery(found.reference),
    )


def _delivery(message_id: str) -> Delivery:
    try:
        message = sms.get(message_id)
    except Unavailable as error:
        raise StoreUnavailable(retry_after=error.retry_after) from error
    return "failed" if message is not None and message.state is State.FAILED else "underway"


def cancel(id: str, *, owner: str = "") -> bool:
    """Forget verification ``id`` and call its SMS back if it still waits. True if there was one."""
    id = given.id(id)
    purpose = store.cancel(id=id, owner=owner)
    if purpose is not None:
        _tell(signals.verification_cancelled, "verification_cancelled", id, purpose)
    return purpose is not None


def _sending(rules: Purpose, wanted: Wanted, draft: Draft, lives: float, *, locale: str, ip: str) -> Sending:
    """The SMS of a code that lives so many seconds, and what it counts towards."""
    site, host = conf.get("OTP_SITE_NAME"), urlsplit(conf.get("PUBLIC_URL")).hostname or "localhost"
    message = sms.prepare(
        wanted.number,
        rules.render(draft.code, lives=lives, site=site, host=host, locale=locale),
        queue=sms.OTP_QUEUE,
        resend_unknown=True,
        verification_id=draft.id,
        withheld=wanted.withheld,
        needs_route=not wanted.code,  # a test number needs none
    )
    ask = decision.ask(wanted.number, ip, free=bool(wanted.withheld), parts=message.parts)
    return Sending(message, ask, wanted.counted)


def _rules(purpose: str) -> Purpose:
    try:
        return purposes.get(purpose)
    except KeyError:
        known = ", ".join(sorted(purposes.all_purposes()))
        raise NotAllowed(
            f"There is no such purpose. Use one of: {known}.", code="purpose_unknown", field="purpose"
        ) from None


def _tell_sent(signal: Signal, event: str, issue: Issue, purpose: str, number: Phone) -> Verification:
    _tell(signal, event, issue.id, purpose, message_id=issue.message_id)
    return Verification(
        issue.id,
        "pending",
        expires_at=issue.expires_at,
        resend_at=issue.resend_at,
        attempts_left=issue.attempts_left,
        masked=number.masked,
        message_id=issue.message_id,
        delivery="underway",
    )


def _tell(signal: Signal, event: str, id: str, purpose: str, **details: str) -> None:
    log.info(event, verification_id=id, purpose=purpose, **details)
    signal.send_robust(OTPHandler, verification_id=id, purpose=purpose, **details)
