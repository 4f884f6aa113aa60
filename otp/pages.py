"""The hosted pages: ask for a phone number, then for the code, then say that it was right.

They translate; the rules are in ``otp.services``. What a browser is about is kept in a sealed and
signed cookie, so that no address holds a number, a code or an id. A form is answered with a
redirect, so that neither a reload nor the back button sends an SMS or uses up an attempt.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods

from otp import codes, conf, purposes, refusals, services
from otp.caller import caller_of
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.purposes import MAX_LIFETIME, Purpose
from sms import services as sms
from sms.typed import INVISIBLE

PURPOSE = "login"
COOKIE = "otpost"

#: The last line of an SMS that is bound to a host: "@example.com #123456".
_BOUND = re.compile(r"@[^\s@#]+ #([^\s%]+)")

View = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the cookie of a browser holds."""

    id: str
    phone: str = field(repr=False)  # E.164
    resend_at: float  # seconds since the epoch; a blocked or expired code does not tell it any more
    said: str = ""  # how the last form was answered; a word that the templates know


class Left(int):
    """Seconds that are left, for the templates."""

    @classmethod
    def until(cls, moment: float) -> Left:
        return cls(max(math.ceil(moment - time.time()), 0))

    @property
    def clock(self) -> str:
        return f"{self // 60}:{self % 60:02}"

    @property
    def words(self) -> str:
        # Up to 90 of a unit, it says more than the next one.
        count, unit = int(self), "second"
        for larger in ("minute", "hour"):
            if count > 90:
                count, unit = math.ceil(count / 60), larger
        return f"{count} {unit}{'' if count == 1 else 's'}"


def page(view: View) -> View:
    """What all pages have in common."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if PURPOSE not in purposes.all_purposes():
            raise Http404("OTP_PURPOSES has no login, which these pages are for.")
        return view(request)

    return cache_control(no_store=True)(require_http_methods(["GET", "HEAD", "POST"])(wrapped))


@page
def phone(request: HttpRequest) -> HttpResponse:
    """Ask for a phone number; send a code to it."""
    if request.method != "POST":
        return _ask_phone(request)
    typed = request.POST.get("phone", "")
    try:
        verification = services.start(
            typed, PURPOSE, caller=caller_of(request), challenge=request.POST.get("challenge", "")
        )
        number = services.parse_phone(typed).e164
    except RateLimited as error:
        kept = _kept(request)
        if kept and _is_live(kept, typed):
            return _go("code", replace(kept, said="already"))
        response = _ask_phone(request, 429, _too_soon(error), typed, error.retry_after)
        for name, value in refusals.headers(error).items():
            response[name] = value
        return response
    except NotAllowed as error:
        return _not_allowed(request, error, typed)
    except StoreUnavailable as error:
        words = "We cannot send a code right now. Please try again in a moment."
        return _ask_phone(request, 503, words, typed, error.retry_after)
    return _go("code", Kept(verification.id, number, verification.resend_at))


@page
def code(request: HttpRequest) -> HttpResponse:
    """Ask for the code; check it."""
    kept = _kept(request)
    if kept is None:
        return _go("phone")
    if kept.said == "valid":
        return _go("done")
    if request.method == "POST":
        return _check(request, kept)
    rules = purposes.get(PURPOSE)
    context = {
        "kept": kept,
        "masked": sms.mask(kept.phone),
        "rules": rules,
        "numeric": rules.alphabet.isdigit(),
    }
    try:
        verification = services.status(kept.id)
    except StoreUnavailable as error:
        return _render(request, "code", context | {"state": "unavailable"}, 503, error.retry_after)
    if verification.status == "valid":  # by another press of the same button
        return _go("done", replace(kept, said="valid"))
    context |= {
        "state": verification.status,
        "attempts_left": verification.attempts_left,
        "expires_in": Left.until(verification.expires_at),
        "resend_in": Left.until(verification.resend_at or kept.resend_at),
    }
    return _render(request, "code", context)


@page
def resend(request: HttpRequest) -> HttpResponse:
    """Send the code again, or a new one when it is over."""
    kept = _kept(request)
    if kept is None or kept.said == "valid" or request.method != "POST":
        return _go("code")
    try:
        try:
            verification = services.resend(kept.id, caller=caller_of(request))
        except NotAllowed:
            verification = services.start(kept.phone, PURPOSE, caller=caller_of(request))
    except RateLimited as error:
        return _go("code", replace(kept, said="wait", resend_at=time.time() + error.retry_after))
    except NotAllowed as error:  # a new verification, which may want a challenge answered
        return _not_allowed(request, error, kept.phone)
    except StoreUnavailable:
        return _go("code", replace(kept, said="unsent"))
    return _go("code", replace(kept, id=verification.id, resend_at=verification.resend_at, said="resent"))


@page
def cancel(request: HttpRequest) -> HttpResponse:
    """Forget this verification and begin anew."""
    kept = _kept(request)
    if request.method != "POST":
        return _go("phone")
    if kept:
        with suppress(StoreUnavailable):  # then the code dies by itself
            services.cancel(kept.id)
    response = _go("phone")
    response.delete_cookie(COOKIE, samesite="Lax")
    return response


@page
def done(request: HttpRequest) -> HttpResponse:
    """Say that the phone is verified."""
    kept = _kept(request)
    if kept is None or kept.said != "valid":
        return _go("code" if kept else "phone")
    return _render(request, "done", {"masked": sms.mask(kept.phone)})


def code_in(typed: str, rules: Purpose) -> str:
    """The code in what was typed or pasted, be it the whole SMS; "" if there is none."""
    shape = re.compile(f"[{rules.alphabet}]{{{rules.length}}}")
    typed = INVISIBLE.sub("", typed)
    for candidate in (*reversed(_BOUND.findall(typed)), typed, *re.findall(r"\w+", typed)):
        found = codes.normalise(candidate)
        if shape.fullmatch(found):
            return found
    return ""


def _check(request: HttpRequest, kept: Kept) -> HttpResponse:
    guess = code_in(request.POST.get("code", ""), purposes.get(PURPOSE))
    if not guess:  # what cannot be a code is a slip of the finger, not a guess
        return _go("code", replace(kept, said="incomplete"))
    try:
        said = services.check(kept.id, guess).status
    except StoreUnavailable:
        return _go("code", replace(kept, said="unchecked"))
    return _go("done" if said == "valid" else "code", replace(kept, said=said))


def _ask_phone(
    request: HttpRequest, status: int = 200, error: str = "", typed: str = "", retry_after: int = 0
) -> HttpResponse:
    kept = _kept(request)
    live = kept if kept and kept.said != "valid" else None
    context = {
        "error": error,
        "typed": typed,
        "region": conf.get("PHONE_REGION").upper(),
        "masked": sms.mask(live.phone) if live else "",
    }
    return _render(request, "phone", context, status, retry_after)


def _not_allowed(request: HttpRequest, error: NotAllowed, typed: str) -> HttpResponse:
    if error.field == "challenge":
        words = "Please complete the check in this form, then ask for the code."
        return _ask_phone(request, 403, words, typed)
    return _ask_phone(request, 422, error.detail, typed)


def _render(
    request: HttpRequest, name: str, context: dict[str, object], status: int = 200, retry_after: int = 0
) -> HttpResponse:
    site = {"site": conf.get("OTP_SITE_NAME")}
    response = render(request, f"otp/{name}.html", site | context, status=status)
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return response


def _too_soon(error: RateLimited) -> str:
    what = {
        "pending": "We sent a code to this number a moment ago.",
        "blocked": "There were too many wrong codes for this number.",
        "guard": "We cannot send a code to this number now.",
    }.get(error.code, "Too many codes were asked for.")
    return f"{what} You can ask for a new one in {Left(error.retry_after).words}."


def _is_live(kept: Kept, typed: str) -> bool:
    """Is this the phone that this browser waits for a code on already?"""
    if services.parse_phone(typed).e164 != kept.phone:
        return False
    with suppress(StoreUnavailable):
        return services.status(kept.id).status == "pending"
    return False


def _kept(request: HttpRequest) -> Kept | None:
    sealed = request.get_signed_cookie(COOKIE, default="", max_age=MAX_LIFETIME)
    try:
        return Kept(**sms.unseal(sealed.encode())) if sealed else None
    except (sms.Unsealable, TypeError):  # TypeError: the cookie of another version
        return None


def _go(name: str, kept: Kept | None = None) -> HttpResponse:
    """See another page (303: with GET, whatever this request was), and remember ``kept``."""
    response = HttpResponseRedirect(reverse(f"otp:{name}"))
    response.status_code = 303
    if kept:
        response.set_signed_cookie(
            COOKIE,
            sms.seal(asdict(kept)).decode(),
            max_age=MAX_LIFETIME,  # no code lives longer
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response
