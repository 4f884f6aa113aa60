"""Error pages, in the language of the browser."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults

from otp.pages import language


@language.answered
def unreadable(request: HttpRequest, exception: Exception | None = None, status: int = 400) -> HttpResponse:
    """The page for 400.

    Django's own page reads the form for a CSRF token. If the form itself is unreadable, such as one that
    claims to be UTF-16, this fails again, with a 500.
    """
    return render(request, "400.html", status=status)


@language.answered
def no_csrf_token(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The page for a CSRF failure. Either the browser refuses cookies, or the form is too old or foreign."""
    return render(request, "403_csrf.html", {"no_cookies": not request.COOKIES}, status=403)


forbidden = language.answered(defaults.permission_denied)
not_found = language.answered(defaults.page_not_found)
broken = language.answered(defaults.server_error)
