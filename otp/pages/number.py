"""The pages that ask for a phone number: the open one, and that of a session. They send a code to it."""

from __future__ import annotations

from dataclasses import replace

from django.http import Http404, HttpRequest, HttpResponse

from otp import channels, purposes, services
from otp.admission import refusals
from otp.caller import caller_of
from otp.errors import OtpError, RateLimited, StoreUnavailable
from otp.pages import by_channel, kept, language, shown
from otp.pages.countries import picker
from otp.pages.kept import PURPOSE, Kept
from otp.pages.session import session_of
from otp.pages.words import not_sent
from otp.sessions import Session
from sms import services as sms
from sms.message import Channel


@shown.page
def phone(request: HttpRequest) -> HttpResponse:
    """Ask anybody for a phone number; send a code to it."""
    if PURPOSE not in purposes.all_purposes():
        raise Http404("OTP_PURPOSES has no login, which these pages are for.")
    return _ask_or_send(request)


@shown.page
def number(request: HttpRequest) -> HttpResponse:
    """Ask the user of a session for the phone number, or show the one that is given; send a code to it."""
    if not request.COOKIES:  # the page before this one set two
        return shown.render(request, "session", {"state": "no_cookies"}, status=403)
    about = kept.of_form(request) if request.method == "POST" else kept.of_cookie(request)
    try:
        within = session_of(about)
    except StoreUnavailable as error:
        return shown.render(request, "session", {"state": "unavailable"}, error=error)
    if about is None or within is None:
        return shown.render(request, "session", {"state": "expired"}, status=410)
    return _ask_or_send(request, about, within)


def _ask_or_send(
    request: HttpRequest, about: Kept | None = None, within: Session | None = None
) -> HttpResponse:
    if request.method != "POST":
        return ask(request, about=about, within=within)
    typed = (within.phone if within else "") or request.POST.get("phone", "")
    wanted = channels.wanted(purposes.get(within.purpose if within else PURPOSE))
    picked = picker(request, wanted).picked
    try:
        with refusals.translated():
            e164 = services.parse_phone(typed, wanted, region=picked.code if picked else "").e164
        return shown.go("code", start(request, e164, within))
    except OtpError as error:
        return ask(request, typed, error, about=about, within=within)


def start(request: HttpRequest, number: str, within: Session | None = None) -> Kept:
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
            session=within.id if within else "",
        )
    except RateLimited:
        found = kept.find(request, number, purpose)
        if found is None:
            raise
        return replace(about, id=found.id, resend_at=found.resend_at, said="already")
    return replace(about, id=verification.id, resend_at=verification.resend_at)


def ask(
    request: HttpRequest,
    typed: str = "",
    error: OtpError | None = None,
    *,
    about: Kept | None = None,
    within: Session | None = None,
) -> HttpResponse:
    """The form for the number. ``error``: why what was ``typed`` got no code. ``within``: a session."""
    last, example = about or kept.of_cookie(request), sms.example_number()
    wanted = channels.wanted(purposes.get(within.purpose if within else PURPOSE))
    able = [one for one in wanted if one in sms.channels()]
    context = {
        "way_back": within.way_back if within else "",
        "given": shown.ltr(sms.mask(within.phone)) if within and within.phone else "",
        "by": by_channel.in_turn(able),
        "only_sms": able == [Channel.SMS],
        "error": not_sent(error) if error else "",
        "typed": typed,
        "picker": picker(request, wanted),
        "example": shown.ltr(sms.spelled(example)) if example else "",
        "masked": sms.mask(last.phone) if last and last.id and last.said != "valid" else "",
    }
    return shown.render(request, "phone", context, about=about, error=error)
