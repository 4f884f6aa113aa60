"""The hosted pages: ask for a phone number, then for the code, then say that it was right. The user of a
session goes back to the program that made it (``otp.sessions``).

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

import phonenumbers
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from otp import channels, conf, purposes, services, sessions
from otp.admission import refusals
from otp.caller import caller_of
from otp.errors import NotAllowed, OtpError, RateLimited, StoreUnavailable
from otp.pages import by_channel, kept, language
from otp.pages.by_channel import Spoken
from otp.pages.kept import PURPOSE, Kept
from otp.pages.words import OF_NUMBER, Left, code_in, expires, is_slow, not_sent, not_through, of_code
from otp.services import Verification
from otp.sessions import Session
from sms import services as sms
from sms.errors import Unavailable
from sms.message import Channel


def page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What all pages have in common."""

    @vary_on_headers("Accept-Language")
    @cache_control(no_store=True)
    @require_http_methods(["GET", "HEAD", "POST"])
    @csrf_protect  # a project may lack the middleware, and the tokens of the forms need its cookie
    @functools.wraps(view)
    def wrapped(request: HttpRequest, **path: str) -> HttpResponse:
        about = (kept.of_form(request) if request.method == "POST" else None) or kept.of_cookie(request)
        with language.spoken(request, about.locale if about else ""):
            return view(request, **path)

    return wrapped


@page
def phone(request: HttpRequest) -> HttpResponse:
    """Ask anybody for a phone number; send a code to it."""
    if PURPOSE not in purposes.all_purposes():
        raise Http404("OTP_PURPOSES has no login, which these pages are for.")
    return _ask_or_send(request)


@page
def session(request: HttpRequest, id: str) -> HttpResponse:
    """Begin the hand-off of a program, in the browser that opens it first."""
    try:
        found = sessions.open_in(id, kept.browser(request))
    except StoreUnavailable as error:
        return _render(request, "session", {"state": "unavailable"}, error=error)
    if found is None or found.status == "expired":
        state, status = ("elsewhere", 409) if found is None else ("expired", 410)
        return _render(request, "session", {"state": state}, status=status)
    about = Kept("", found.phone, purpose=found.purpose, session=found.id, locale=found.locale)
    if found.status == "valid":
        with language.spoken(request, found.locale):
            return _lead_back(request, about, found)
    return _go("number", about)


@page
def number(request: HttpRequest) -> HttpResponse:
    """Ask the user of a session for the phone number, or show the one that is given; send a code to it."""
    about = kept.of_form(request) if request.method == "POST" else kept.of_cookie(request)
    try:
        within = _session_of(about)
    except StoreUnavailable as error:
        return _render(request, "session", {"state": "unavailable"}, error=error)
    if about is None or within is None:
        return _render(request, "session", {"state": "expired"}, status=410)
    return _ask_or_send(request, about, within)


def _session_of(about: Kept | None) -> Session | None:
    """That which a page is for; None of none, and of one that is over. Raises ``StoreUnavailable``."""
    found = sessions.read(about.session) if about and about.session else None
    return found if found and found.status != "expired" else None


def _ask_or_send(
    request: HttpRequest, about: Kept | None = None, within: Session | None = None
) -> HttpResponse:
    if request.method != "POST":
        return _ask_phone(request, about=about, within=within)
    typed = (within.phone if within else "") or request.POST.get("phone", "")
    purpose = within.purpose if within else PURPOSE
    try:
        with refusals.translated():
            e164 = services.parse_phone(typed, channels.wanted(purposes.get(purpose))).e164
        return _go("code", _start(request, e164, within))
    except OtpError as error:
        return _ask_phone(request, typed, error, about=about, within=within)


@page
def code(request: HttpRequest) -> HttpResponse:
    """Ask for the code; check it. A form without one, which the script sends, is answered with its page."""
    about, shown = kept.of_form(request), kept.of_cookie(request)
    if about is None or not about.id:
        return _stale(shown)
    guessed = "code" in request.POST
    if not guessed and shown and shown.id == about.id:  # which knows what was said of it
        about = shown
    if about.said == "valid":
        return _go_done(about)
    if guessed:
        return _check(request, about)
    response = _ask_code(request, about)
    if request.method == "POST" and response.status_code != 303:  # that leads on, with a cookie of its own
        kept.keep(response, about)
    return response


@page
def resend(request: HttpRequest) -> HttpResponse:
    """Send the code again, by the channel that the pressed button names, or a new one when it is over."""
    about = kept.of_form(request)
    if about is None:
        return _stale(kept.of_cookie(request))
    if about.said == "valid" or request.method != "POST":
        return _go("code", about)
    try:
        about = _send_again(request, about)
    except RateLimited as error:
        about = replace(about, said="wait", resend_at=_now() + error.retry_after)
    except NotAllowed as error:
        if error.code != "channel_unavailable":  # a new verification, which may want a challenge answered
            within = None
            with suppress(StoreUnavailable):  # then the page lacks the way back
                within = _session_of(about)
            return _ask_phone(request, about.phone, error, about=about, within=within)
        about = replace(about, said="unavailable")
    except StoreUnavailable:
        about = replace(about, said="unsent")
    return _go("code", about)


@page
def cancel(request: HttpRequest) -> HttpResponse:
    """Forget this verification and begin anew."""
    about, shown = kept.of_form(request), kept.of_cookie(request)
    response = _go_first(about)
    if request.method == "POST" and about:
        with suppress(StoreUnavailable):  # then the code dies by itself
            services.cancel(about.id)
        if not about.session and (shown is None or shown.id == about.id):  # that of another tab stays
            kept.forget(response)
    return response


@page
def done(request: HttpRequest) -> HttpResponse:
    """Say that the phone is verified, and lead back to the program that asked."""
    about = kept.of_cookie(request)
    if about is None or about.said != "valid":
        return _go("code") if about and about.id else _go_first(about)
    if not about.session:
        return _render(request, "done", {}, about)
    try:
        found = sessions.finish(about.session, about.id, about.phone)
    except StoreUnavailable as error:
        return _render(request, "session", {"state": "unavailable"}, about, error)
    return _lead_back(request, about, found)


def _lead_back(request: HttpRequest, about: Kept, found: Session) -> HttpResponse:
    """Say so, and see the program's page next. No redirect, as no form may lead to another site."""
    if found.status == "expired":
        return _render(request, "session", {"state": "expired"}, status=410)
    return _render(request, "done", {"way_back": found.way_back}, replace(about, phone=found.phone))


def _start(request: HttpRequest, number: str, within: Session | None = None) -> Kept:
    """Start a verification, or find the one that this browser waits for already."""
    challenge, holder = request.POST.get("challenge", ""), kept.browser(request)
    purpose = within.purpose if within else PURPOSE
    locale = (within.locale if within else "") or language.asked(request)
    reference = within.reference if within else ""
    about = Kept("", number)
    if within:
        about = replace(about, purpose=purpose, session=within.id, locale=within.locale)
    caller = caller_of(request)
    if within:
        caller = replace(caller, name=within.owner)
    try:
        verification = services.start(
            number,
            purpose,
            locale=locale,
            caller=caller,
            challenge=challenge,
            holder=holder,
            reference=reference,
        )
    except RateLimited:
        found = kept.find(request, number, purpose)
        if found is None:
            raise
        return replace(about, id=found.id, resend_at=found.resend_at, said="already")
    return replace(about, id=verification.id, resend_at=verification.resend_at)


def _send_again(request: HttpRequest, about: Kept) -> Kept:
    chosen = request.POST.get("channel", "")
    try:
        verification = services.resend(about.id, caller=caller_of(request), channel=chosen)
    except NotAllowed as error:
        if error.code == "channel_unavailable":
            raise
        return _start(request, about.phone, _session_of(about))  # it is over
    return replace(about, resend_at=verification.resend_at, said="chosen" if chosen else "resent")


def _check(request: HttpRequest, about: Kept) -> HttpResponse:
    guess = code_in(request.POST["code"], purposes.get(about.purpose))
    if not guess:  # what cannot be a code is a slip of the finger, not a guess
        return _go("code", replace(about, said="incomplete"))
    try:
        said = services.check(about.id, guess, caller=caller_of(request)).status
    except RateLimited as error:
        return _ask_code(request, replace(about, said="limited"), error)
    except StoreUnavailable:  # it may have counted all the same: the next page looks
        return _go("code", replace(about, said="unchecked"))
    about = replace(about, said=said)
    return _go_done(about) if said == "valid" else _go("code", about)


def _ask_code(request: HttpRequest, about: Kept, limited: RateLimited | None = None) -> HttpResponse:
    """The form for the code. ``limited``: why a guess was not compared."""
    try:
        verification = services.status(about.id)
    except StoreUnavailable as error:
        return _render(request, "code", {"state": "unavailable"}, about, error)
    if verification.status == "valid":  # by another press of the same button
        return _go_done(replace(about, said="valid"))
    rules, now, wait = purposes.get(about.purpose), _now(), Left(limited.retry_after if limited else 0)
    about = replace(_learnt(about, verification, now), left=verification.attempts_left)
    trouble, spoken = verification.sms.error if verification.sms else "", _spoken(about, verification)
    context = {
        "rules": rules,
        "numeric": rules.alphabet.isdigit(),
        "error": of_code(about.said, spoken, wait),
        "state": verification.status,
        "attempts_left": verification.attempts_left,
        "spoken": spoken,
        "unsent": not_through(trouble, spoken),
        "of_number": trouble in OF_NUMBER,
        "slow": is_slow(verification.sms),
        "expires_in": Left.until(verification.expires_at, now),
        "expires": [expires(Left(seconds)) for seconds in (30, 10)],
        "resend_in": Left.until(verification.resend_at or about.resend_at, now),
    }
    return _render(request, "code", context, about, limited)


def _spoken(about: Kept, verification: Verification) -> Spoken:
    able, channel = verification.channels, verification.channel
    # Behind the first of them come all the others. Once another was begun with, who knows which are left?
    is_first = channel == able[0] and about.said != "chosen"
    return Spoken(channel, able, follows=able[1:] if is_first else ())


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
    request: HttpRequest,
    typed: str = "",
    error: OtpError | None = None,
    *,
    about: Kept | None = None,
    within: Session | None = None,
) -> HttpResponse:
    """The form for the number. ``error``: why what was ``typed`` got no code. ``within``: a session."""
    shown, example = about or kept.of_cookie(request), sms.example_number()
    rules = purposes.get(within.purpose if within else PURPOSE)
    able = [one for one in channels.wanted(rules) if one in sms.channels()]
    context = {
        "way_back": within.way_back if within else "",
        "given": _ltr(sms.mask(within.phone)) if within and within.phone else "",
        "by": by_channel.in_turn(able),
        "only_sms": able == [Channel.SMS],
        "error": not_sent(error) if error else "",
        "typed": typed,
        "region": _named(conf.get("PHONE_REGION").upper()),
        "example": _ltr(sms.spelled(example)) if example else "",
        "masked": sms.mask(shown.phone) if shown and shown.id and shown.said != "valid" else "",
    }
    return _render(request, "phone", context, about=about, error=error)


def _render(
    request: HttpRequest,
    name: str,
    context: Mapping[str, object],
    about: Kept | None = None,
    error: OtpError | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """A page. ``about``: what its forms are about; ``error``: what it tells of."""
    shown: dict[str, object] = {"site": conf.get("OTP_SITE_NAME")}
    if about:
        shown |= {"kept": about, "token": kept.token(request, about), "masked": sms.mask(about.phone)}
    shown |= context
    if shown.get("masked"):
        shown["number"] = render_to_string("otp/_masked.html", shown)
    response = render(request, f"otp/{name}.html", shown, status=error.status if error else status)
    if error and error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    if isinstance(error, RateLimited):
        refusals.name_limit(response, error)
    return response


def _named(region: str) -> str:
    """A country; by its calling code where its name would be an English one among other words."""
    if not region or language.is_english():
        return sms.country_name(region)
    return _ltr(f"+{phonenumbers.country_code_for_region(region)} ({region})")


def _ltr(number: str) -> str:
    """A number within a sentence, which may run the other way."""
    return format_html('<span class="number" dir="ltr">{}</span>', number)


def _stale(shown: Kept | None) -> HttpResponse:
    """The form is too old or of another browser: what was typed there is held against nothing."""
    return _go("code", replace(shown, said="stale")) if shown and shown.id else _go_first(shown)


def _go_done(about: Kept) -> HttpResponse:
    """Say that the code was right. A session hears of it now, as another tab may have the cookie soon."""
    if about.session:
        with suppress(StoreUnavailable):  # the next page tries again
            sessions.finish(about.session, about.id, about.phone)
    return _go("done", about)


def _go_first(about: Kept | None) -> HttpResponse:
    """Where everything begins: the number of a session, or the open form."""
    if about and about.session:
        return _go("number", replace(about, id="", phone="", resend_at=0.0, said="", left=0))
    if conf.get("PAGES") != "open":
        raise Http404("PAGES is sessions: these pages are for users that a program hands over.")
    return _go("phone")


def _go(name: str, about: Kept | None = None) -> HttpResponse:
    """See another page (303: with GET, whatever this request was), and remember ``about``."""
    response = HttpResponseRedirect(reverse(f"otp:{name}"), status=303)
    return kept.keep(response, about) if about else response
