"""The hosted pages: ask for a phone number, then for the code, then say that it was right.

They translate; the rules are in ``otp.services``. A cookie and a hidden field (``otp.pages.kept``) say which
verification is meant: no address holds a number, a code or an id. A form is answered with a redirect, so
neither a reload nor the back button sends an SMS or uses up an attempt.
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

from otp import conf, purposes, services
from otp.admission import refusals
from otp.caller import caller_of
from otp.errors import NotAllowed, OtpError, RateLimited, StoreUnavailable
from otp.pages import kept
from otp.pages.kept import Kept
from otp.pages.words import OF_CODE, Left, code_in, not_sent
from otp.services import Verification
from sms import services as sms
from sms.errors import Unavailable

PURPOSE = "login"


def page(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """What all pages have in common."""

    @cache_control(no_store=True)
    @require_http_methods(["GET", "HEAD", "POST"])
    @csrf_protect  # a project may lack the middleware, and the tokens of the forms need its cookie
    @functools.wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if PURPOSE not in purposes.all_purposes():
            raise Http404("OTP_PURPOSES has no login, which these pages are for.")
        return view(request)

    return wrapped


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
    except OtpError as error:
        return _ask_phone(request, typed, error)


@page
def code(request: HttpRequest) -> HttpResponse:
    """Ask for the code; check it. A form without one, which the script sends, is answered with its page."""
    about, shown = kept.of_form(request), kept.of_cookie(request)
    if about is None:
        return _stale(shown)
    guessed = "code" in request.POST
    if not guessed and shown and shown.id == about.id:  # which knows what was said of it
        about = shown
    if about.said == "valid":
        return _go("done", about)
    if guessed:
        return _check(request, about)
    response = _ask_code(request, about)
    if request.method == "POST" and response.status_code != 303:  # that leads on, with a cookie of its own
        kept.keep(response, about)
    return response


@page
def resend(request: HttpRequest) -> HttpResponse:
    """Send the code again, or a new one when it is over."""
    about = kept.of_form(request)
    if about is None:
        return _stale(kept.of_cookie(request))
    if about.said == "valid" or request.method != "POST":
        return _go("code", about)
    try:
        about = _send_again(request, about)
    except RateLimited as error:
        about = replace(about, said="wait", resend_at=_now() + error.retry_after)
    except NotAllowed as error:  # a new verification, which may want a challenge answered
        return _ask_phone(request, about.phone, error)
    except StoreUnavailable:
        about = replace(about, said="unsent")
    return _go("code", about)


@page
def cancel(request: HttpRequest) -> HttpResponse:
    """Forget this verification and begin anew."""
    about, shown = kept.of_form(request), kept.of_cookie(request)
    response = _go("phone")
    if request.method == "POST" and about:
        with suppress(StoreUnavailable):  # then the code dies by itself
            services.cancel(about.id)
        if shown is None or shown.id == about.id:  # that of another tab stays
            kept.forget(response)
    return response


@page
def done(request: HttpRequest) -> HttpResponse:
    """Say that the phone is verified."""
    about = kept.of_cookie(request)
    if about is None or about.said != "valid":
        return _go("code" if about else "phone")
    return _render(request, "done", {}, about)


def _start(request: HttpRequest, number: str) -> Kept:
    """Start a verification, or find the one that this browser waits for already."""
    challenge, holder = request.POST.get("challenge", ""), kept.browser(request)
    try:
        verification = services.start(
            number, PURPOSE, caller=caller_of(request), challenge=challenge, holder=holder
        )
    except RateLimited:
        found = kept.find(request, number, PURPOSE)
        if found is None:
            raise
        return Kept(found.id, number, found.resend_at, said="already")
    return Kept(verification.id, number, verification.resend_at)


def _send_again(request: HttpRequest, about: Kept) -> Kept:
    try:
        verification = services.resend(about.id, caller=caller_of(request))
    except NotAllowed:  # it is over
        return _start(request, about.phone)
    return replace(about, resend_at=verification.resend_at, said="resent")


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
    try:
        verification = services.status(about.id)
    except StoreUnavailable as error:
        return _render(request, "code", {"state": "unavailable"}, about, error)
    if verification.status == "valid":  # by another press of the same button
        return _go("done", replace(about, said="valid"))
    rules, now, wait = purposes.get(PURPOSE), _now(), Left(limited.retry_after if limited else 0)
    about = replace(_learnt(about, verification, now), left=verification.attempts_left)
    context = {
        "rules": rules,
        "numeric": rules.alphabet.isdigit(),
        "error": OF_CODE.get(about.said, "").format(wait=wait.words),
        "state": verification.status,
        "attempts_left": verification.attempts_left,
        "unsent": verification.delivery == "failed",
        "expires_in": Left.until(verification.expires_at, now),
        "resend_in": Left.until(verification.resend_at or about.resend_at, now),
    }
    return _render(request, "code", context, about, limited)


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


def _ask_phone(request: HttpRequest, typed: str = "", error: OtpError | None = None) -> HttpResponse:
    """The form for the number. ``error``: why what was ``typed`` got no code."""
    about, example = kept.of_cookie(request), sms.example_number()
    context = {
        "error": not_sent(error) if error else "",
        "typed": typed,
        "region": sms.country_name(conf.get("PHONE_REGION").upper()),
        "example": sms.spelled(example) if example else "",
        "masked": sms.mask(about.phone) if about and about.said != "valid" else "",
    }
    return _render(request, "phone", context, error=error)


def _render(
    request: HttpRequest,
    name: str,
    context: Mapping[str, object],
    about: Kept | None = None,
    error: OtpError | None = None,
) -> HttpResponse:
    """A page. ``about``: what its forms are about; ``error``: what it tells of."""
    shown: dict[str, object] = {"site": conf.get("OTP_SITE_NAME"), **context}
    if about:
        shown |= {"kept": about, "token": kept.token(request, about), "masked": sms.mask(about.phone)}
    response = render(request, f"otp/{name}.html", shown, status=error.status if error else 200)
    if error and error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    if isinstance(error, RateLimited):
        refusals.name_limit(response, error)
    return response


def _stale(shown: Kept | None) -> HttpResponse:
    """The form is too old or of another browser: what was typed there is held against nothing."""
    return _go("code", replace(shown, said="stale")) if shown else _go("phone")


def _go(name: str, about: Kept | None = None) -> HttpResponse:
    """See another page (303: with GET, whatever this request was), and remember ``about``."""
    response = HttpResponseRedirect(reverse(f"otp:{name}"), status=303)
    return kept.keep(response, about) if about else response
