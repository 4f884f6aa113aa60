"""The page that asks for the code, and what its buttons do: check, send again, begin anew.

They translate; the rules are in ``otp.services``. A cookie and a hidden field (``otp.pages.kept``) say which
verification is meant.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from django.http import HttpRequest, HttpResponse

from otp import inbound, purposes, services, sessions
from otp.errors import OtpError, RateLimited, StoreUnavailable
from otp.pages import kept, number, shown, steps
from otp.pages.by_channel import Spoken
from otp.pages.countries import picker
from otp.pages.kept import Kept
from otp.pages.session import held, lead_back
from otp.pages.words import OF_NUMBER, Left, expires, is_slow, not_through, of_code
from otp.purposes import Purpose
from otp.verification import Verification
from sms import services as sms
from sms.errors import Unavailable
from sms.message import Channel


@shown.page
def code(request: HttpRequest) -> HttpResponse:
    """Ask for the code; check it. A form without one, which the script sends, is answered with its page."""
    about, last = kept.of_form(request), kept.of_cookie(request)
    if about is None or not about.id:
        return _stale(last)
    guessed = "code" in request.POST
    if "sent" in request.POST:  # the user says to have sent it to us
        return shown.go("code", replace(about, said="not_here"))
    if not guessed and last and last.id == about.id:  # which knows what was said of it
        about = last
    if about.said == "valid":
        return shown.go("done", about)
    if about.session and _is_over(about.session):
        return shown.go("done", replace(about, said="valid"))
    if guessed:
        return _check(request, about)
    response = _ask_code(request, about)
    if request.method == "POST" and response.status_code != 303:  # that leads on, with a cookie of its own
        kept.keep(response, about)
    return response


@shown.page
def resend(request: HttpRequest) -> HttpResponse:
    """Send the code again, by the channel that the pressed button names, or a new one when it is over."""
    about = kept.of_form(request)
    if about is None:
        return _stale(kept.of_cookie(request))
    if about.said == "valid" or request.method != "POST":
        return shown.go("code", about)
    within = held(request, about) if about.session else None
    if isinstance(within, HttpResponse):
        return within
    if within and within.status == "valid":  # no further code
        return lead_back(request, about, within)
    try:
        chosen, reverse = request.POST.get("channel", ""), "reverse" in request.POST
        sent = steps.send_again(steps.visitor(request), about, within, chosen, reverse=reverse)
    except OtpError as error:
        unsent = steps.not_again(about, error, now())
        if unsent is None:
            offered = picker(request, number.wanted(within))
            return number.ask(request, offered, about.phone, error, about=about, within=within)
        sent = unsent
    return shown.go("code", sent)


@shown.page
def cancel(request: HttpRequest) -> HttpResponse:
    """Forget this verification and begin anew."""
    about, last = kept.of_form(request), kept.of_cookie(request)
    response = shown.go_first(about)
    if request.method == "POST" and about:
        with suppress(StoreUnavailable):  # then the code dies by itself
            services.cancel(about.id)
        if not about.session and (last is None or last.id == about.id):  # that of another tab stays
            kept.forget(response)
    return response


def _is_over(session: str) -> bool:
    """Another tab has finished it."""
    try:
        return sessions.read(session).status == "valid"
    except StoreUnavailable:  # which the page itself tells of
        return False


def _check(request: HttpRequest, about: Kept) -> HttpResponse:
    try:
        about = steps.check(steps.visitor(request), about, request.POST["code"])
    except RateLimited as error:
        return _ask_code(request, replace(about, said="limited"), error)
    except StoreUnavailable:  # it may have counted all the same: the next page looks
        return shown.go("code", replace(about, said="unchecked"))
    return shown.go("done" if about.said == "valid" else "code", about)


def _ask_code(request: HttpRequest, about: Kept, limited: RateLimited | None = None) -> HttpResponse:
    """The form for the code. ``limited``: why a guess was not compared."""
    try:
        verification = services.status(about.id, with_wanted=True)
    except StoreUnavailable as error:
        return shown.render(request, "code", {"state": "unavailable"}, about, error)
    if verification.status == "valid":  # by another press of the same button
        return shown.go("done", replace(about, said="valid"))
    about, context = context_of(about, verification, limited)
    return shown.render(request, "code", context | _reverse(about, verification), about, limited)


def _reverse(about: Kept, verification: Verification) -> dict[str, object]:
    """What the words of a reverse verification need to know."""
    found: dict[str, object] = {"reverse": inbound.is_open(purposes.get(about.purpose))}
    wanted = verification.wanted
    if wanted:
        found |= {"wanted": wanted, "send_to": shown.ltr(sms.spelled(wanted.send_to))}
    elif verification.status == "pending" and verification.channel is None:  # the settings changed since
        found["state"] = "expired"
    return found


def context_of(
    about: Kept, verification: Verification, limited: RateLimited | None = None
) -> tuple[Kept, dict[str, object]]:
    """What is known of ``about`` by now, and what the words beside its code need to know."""
    rules, time, wait = purposes.get(about.purpose), now(), Left(limited.retry_after if limited else 0)
    about = replace(_learnt(about, verification, time), left=verification.attempts_left)
    trouble, spoken = verification.sms.error if verification.sms else "", _spoken(about, rules, verification)
    return about, {
        "rules": rules,
        "lives": int(rules.life(len(spoken.follows) if rules.channels else 0)),
        "numeric": rules.alphabet.isdigit(),
        "error": of_code(about.said, spoken, wait),
        "state": verification.status,
        "attempts_left": verification.attempts_left,
        "spoken": spoken,
        "unsent": not_through(trouble, spoken),
        "of_number": trouble in OF_NUMBER,
        "slow": is_slow(verification.sms),
        "expires_in": Left.until(verification.expires_at, time),
        "expires": [expires(Left(seconds)) for seconds in (30, 10)],
        "resend_in": Left.until(verification.resend_at or about.resend_at, time),
    }


def _spoken(about: Kept, rules: Purpose, verification: Verification) -> Spoken:
    able, channel = verification.channels, verification.channel
    if channel is None:  # nothing goes out
        return Spoken(Channel.SMS, (Channel.SMS,))
    if rules.channels:
        return Spoken(channel, able, follows=tuple(one for one in able if one not in verification.asked))
    # As the route says, all the others stand behind the first of them, and none behind a chosen one.
    is_first = channel == able[0] and about.said != "chosen"
    return Spoken(channel, able, follows=able[1:] if is_first else ())


def now() -> float:
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


def _stale(last: Kept | None) -> HttpResponse:
    """The form is too old or of another browser: what was typed there is held against nothing."""
    return shown.go("code", replace(last, said="stale")) if last and last.id else shown.go_first(last)
