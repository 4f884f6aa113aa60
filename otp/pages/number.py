"""The pages that ask for a phone number and send a code to it: the open one, and that of a session."""

from __future__ import annotations

import json
from dataclasses import replace

from django.http import Http404, HttpRequest, HttpResponse

from otp import channels, inbound, purposes
from otp.errors import NotAllowed, OtpError
from otp.pages import by_channel, kept, shown, steps
from otp.pages.countries import Picker, picker
from otp.pages.kept import PURPOSE, Kept
from otp.pages.session import held, lead_back
from otp.pages.words import not_sent
from otp.purposes import Purpose
from otp.sessions import Session
from sms import services as sms
from sms.message import Channel


@shown.page
def phone(request: HttpRequest) -> HttpResponse:
    """Ask anybody for a phone number, and send a code to it."""
    if PURPOSE not in purposes.all_purposes():
        raise Http404("These pages need the purpose login, which OTP_PURPOSES does not have.")
    return _ask_or_send(request)


@shown.page
def number(request: HttpRequest) -> HttpResponse:
    """Ask the user of a session for a phone number, or show the given one, and send a code to it."""
    if not request.COOKIES:  # the page before set two, so this browser refuses cookies
        return shown.render(request, "session", {"state": "no_cookies"}, status=403)
    about = kept.of_form(request) if request.method == "POST" else kept.of_cookie(request)
    within = held(request, about)
    if isinstance(within, HttpResponse):
        return within
    if about and within.status == "valid":  # the session is finished, so nobody needs another code
        return lead_back(request, about, within)
    return _ask_or_send(request, about, within)


def _ask_or_send(
    request: HttpRequest, about: Kept | None = None, within: Session | None = None
) -> HttpResponse:
    offered = picker(request, wanted(within))
    if request.method != "POST":
        return ask(request, offered, about=about, within=within)
    typed = (within.phone if within else "") or request.POST.get("phone", "")
    who = replace(steps.visitor(request), region=offered.picked.code if offered.picked else "")
    try:
        return shown.go("code", steps.start(who, typed, within, reverse="reverse" in request.POST))
    except OtpError as error:
        return ask(request, offered, typed, error, about=about, within=within)


def ask(
    request: HttpRequest,
    offered: Picker,
    typed: str = "",
    error: OtpError | None = None,
    *,
    about: Kept | None = None,
    within: Session | None = None,
) -> HttpResponse:
    """Show the form for the number.

    ``offered``: the countries to pick from. ``error``: why the number that was ``typed`` got no code.
    ``within``: the session.
    """
    last = about or kept.of_cookie(request)
    puzzle = error.puzzle if isinstance(error, NotAllowed) else None
    # The browser solves the first puzzle by itself. If its answer was refused, it must not retry forever.
    is_new = puzzle and not request.POST.get("challenge")
    context = context_of(within, offered, None if is_new else error) | {
        "way_back": within.way_back if within else "",
        "reverse": inbound.is_open(_rules(within)),
        "puzzle": json.dumps(puzzle) if puzzle else "",
        "pressed": "reverse" if "reverse" in request.POST else "",
        "typed": typed,
        "masked": sms.mask(last.phone) if last and last.id and last.said != "valid" else "",
    }
    return shown.render(request, "phone", context, about=about, error=error)


def wanted(within: Session | None) -> tuple[Channel, ...]:
    """The channels that may reach a number, on the open page or in a session."""
    return channels.wanted(_rules(within))


def _rules(within: Session | None) -> Purpose:
    return purposes.get(within.purpose if within else PURPOSE)


def context_of(within: Session | None, picker: Picker, error: OtpError | None = None) -> dict[str, object]:
    """Template variables of the form for the number."""
    example = sms.example_number()
    able = [one for one in wanted(within) if one in sms.channels()]
    return {
        "given": shown.ltr(sms.mask(within.phone)) if within and within.phone else "",
        "by": by_channel.in_turn(able),
        "only_sms": able == [Channel.SMS],
        "error": not_sent(error) if error else "",
        "picker": picker,
        "example": shown.ltr(sms.spelled(example)) if example else "",
    }
