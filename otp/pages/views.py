"""The hosted pages: ask for a phone number, then for the code, then say that it was right.

They translate; the rules are in ``otp.services``. Which verification a browser and its forms are about is
sealed in a cookie and in a hidden field (``otp.kept``), so that no address holds a number, a code or
an id. A form is answered with a redirect, so that neither a reload nor the back button sends an SMS or
uses up an attempt; and where that answer got lost, the next one leads to the same place.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from otp import conf, kept, purposes, services
from otp.admission import refusals
from otp.caller import caller_of
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.kept import Kept
from otp.pages import holders
from otp.pages.words import OF_CODE, Left, code_in, too_many_wrong, too_soon
from otp.services import Verification
from sms import services as sms
from sms.errors import Unavailable

PURPOSE = "login"

View = Callable[[HttpRequest], HttpResponse]


def page(view: View) -> View:
    """What all pages have in common."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if PURPOSE not in purposes.all_purposes():
            raise Http404("OTP_PURPOSES has no login, which these pages are for.")
        return view(request)

    # A project may lack the middleware, and the tokens of the forms need its cookie.
    guarded = csrf_protect(wrapped)
    return cache_control(no_store=True)(require_http_methods(["GET", "HEAD", "POST"])(guarded))


@page
def phone(request: HttpRequest) -> HttpResponse:
    """Ask for a phone number; send a code to it."""
    if request.method != "POST":
        return _ask_phone(request)
    typed = request.POST.get("phone", "")
    try:
        with refusals.translated():
            number = services.parse_phone(typed).e164
        return _go("code", _start(request, number))
    except RateLimited as error:
        words = too_soon(error)
        return _limited(_ask_phone(request, words, typed, status=429, retry_after=error.retry_after), error)
    except NotAllowed as error:
        return _not_allowed(request, error, typed)
    except StoreUnavailable as error:
        words = "We cannot send a code right now. Please try again in a moment."
        return _ask_phone(request, words, typed, status=503, retry_after=error.retry_after)


@page
def code(request: HttpRequest) -> HttpResponse:
    """Ask for the code; check it. A form without one, which the script sends, is answered with its page."""
    about = _about(request)
    if about is None:
        return _stale(request)
    if "code" in request.POST:
        return _check(request, about) if about.said != "valid" else _go("done", about)
    shown = kept.of_cookie(request)
    if shown and shown.id == about.id:  # which knows what was said of it
        about = shown
    if about.said == "valid":
        return _go("done", about)
    response = _ask_code(request, about)
    leads_on = response.status_code == 303  # to another page, with a cookie of its own
    return kept.keep(response, about) if request.method == "POST" and not leads_on else response


@page
def resend(request: HttpRequest) -> HttpResponse:
    """Send the code again, or a new one when it is over."""
    about = _about(request)
    if about is None:
        return _stale(request)
    if about.said == "valid" or request.method != "POST":
        return _go("code", about)
    try:
        about = replace(_send_again(request, about), said="resent")
    except RateLimited as error:
        about = replace(about, said="wait", resend_at=_now() + error.retry_after)
    except NotAllowed as error:  # a new verification, which may want a challenge answered
        return _not_allowed(request, error, about.phone)
    except StoreUnavailable:
        about = replace(about, said="unsent")
    return _go("code", about)


@page
def cancel(request: HttpRequest) -> HttpResponse:
    """Forget this verification and begin anew."""
    about = _about(request)
    response = _go("phone")
    if request.method != "POST" or about is None:
        return response
    with suppress(StoreUnavailable):  # then the code dies by itself
        services.cancel(about.id)
    shown = kept.of_cookie(request)
    if shown is None or shown.id == about.id:  # that of another tab stays
        kept.forget(response)
    return response


@page
def done(request: HttpRequest) -> HttpResponse:
    """Say that the phone is verified."""
    about = kept.of_cookie(request)
    if about is None or about.said != "valid":
        return _go("code" if about else "phone")
    return _render(request, "done", {"masked": sms.mask(about.phone)}, about)


def _start(request: HttpRequest, number: str) -> Kept:
    """Start a verification, or find the one that this browser waits for already."""
    browser = kept.browser(request)
    challenge = request.POST.get("challenge", "")
    try:
        verification = services.start(
            number, PURPOSE, caller=caller_of(request), challenge=challenge, holder=browser
        )
    except RateLimited:
        found = holders.find(number, PURPOSE, browser)
        if found is None:
            raise
        return Kept(found.id, number, found.resend_at, said="already")
    return Kept(verification.id, number, verification.resend_at)


def _send_again(request: HttpRequest, about: Kept) -> Kept:
    try:
        verification = services.resend(about.id, caller=caller_of(request))
    except NotAllowed:  # it is over
        return _start(request, about.phone)
    return replace(about, resend_at=verification.resend_at)


def _check(request: HttpRequest, about: Kept) -> HttpResponse:
    guess = code_in(request.POST["code"], purposes.get(PURPOSE))
    if not guess:  # what cannot be a code is a slip of the finger, not a guess
        return _go("code", replace(about, said="incomplete"))
    try:
        said = services.check(about.id, guess, caller=caller_of(request)).status
    except RateLimited as error:
        return _ask_code(request, replace(about, said="limited"), error)
    except StoreUnavailable:  # it may have counted all the same: the next page looks
        return _go("code", replace(about, said="unchecked"))
    return _go("done" if said == "valid" else "code", replace(about, said=said))


def _ask_code(request: HttpRequest, about: Kept, limited: RateLimited | None = None) -> HttpResponse:
    """The form for the code. ``limited``: why a guess was not compared."""
    rules = purposes.get(PURPOSE)
    context = {
        "masked": sms.mask(about.phone),
        "rules": rules,
        "numeric": rules.alphabet.isdigit(),
    }
    try:
        verification = services.status(about.id)
    except StoreUnavailable as error:
        context |= {"kept": about, "state": "unavailable"}
        return _render(request, "code", context, about, status=503, retry_after=error.retry_after)
    if verification.status == "valid":  # by another press of the same button
        return _go("done", replace(about, said="valid"))
    now = _now()
    about = _learnt(about, verification, now)
    context |= {
        "kept": about,
        "error": too_many_wrong(limited) if limited else OF_CODE.get(about.said, ""),
        "state": verification.status,
        "attempts_left": verification.attempts_left,
        "unsent": verification.delivery == "failed",
        "expires_in": Left.until(verification.expires_at, now),
        "resend_in": Left.until(verification.resend_at or about.resend_at, now),
    }
    shown = replace(about, said="", left=verification.attempts_left)
    if limited is None:
        return _render(request, "code", context, shown)
    refused = _render(request, "code", context, shown, status=429, retry_after=limited.retry_after)
    return _limited(refused, limited)


def _now() -> float:
    """By the clock of Redis, as all times of a code; by our own while that cannot be asked."""
    try:
        return sms.now()
    except Unavailable:
        return time.time()


def _learnt(about: Kept, verification: Verification, now: float) -> Kept:
    """What Redis did although its answer got lost."""
    if about.said == "unchecked" and verification.attempts_left < about.left:
        return replace(about, said="invalid")
    if about.said == "unsent" and verification.resend_at > max(about.resend_at, now):
        return replace(about, said="maybe_sent")
    return about


def _ask_phone(
    request: HttpRequest, error: str = "", typed: str = "", *, status: int = 200, retry_after: int = 0
) -> HttpResponse:
    about = kept.of_cookie(request)
    live = about if about and about.said != "valid" else None
    region, example = conf.get("PHONE_REGION").upper(), sms.example_number()
    context = {
        "error": error,
        "typed": typed,
        "region": sms.country_name(region),
        "example": sms.spelled(example) if example else "",
        "masked": sms.mask(live.phone) if live else "",
    }
    return _render(request, "phone", context, status=status, retry_after=retry_after)


def _not_allowed(request: HttpRequest, error: NotAllowed, typed: str) -> HttpResponse:
    if error.field == "challenge":
        words = "Please complete the check in this form, then ask for the code."
        return _ask_phone(request, words, typed, status=403)
    return _ask_phone(request, error.detail, typed, status=422)


def _render(
    request: HttpRequest,
    name: str,
    context: Mapping[str, object],
    about: Kept | None = None,
    *,
    status: int = 200,
    retry_after: int = 0,
) -> HttpResponse:
    shared = {"site": conf.get("OTP_SITE_NAME"), "token": kept.token(request, about) if about else ""}
    response = render(request, f"otp/{name}.html", {**shared, **context}, status=status)
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return response


def _limited(response: HttpResponse, error: RateLimited) -> HttpResponse:
    for name, value in refusals.headers(error).items():
        response[name] = value
    return response


def _about(request: HttpRequest) -> Kept | None:
    """The verification that this request is about, None if its form says it no more."""
    # Without the field: a page of the version before, or a template of a project.
    return kept.of_form(request) if kept.FIELD in request.POST else kept.of_cookie(request)


def _stale(request: HttpRequest) -> HttpResponse:
    """The form is too old or of another browser: what was typed there is held against nothing."""
    about = kept.of_cookie(request)
    return _go("code", replace(about, said="stale")) if about else _go("phone")


def _go(name: str, about: Kept | None = None) -> HttpResponse:
    """See another page (303: with GET, whatever this request was), and remember ``about``."""
    response = HttpResponseRedirect(reverse(f"otp:{name}"))
    response.status_code = 303
    return kept.keep(response, about) if about else response
