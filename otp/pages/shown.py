"""Shared by all hosted pages: how to render one, and how to move to the next.

No URL holds a phone number or a code. Forms are answered with a redirect, so that a reload or the back button
never sends an SMS or uses up an attempt.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render as rendered
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from otp import conf
from otp.admission import refusals
from otp.errors import OtpError, RateLimited
from otp.pages import kept, language
from otp.pages.kept import Kept
from sms import services as sms


def page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorate the view of a hosted page: methods, caching, CSRF and language."""

    @login_not_required
    @vary_on_headers("Accept-Language")
    @cache_control(no_store=True)
    @require_http_methods(["GET", "HEAD", "POST"])
    @csrf_protect  # a project may lack the middleware, but our forms need its cookie
    @functools.wraps(view)
    def wrapped(request: HttpRequest, **path: str) -> HttpResponse:
        about = (kept.of_form(request) if request.method == "POST" else None) or kept.of_cookie(request)
        with language.spoken(request, about.locale if about else ""):
            return view(request, **path)

    return wrapped


def render(
    request: HttpRequest,
    name: str,
    context: Mapping[str, object],
    about: Kept | None = None,
    error: OtpError | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """Render a page. ``about``: the verification of its forms. ``error``: the error that it explains."""
    shown: dict[str, object] = {"site": conf.get("OTP_SITE_NAME")}
    if about:
        shown |= {
            "kept": about,
            "token": kept.token(kept.browser(request), about),
            "masked": sms.mask(about.phone),
        }
    shown |= context
    if shown.get("masked"):
        shown["number"] = render_to_string("otp/_masked.html", shown)
    response = rendered(request, f"otp/{name}.html", shown, status=error.status if error else status)
    if error and error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    if isinstance(error, RateLimited):
        refusals.name_limit(response, error)
    return response


def go(name: str, about: Kept | None = None) -> HttpResponse:
    """Redirect to another page (303, so with GET), and remember ``about``."""
    response = HttpResponseRedirect(reverse(f"otp:{name}"), status=303)
    return kept.keep(response, about) if about else response


def go_first(about: Kept | None) -> HttpResponse:
    """Redirect to the first page: the number of a session, or the open form."""
    if about and about.session:
        return go("number", replace(about, id="", phone="", resend_at=0.0, said="", left=0))
    if conf.get("PAGES") != "open":
        raise Http404("PAGES is sessions: these pages are for users that a program hands over.")
    return go("phone")


def ltr(number: str) -> str:
    """A number in a sentence that may run from right to left."""
    return format_html('<span class="number" dir="ltr">{}</span>', number)
