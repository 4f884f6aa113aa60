"""The steps of the widget. Like the pages, they only translate: ``otp.pages.steps`` does the work.

A step may be repeated if its answer got lost. Nothing is sent or counted twice unless the user asks for it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from django.http import HttpResponse
from pydantic import Field

from otp import services, sessions
from otp.errors import OtpError, RateLimited, StoreUnavailable
from otp.pages import steps
from otp.pages.code import now
from otp.pages.kept import Kept
from otp.widget import shown
from otp.widget.door import Asked, Visit, answered, over, told
from sms.message import Channel


class Starting(Asked):
    challenge: str = Field("", max_length=4096, repr=False)


class Numbered(Starting):
    phone: str = Field("", max_length=64, repr=False)


class Guessed(Asked):
    code: str = Field(max_length=1600, repr=False)  # or the whole message


class Again(Starting):  # if the code has ended, a new one goes out
    channel: Channel | None = None


def open(visit: Visit, _: Asked) -> HttpResponse:
    """The state of the session."""
    return _standing(visit, visit.about)


def start(visit: Visit, asked: Numbered) -> HttpResponse:
    """Send a code to the typed number, or to the one that the program gave."""
    if visit.session.status == "valid":
        return told(visit, shown.done(visit.session))
    try:
        about = steps.start(visit.visitor, visit.session.phone or asked.phone, visit.session)
    except OtpError as error:
        return told(visit, shown.number(visit.session, asked.phone, error), error=error)
    return _standing(visit, about)


def check(visit: Visit, asked: Guessed) -> HttpResponse:
    """Check the code in the typed text."""
    about = visit.about
    if about is None or visit.session.status == "valid":
        return _standing(visit, about)
    try:
        return _standing(visit, steps.check(visit.visitor, about, asked.code))
    except RateLimited as error:
        return _standing(visit, replace(about, said="limited"), error)


def resend(visit: Visit, asked: Again) -> HttpResponse:
    """Send the code again, or a new one if it has ended."""
    about = visit.about
    if about is None or visit.session.status == "valid":
        return _standing(visit, about)
    try:
        return _standing(visit, steps.send_again(visit.visitor, about, visit.session, asked.channel or ""))
    except OtpError as error:
        unsent = steps.not_again(about, error, now())
        if unsent is None:
            return told(visit, shown.number(visit.session, about.phone, error), error=error)
        return _standing(visit, unsent, error)


def cancel(visit: Visit, _: Asked) -> HttpResponse:
    """Cancel the code, and ask for a number again."""
    if visit.about:
        with suppress(StoreUnavailable):  # then the code expires by itself
            services.cancel(visit.about.id)
    return _standing(visit, None)


def _standing(visit: Visit, about: Kept | None, error: OtpError | None = None) -> HttpResponse:
    """The current state. A right code has ended the session, unless the session expired before."""
    if visit.session.status == "valid":
        return told(visit, shown.done(visit.session))
    if about is None:
        return told(visit, shown.number(visit.session))
    verification = services.status(about.id)
    if verification.status == "valid":
        found = sessions.read(visit.session.id)
        return told(visit, shown.done(found)) if found.status == "valid" else over()
    about, view = shown.code(about, verification, error if isinstance(error, RateLimited) else None)
    return told(visit, view, about, error)


step = answered(
    {
        "open": (Asked, open),
        "start": (Numbered, start),
        "check": (Guessed, check),
        "resend": (Again, resend),
        "cancel": (Asked, cancel),
    }
)
