"""Start, check, resend, read and cancel verifications: the public API of ``otp``.

    from otp import services

    verification = services.start("+12025550123", purpose="login")
    services.check(verification.id, "123456").status == "valid"

A verification is owned by the API key that started it. ``owner`` restricts a function to the verifications
of that key; "" finds those of every key.

Every function raises ``otp.errors.StoreUnavailable`` when Redis does not answer. ``start`` and ``resend``
raise it for the broker as well, and with the code ``overloaded`` if the SMS would have to wait too long.
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
    """Make a code and queue the SMS that carries it.

    - ``phone``: any usual spelling, or a ``phonenumbers.PhoneNumber``.
    - ``purpose``: a name in ``OTP_PURPOSES``.
    - ``locale``: picks the text of the SMS, such as "de" or "pt-BR".
    - ``email``: an address that may get the code too. Without a ``phone``, the code goes only
      there. The ``channels`` of the purpose must name e-mail.
    - ``channel``: the channel to send by; "" takes the first that reaches the number.
    - ``code``: a code of the caller's own, with the length and the characters that the purpose sets. ""
      draws one. A test number keeps its own.
    - ``caller``: who asks; limits count the start for them.
    - ``challenge``: the answer to ``OTP_CHALLENGE``.
    - ``holder``: who may find the verification by its phone, see ``otp.pages.kept``.
    - ``reference``: the caller's own reference, by which its messages are found; see ``sms.references``.
    - ``session``: the id of the session on the hosted pages that this verification is part of; see
      ``otp.sessions``.
    - ``host``: the host of the page that asks for the code, if it differs from ``PUBLIC_URL``.
    - ``reverse``: send nothing, since the user sends the code to us (see ``otp.inbound``). ``email``,
      ``channel`` and ``code`` must then be empty.

    Raises ``NotAllowed`` if the number or the purpose gets no code, or if the channel or the code does not
    fit the purpose. Raises ``RateLimited`` during a cooldown, or when a limit is reached.
    """
    rules = purposes.required(purpose)
    purpose, locale, own_code = rules.name, given.text(locale) or "", _own_code(code, rules)
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
            draft = digests.draw(rules, phones, code=wanted.code or own_code)
            sent = sending.prepare(
                rules, wanted, draft, rules.longest_life, caller=caller, way=way, session=session, **said
            )
            sms.require_broker()
        kept = {"to": number.e164, "purpose": purpose, "ip": caller.ip, "holder": holder, **said}
        if own_code or reverse:  # a resend cannot derive it from the seed
            kept["code"] = draft.code
        try:
            issue = store.start(
                rules,
                phones,
                draft,
                sent,
                envelope=sms.seal(kept).decode(),
                owner=caller.name,
                reference=said["reference"],
                session_id=session,
            )
        except StoreUnavailable as error:
            # Redis may have started it and lost only the answer. Nobody has learnt its id, so it must go.
            if error.begun:
                with suppress(StoreUnavailable):
                    store.cancel(id=draft.id)
            raise
        decision.apply(issue.refusal, number, purpose)
        refusals.raise_unless_issued(issue, caller)
    begun = _announce_sent("code_issued", issue, kept, number, way)
    return replace(begun, wanted=inbound.wanted(draft.code, number.e164, locale)) if reverse else begun


def check(id: str, code: str, *, owner: str = "", caller: Caller = NOBODY) -> Check:
    """Compare one guess with the code of verification ``id``. A wrong guess is a result, not an exception.

    ``caller``: who guesses; ``OTP_GUESS_LIMITS`` counts their wrong guesses.

    Raises ``RateLimited`` if the caller has no guesses left; the code was not compared. Raises ``NotAllowed``
    (``code_missing``) if the code is not a text; that does not count as a guess.
    """
    id = given.id(id)
    alarms.tell_due()
    guesses = digests.of_guess(code, id=id)
    checked = store.verify(guesses, id=id, owner=owner, counted=limits.of_guess(caller))
    if checked.limit:
        raise refusals.reached(checked.limit, checked.retry_after, caller)
    _announce_checked(checked)
    return checked


def hear(e164: str, text: str) -> list[Check]:
    """Compare an SMS that a user sent us with each reverse verification of that phone.

    Returns one result for each. The list is empty if no verification waits, or if the text holds no code:
    see ``otp.inbound``.
    """
    found = [
        (phones := digests.of_phone(e164, rules.name), digests.of_text(code, phones))
        for rules in purposes.all_purposes().values()
        if rules.reverse and (code := inbound.code_in(text, rules))
    ]
    answers = store.hear(found) if found else []
    for checked in answers:
        _announce_checked(checked)
    return answers


def approve(id: str, *, owner: str = "") -> Check:
    """Accept verification ``id`` without a guess. The caller vouches that the user had the code.

    ``valid``: the verification was pending and is over now, as after a right guess. Otherwise ``blocked`` or
    ``expired``.
    """
    checked = store.verify((), id=given.id(id), owner=owner, vouched=True)
    if checked.status == "valid":
        _announce(
            signals.code_accepted, "verification_approved", checked.id, checked.purpose, checked.reference
        )
    return checked


@traces.begun("resend")
def resend(id: str, *, caller: Caller = NOBODY, owner: str = "", channel: str = "") -> Verification:
    """Send the code of verification ``id`` again.

    ``channel``: the channel to send by; "" repeats the one that was asked for last.

    Raises ``RateLimited`` during the cooldown, or when a limit is reached. Raises ``NotAllowed`` with code

    - ``expired`` or ``blocked`` if there is no live code;
    - ``expired`` for a reverse verification, even during a cooldown: there the user sends the code;
    - ``channel_unavailable`` if the code cannot go by ``channel``.
    """
    live = store.live(id=given.id(id), owner=owner)
    if live.status != "pending":
        raise refusals.over("blocked" if live.status == "blocked" else "expired")
    if live.reverse:  # it is never sent, so there are no limits to ask first
        raise refusals.over("expired")
    return _send_again(live, caller, channel=given.text(channel) or "")


def go_on(id: str, message_id: str) -> bool:
    """Send the code of verification ``id`` by the next channel of its purpose, because message ``message_id``
    failed. False if no channel is left, or if the verification is over. Raises what ``resend`` raises.
    """
    live = store.live(id=id)
    if live.status != "pending":
        return False
    try:
        _send_again(live, NOBODY, instead_of=message_id)
    except _NoChannelLeft:
        return False
    return True


class _NoChannelLeft(Exception):
    """Every channel of the purpose was tried."""


def _send_again(live: Live, caller: Caller, *, channel: str = "", instead_of: str = "") -> Verification:
    """``channel``: the one that the user chose. ``instead_of``: the id of the message that failed."""
    try:
        kept = sms.unseal(live.envelope.encode())
    except sms.Unsealable:
        raise refusals.over("expired") from None
    purpose, locale = kept["purpose"], kept["locale"]
    rules = purposes.required(purpose)
    tried, asked = ([name for name in names.split(",") if name] for names in (live.tried, live.asked))
    own_code = kept.get("code", "")
    if own_code:  # we cannot replace a code that the caller made
        rules = replace(rules, new_code_on_resend=False)
    # A resend over the API names no IP address. One from a page names no API key, and one by the next channel
    # names neither. Take what is missing from the start.
    caller = replace(caller if caller.name else of_key(live.owner), ip=caller.ip or kept.get("ip", ""))
    with refusals.translated():
        address, to = kept.get("email", ""), kept["to"]  # earlier versions kept no address
        number = sms.by_email(address) if "@" in to else parse_phone(to, channels.wanted(rules))
        counted = limits.of_sms(number, purpose, caller, address)
        wanted = judges.hear(number, purpose, caller, counted, goes_on=bool(instead_of))
        sms.require_broker()
        so_far = {"tried": tried, "asked": asked or tried}
        if instead_of:
            way = channels.go_on(rules, number, address, **so_far)
            if way is None:
                raise _NoChannelLeft
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
            code=wanted.code or own_code,
            instead_of=instead_of,
            prepare=prepare,
        )
        if issue.status == "expired" or (issue.status == "blocked" and not issue.retry_after):
            raise refusals.over(issue.status)
        decision.apply(issue.refusal, number, purpose)
        refusals.raise_unless_issued(issue, caller)
    return _announce_sent("code_resent", issue, kept, number, way)


def status(id: str, *, owner: str = "", in_full: bool = False, with_wanted: bool = False) -> Verification:
    """Read verification ``id``. An unknown id is ``expired``.

    - ``in_full``: show that a number gets no SMS, or that a channel does not reach it. Not every caller may
      know that: see ``otp.delivery``.
    - ``with_wanted``: include the SMS that the user of a reverse verification must send. Only the caller who
      started it may know that.
    """
    id = given.id(id)
    found = store.read(id, owner)
    if not found:
        return Verification(id, "expired")
    return as_it_stands(id, found, in_full=in_full, with_wanted=with_wanted)


def cancel(id: str, *, owner: str = "") -> bool:
    """Delete verification ``id``, and cancel its SMS if that is still queued. True if the verification was
    live.
    """
    id = given.id(id)
    over = store.cancel(id=id, owner=owner)
    if over is not None:
        _announce(signals.verification_cancelled, "verification_cancelled", id, over.purpose, over.reference)
    return over is not None


def _own_code(code: str | None, rules: Purpose) -> str:
    """The caller's own code as it will be compared, "" for none.

    Raises ``NotAllowed`` for a code that the purpose could not have drawn. The number of attempts and the
    choice of providers suit only codes of the purpose's own form.
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


def _announce_sent(
    event: str, issue: Issue, kept: Mapping[str, str], number: Phone, way: Way
) -> Verification:
    """``kept``: the unsealed envelope of the start."""
    reference = kept.get("reference", "")  # earlier versions kept none
    signal: Signal = getattr(signals, event)
    _announce(signal, event, issue.id, kept["purpose"], reference, message_id=issue.message_id)
    return as_begun(issue, number, way, reference)


def _announce_checked(checked: Check) -> None:
    if checked.status in _SIGNALS:
        signal, event = _SIGNALS[checked.status], f"code_{checked.status}"
        _announce(signal, event, checked.id, checked.purpose, checked.reference)


def _announce(signal: Signal, event: str, id: str, purpose: str, reference: str, **details: str) -> None:
    """Log the event and send its signal."""
    shown = details | ({"reference": reference} if reference else {})
    log.info(event, verification_id=id, purpose=purpose, **shown)
    signal.send_robust(OTPHandler, verification_id=id, purpose=purpose, reference=reference, **details)
