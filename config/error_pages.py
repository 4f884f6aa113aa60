"""The pages that say what went wrong, in the language of the browser."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults

from otp.pages import language


@language.answered
def unreadable(request: HttpRequest, exception: Exception | None = None, status: int = 400) -> HttpResponse:
    """Django's own looks for a CSRF token in the form, and where that is what cannot be read it fails
    once more: a form that calls itself UTF-16 would be answered with a 500.
    """
    return render(request, "400.html", status=status)


@language.answered
def no_csrf_token(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A browser that sends no cookie keeps none; else the form is too old, or of another site."""
    return render(request, "403_csrf.html", {"no_cookies": not request.COOKIES}, status=403)


forbidden = language.answered(defaults.permission_denied)
not_found = language.answered(defaults.page_not_found)
broken = language.answered(defaults.server_error)
