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

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog
from django.dispatch import Signal

from otp import alarms, channels, codes, digests, inbound, purposes, sending, signals, store, texts
from otp.admission import judges, limits, refusals
from otp.caller import NOBODY, Caller, of_key
from otp.channels import Way
from otp.errors import NotAllowed, StoreUnavailable
from otp.guard import decision
from otp.handler import OTPHandler, repeat
from otp.purposes import Purpose
from otp.recipients import parse_phone, read_email
from otp.results import Check, Issue, Live, Sending
from otp.verification import Verification, as_begun, as_it_stands
from sms import given, traces
from sms import services as sms
from sms.phone import Phone

log = structlog.get_logger("otp")

_SIGNALS = {"valid": signals.code_accepted, "invalid": signals.code_rejected, "blocked": signals.code_blocked}


@traces.begun("start")
def start(
    phone: given.Number = None,
    purpose: str = "login",
    locale: str | None = "",
    *,
    email: str | None = "",
    channel: str | None = "",
    code: str | None = "",
    caller: Caller = NOBODY,
    challenge: str | None = "",
    holder: str = "",
    reference: str = "",
    session: str = "",
    host: str = "",
    reverse: bool = False,
) -> Verification:
    """Make a code and put its SMS on the way.

    ``phone``: any usual spelling, or a ``phonenumbers.PhoneNumber``. ``email``: an address that may have the
    code too, or alone where there is no ``phone``; only for purposes whose ``channels`` name it. ``locale``:
    picks the text of the SMS ("de", "pt-BR"). ``channel``: by which it goes. ``code``: one that the caller
    has made, as long as those of the purpose and of the same characters; "": one is drawn. A test number
    keeps its own. ``caller``: whom the limits count it for. ``challenge``: what ``OTP_CHALLENGE`` wants to
    see. ``holder``: who may find it again by its phone, see ``otp.pages.kept``. ``reference``: the caller's
    own, by which its messages are found: see ``sms.references``. ``session``: the id of the hand-off that it
    is for. ``host``: of the page that asks for the code, where it is not that of ``PUBLIC_URL``. ``reverse``:
    nothing is sent, as the user is to send the code to us, see ``otp.inbound``; goes with no ``email``,
    ``channel`` or ``code``.

    Raises ``NotAllowed`` for a number or purpose that gets no code, and for a channel or code that does not
    suit it; ``RateLimited`` while a cooldown runs or where a limit is reached.
    """
    rules = purposes.required(purpose)
    purpose, locale, brought = rules.name, given.text(locale) or "", _brought(code, rules)
    if reverse:
        inbound.require(rules, email=email, channel=channel, code=code)
    with refusals.translated():
        address = read_email(email, rules)
        number = (
            sms.by_email(address) if address and not phone else parse_phone(phone, channels.wanted(rules))
        )
        counted = limits.of_sms(number, purpose, caller, address)
        wanted = judges.hear(number, purpose, caller, counted, given.text(challenge) or "")
        phones = digests.of_number(number, purpose)
        said = {"locale": locale, "reference": given.text(reference) or "", "email": address, "host": host}
        if reverse:
            way = channels.NONE
            said["locale"] = locale = locale or texts.LANGUAGES.get(number.country, "")
            draft = digests.awaited(rules, phones, withheld=wanted.withheld == "refused")
            sent = Sending(counted=counted, labels=sending.labels(number, caller), puzzle=wanted.puzzle)
            sms.check_reference(said["reference"])
        else:
            way = channels.begin(rules, number, address, channel=given.text(channel) or "")
            draft = digests.draw(rules, phones, code=wanted.code or brought)
            sent = sending.prepare(
                rules, wanted, draft, rules.longest_life, caller=caller, way=way, session=session, **said
            )
            sms.require_broker()
        kept = {"to": number.e164, "purpose": purpose, "ip": caller.ip, "holder": holder, **said}
        if brought or reverse:  # no seed leads to it
            kept["code"] = draft.code
        of = {"owner": caller.name, "reference": said["reference"], "session": session}
        envelope = sms.seal(kept).decode()
        try:
            issue = store.start(rules, phones, draft, sent, envelope=envelope, **of)
        except StoreUnavailable:  # only the answer may be lost: if it stands, nobody knows its id
            with suppress(StoreUnavailable):
                store.cancel(id=draft.id)
            raise
        decision.apply(issue.refusal, number, purpose)
        refusals.raise_unless_issued(issue, caller)
    begun = _tell_sent("code_issued", issue, kept, number, way)
    return replace(begun, wanted=inbound.wanted(draft.code, number.e164, locale)) if reverse else begun


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
    _tell_checked(checked)
    return checked


def hear(e164: str, text: str) -> list[Check]:
    """Hold what the user of a phone has sent to us against each verification that waits for it.

    Empty where none does, or the text holds no code: see ``otp.inbound``.
    """
    found = [
        (phones := digests.of_phone(e164, rules.name), digests.of_text(code, phones))
        for rules in purposes.all_purposes().values()
        if rules.reverse and (code := inbound.code_in(text, rules))
    ]
    answers = store.hear(found) if found else []
    for checked in answers:
        _tell_checked(checked)
    return answers


def approve(id: str, *, owner: str = "") -> Check:
    """Take verification ``id`` for proved without a guess: whoever asks vouches that the user had the code.

    ``valid``: it was live, and is over now, as after the right guess. Else ``blocked`` or ``expired``.
    """
    checked = store.verify((), id=given.id(id), owner=owner, vouched=True)
    if checked.status == "valid":
        _tell(signals.code_accepted, "verification_approved", checked.id, checked.purpose, checked.reference)
    return checked


@traces.begun("resend")
def resend(id: str, *, caller: Caller = NOBODY, owner: str = "", channel: str = "") -> Verification:
    """Send the code of verification ``id`` once more, by ``channel``, or by the one that was asked for last.

    Raises ``RateLimited`` while its cooldown runs or where a limit is reached, ``NotAllowed`` (``expired``,
    ``blocked``) when there is no live code, ``expired`` also where its user is to send it to us, whatever
    cooldown runs, or (``channel_unavailable``) when it cannot go by ``channel``.
    """
    live = store.live(id=given.id(id), owner=owner)
    if live.status != "pending":
        raise refusals.over("blocked" if live.status == "blocked" else "expired")
    if live.reverse:  # never sent, so neither limits nor receivers are asked
        raise refusals.over("expired")
    return _once_more(live, caller, channel=given.text(channel) or "")


def go_on(id: str, message_id: str) -> bool:
    """Send the code of verification ``id`` by the next channel of its purpose, as message ``message_id`` did
    not work. False where there is none, or nobody waits any more. Raises what ``resend`` does.
    """
    live = store.live(id=id)
    if live.status != "pending":
        return False
    try:
        _once_more(live, NOBODY, instead_of=message_id)
    except _NoWay:
        return False
    return True


class _NoWay(Exception):
    """There is no other channel."""


def _once_more(live: Live, caller: Caller, *, channel: str = "", instead_of: str = "") -> Verification:
    try:
        kept = sms.unseal(live.envelope.encode())
    except sms.Unsealable:
        raise refusals.over("expired") from None
    purpose, locale = kept["purpose"], kept["locale"]
    rules = purposes.required(purpose)
    tried, asked = ([name for name in names.split(",") if name] for names in (live.tried, live.asked))
    brought = kept.get("code", "")
    if brought:
        rules = replace(rules, new_code_on_resend=False)  # it is the caller's
    # Over the API only the start names the address; the page, and what goes on by itself, has no key.
    caller = replace(caller if caller.name else of_key(live.owner), ip=caller.ip or kept.get("ip", ""))
    with refusals.translated():
        address, to = kept.get("email", ""), kept["to"]  # a version before had no address
        number = sms.by_email(address) if "@" in to else parse_phone(to, channels.wanted(rules))
        counted = limits.of_sms(number, purpose, caller, address)
        wanted = judges.hear(number, purpose, caller, counted, goes_on=bool(instead_of))
        sms.require_broker()
        so_far = {"tried": tried, "asked": asked or tried}
        if instead_of:
            way = channels.go_on(rules, number, address, **so_far)
            if way is None:
                raise _NoWay
        else:
            way = channels.again(rules, number, address, **so_far, channel=channel)
        said = {"locale": locale, "reference": kept.get("reference", ""), "email": address}
        said["host"] = kept.get("host", "")
        prepare = partial(
            sending.prepare, rules, wanted, caller=caller, way=way, session=live.session, **said
        )
        phones = digests.of_number(number, purpose)
        issue = repeat(
            rules,
            phones,
            live,
            by="by_id",
            code=wanted.code or brought,
            instead_of=instead_of,
            prepare=prepare,
        )
        if issue.status == "expired" or (issue.status == "blocked" and not issue.retry_after):
            raise refusals.over(issue.status)
        decision.apply(issue.refusal, number, purpose)
        refusals.raise_unless_issued(issue, caller)
    return _tell_sent("code_resent", issue, kept, number, way)


def status(id: str, *, owner: str = "", in_full: bool = False, with_wanted: bool = False) -> Verification:
    """Where verification ``id`` stands. An id that never was is ``expired``.

    ``in_full``: whoever asks may see which numbers get no SMS, and which a channel does not reach: see
    ``otp.delivery``. ``with_wanted``: whoever asks is who started it, and may see what its user is to send.
    """
    id = given.id(id)
    found = store.read(id, owner)
    if not found:
        return Verification(id, "expired")
    return as_it_stands(id, found, in_full=in_full, with_wanted=with_wanted)


def cancel(id: str, *, owner: str = "") -> bool:
    """Forget verification ``id`` and call its SMS back if it still waits. True if there was one."""
    id = given.id(id)
    over = store.cancel(id=id, owner=owner)
    if over is not None:
        _tell(signals.verification_cancelled, "verification_cancelled", id, over.purpose, over.reference)
    return over is not None


def _brought(code: str | None, rules: Purpose) -> str:
    """A code of the caller's as it is compared, "" for none. Raises ``NotAllowed`` for one that the purpose
    would not draw: how often it may be guessed, and which providers carry it, was weighed for those.
    """
    if code is None or code == "":
        return ""
    text = codes.normalise(given.text(code) or "")
    if not rules.fits(text):
        raise NotAllowed(
            f"A code for this purpose has {rules.length} characters out of {rules.alphabet}.",
            code="code_invalid",
            field="code",
        )
    return text


def _tell_sent(event: str, issue: Issue, kept: Mapping[str, str], number: Phone, way: Way) -> Verification:
    """``kept``: what is kept of the start."""
    reference = kept.get("reference", "")  # a version before had none
    signal: Signal = getattr(signals, event)
    _tell(signal, event, issue.id, kept["purpose"], reference, message_id=issue.message_id)
    return as_begun(issue, number, way, reference)


def _tell_checked(checked: Check) -> None:
    if checked.status in _SIGNALS:
        signal, event = _SIGNALS[checked.status], f"code_{checked.status}"
        _tell(signal, event, checked.id, checked.purpose, checked.reference)


def _tell(signal: Signal, event: str, id: str, purpose: str, reference: str, **details: str) -> None:
    shown = details | ({"reference": reference} if reference else {})
    log.info(event, verification_id=id, purpose=purpose, **shown)
    signal.send_robust(OTPHandler, verification_id=id, purpose=purpose, reference=reference, **details)
