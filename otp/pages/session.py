"""The first and the last page of a session: the user comes from a program, and returns with a verified phone.

Every rule is in ``otp.sessions``.
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
    """The URL of a session, to which the program sends its user.

    Only the next page opens the session, once this browser has returned our cookie. A link preview, or an
    answer that gets lost, must not use it up.
    """
    kept.browser(request)  # sets the cookie by which the next page knows this browser
    try:
        found = sessions.read(id)
    except StoreUnavailable as error:
        return shown.render(request, "session", {"state": "unavailable"}, error=error)
    if found.status == "expired":
        return _closed(request, found)
    return shown.go("number", Kept("", "", purpose=found.purpose, session=found.id, locale=found.locale))


@shown.page
def done(request: HttpRequest) -> HttpResponse:
    """Say that the phone is verified, with a link back to the program."""
    about = kept.of_cookie(request)
    if about is None or about.said != "valid":
        return shown.go("code") if about and about.id else shown.go_first(about)
    if not about.session:
        return shown.render(request, "done", {}, about)
    found = held(request, about)
    return found if isinstance(found, HttpResponse) else lead_back(request, about, found)


def held(request: HttpRequest, about: Kept | None) -> Session | HttpResponse:
    """The session of a page, if this browser has opened it. Otherwise the page that says why not."""
    try:
        id, browser = about.session if about else "", kept.browser(request)
        found = sessions.open_in(id, browser) if id else Session("", "expired")
    except StoreUnavailable as error:
        return shown.render(request, "session", {"state": "unavailable"}, error=error)
    return found if found and found.status != "expired" else _closed(request, found)


def _closed(request: HttpRequest, found: Session | None) -> HttpResponse:
    """The page for a session that is over (``found``), or that another browser has opened (None).

    Its status is 200, like that of Django's page for a used link: its reader is a person, and browsers log
    any other as an error of the site. Programs get a status from the API and the widget's door.
    """
    return shown.render(request, "session", {"state": "elsewhere" if found is None else "expired"})


def lead_back(request: HttpRequest, about: Kept, found: Session) -> HttpResponse:
    """Link to the program's page.

    A redirect is impossible, because our policy lets no form lead to another site. A delayed one would leave
    while users read the page (WCAG 2.2, 2.2.1).
    """
    return shown.render(request, "done", {"way_back": found.way_back}, replace(about, phone=found.phone))
