"""The hand-off of a program: its user arrives with a session, and goes back when the phone is verified.

The rules are in ``otp.sessions``.
"""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponse

from otp import sessions
from otp.errors import StoreUnavailable
from otp.pages import kept, language, shown
from otp.pages.kept import Kept
from otp.sessions import Session


@shown.page
def session(request: HttpRequest, id: str) -> HttpResponse:
    """Begin the hand-off of a program, in the browser that opens it first."""
    try:
        found = sessions.open_in(id, kept.browser(request))
    except StoreUnavailable as error:
        return shown.render(request, "session", {"state": "unavailable"}, error=error)
    if found is None or found.status == "expired":
        state, status = ("elsewhere", 409) if found is None else ("expired", 410)
        return shown.render(request, "session", {"state": state}, status=status)
    about = Kept("", found.phone, purpose=found.purpose, session=found.id, locale=found.locale)
    if found.status == "valid":
        with language.spoken(request, found.locale):
            return lead_back(request, about, found)
    return shown.go("number", about)


@shown.page
def done(request: HttpRequest) -> HttpResponse:
    """Say that the phone is verified, and lead back to the program that asked."""
    about = kept.of_cookie(request)
    if about is None or about.said != "valid":
        return shown.go("code") if about and about.id else shown.go_first(about)
    if not about.session:
        return shown.render(request, "done", {}, about)
    try:
        found = sessions.read(about.session)
    except StoreUnavailable as error:
        return shown.render(request, "session", {"state": "unavailable"}, about, error)
    return lead_back(request, about, found)


def session_of(about: Kept | None) -> Session | None:
    """That which a page is for; None of none, and of one that is over. Raises ``StoreUnavailable``."""
    found = sessions.read(about.session) if about and about.session else None
    return found if found and found.status != "expired" else None


def lead_back(request: HttpRequest, about: Kept, found: Session) -> HttpResponse:
    """Say so, and see the program's page next. No redirect, as no form may lead to another site."""
    if found.status == "expired":
        return shown.render(request, "session", {"state": "expired"}, status=410)
    return shown.render(request, "done", {"way_back": found.way_back}, replace(about, phone=found.phone))
