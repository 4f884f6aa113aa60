"""The hand-off of a program: its user arrives with a session, and goes back when the phone is verified.

The rules are in ``otp.sessions``.
"""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponse

from otp import sessions
from otp.errors import StoreUnavailable
from otp.pages import kept, shown
from otp.pages.kept import Kept
from otp.sessions import Session


@shown.page
def session(request: HttpRequest, id: str) -> HttpResponse:
    """Begin the hand-off of a program. The next page opens it, once this browser has shown its cookies: a
    preview of the address, or an answer that got lost, must not take it away.
    """
    kept.browser(request)  # sets the cookie by which it is known there
    try:
        found = sessions.read(id)
    except StoreUnavailable as error:
        return shown.render(request, "session", {"state": "unavailable"}, error=error)
    if found.status == "expired":
        return _closed(request, found)
    return shown.go("number", Kept("", "", purpose=found.purpose, session=found.id, locale=found.locale))


@shown.page
def done(request: HttpRequest) -> HttpResponse:
    """Say that the phone is verified, and lead back to the program that asked."""
    about = kept.of_cookie(request)
    if about is None or about.said != "valid":
        return shown.go("code") if about and about.id else shown.go_first(about)
    if not about.session:
        return shown.render(request, "done", {}, about)
    found = held(request, about)
    return found if isinstance(found, HttpResponse) else lead_back(request, about, found)


def held(request: HttpRequest, about: Kept | None) -> Session | HttpResponse:
    """The session that a page is for, which this browser has opened; or the page that says why it has not."""
    try:
        id, browser = about.session if about else "", kept.browser(request)
        found = sessions.open_in(id, browser) if id else Session("", "expired")
    except StoreUnavailable as error:
        return shown.render(request, "session", {"state": "unavailable"}, error=error)
    return found if found and found.status != "expired" else _closed(request, found)


def _closed(request: HttpRequest, found: Session | None) -> HttpResponse:
    """``found``: one that is over; None: that of another browser."""
    state, status = ("elsewhere", 409) if found is None else ("expired", 410)
    return shown.render(request, "session", {"state": state}, status=status)


def lead_back(request: HttpRequest, about: Kept, found: Session) -> HttpResponse:
    """Lead to the program's page. No redirect, as no form may lead to another site; and no delay, as a page
    that leaves by itself while it is read is no help (WCAG 2.2, 2.2.1).
    """
    return shown.render(request, "done", {"way_back": found.way_back}, replace(about, phone=found.phone))
