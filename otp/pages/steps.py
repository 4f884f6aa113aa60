"""The steps of a user who verifies a phone, on the hosted pages or in the widget.

Every rule is in ``otp.services``. Each step returns a ``Kept`` whose ``said`` tells how it ended. Refusals
are raised.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from django.http import HttpRequest

from otp import channels, languages, purposes, recipients, services
from otp.admission import refusals
from otp.caller import Caller, caller_of, of_key
from otp.errors import NotAllowed, OtpError, RateLimited
from otp.pages import kept, language
from otp.pages.kept import PURPOSE, Kept
from otp.pages.words import code_in
from otp.sessions import Session


@dataclass(frozen=True, slots=True)
class Visitor:
    """The user at a browser."""

    browser: str  # its identifier, see ``kept.browser``
    caller: Caller
    language: str  # that the browser asks for
    challenge: str = field(default="", repr=False)  # the answer to the site's challenge
    host: str = ""  # of the page that asks for the code, if it is not ours
    region: str = ""  # the country of national numbers; "" means ``PHONE_REGION``


def visitor(request: HttpRequest) -> Visitor:
    """The user who sent this request to the hosted pages."""
    challenge = request.POST.get("challenge", "")
    return Visitor(kept.browser(request), caller_of(request), language.asked(request), challenge)


def start(who: Visitor, spelling: str, within: Session | None = None, *, reverse: bool = False) -> Kept:
    """Start a verification, or find the one that this browser has already started.

    ``reverse``: the user sends the code to us.
    """
    purpose = within.purpose if within else PURPOSE
    with refusals.translated():
        by = channels.wanted(purposes.get(purpose))
        number = recipients.parse_phone(spelling, by, region=who.region).e164
    about, caller = Kept("", number), who.caller
    locale, reference = who.language, ""
    if within:
        about = replace(about, purpose=purpose, session=within.id, locale=within.locale)
        caller = replace(of_key(within.owner), ip=caller.ip)
        reference = within.reference
        if languages.lookup(within.locale, purposes.get(purpose).texts):  # else that of the page
            locale = within.locale
    try:
        verification = services.start(
            number,
            purpose,
            locale=locale,
            caller=caller,
            challenge=who.challenge,
            holder=who.browser,
            reference=reference,
            session=about.session,
            host=who.host,
            reverse=reverse,
        )
    except RateLimited:
        found = kept.find(who.browser, number, purpose, about.session)
        if found is None:
            raise
        return replace(about, id=found.id, resend_at=found.resend_at, said="already")
    return replace(about, id=verification.id, resend_at=verification.resend_at)


def send_again(
    who: Visitor, about: Kept, within: Session | None, channel: str = "", *, reverse: bool = False
) -> Kept:
    """Send the code again, by ``channel`` if given. Start a new verification if the old one is over.

    ``reverse``: start one whose user sends the code to us instead.
    """
    if reverse:
        return start(who, about.phone, within, reverse=True)
    try:
        verification = services.resend(about.id, caller=who.caller, channel=channel)
    except NotAllowed as error:
        if error.code == "channel_unavailable":
            raise
        return start(who, about.phone, within)
    return replace(about, resend_at=verification.resend_at, said="chosen" if channel else "resent")


def not_again(about: Kept, error: OtpError, now: float) -> Kept | None:
    """``about``, with what to say after ``send_again`` raised ``error``.

    None if a new verification was refused: the user may need another number, or must solve a challenge.
    """
    match error:
        case RateLimited():
            return replace(about, said="wait", resend_at=now + error.retry_after)
        case NotAllowed(code="channel_unavailable"):
            return replace(about, said="unavailable")
        case NotAllowed():
            return None
    return replace(about, said="unsent")


def check(who: Visitor, about: Kept, typed: str) -> Kept:
    """Compare the code in what was typed with that of the verification.

    Raises ``RateLimited`` if it was not compared, and ``StoreUnavailable`` if it may have been.
    """
    guess = code_in(typed, purposes.get(about.purpose))
    if not guess:  # a slip of the finger should not use up an attempt
        return replace(about, said="incomplete")
    return replace(about, said=services.check(about.id, guess, caller=who.caller).status)
