"""The page that asks for the code, and its three buttons: check, send again, start over.

These views only translate; every rule is in ``otp.services``. A cookie and a hidden field name the
verification (see ``otp.pages.kept``).
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
    """Ask for the code, or check the one that the form holds.

    The page's script also posts the form without a code, to refresh the page.
    """
    about, last = kept.of_form(request), kept.of_cookie(request)
    if about is None or not about.id:
        return _stale(last)
    guessed = "code" in request.POST
    if "sent" in request.POST:  # a reverse verification: the user pressed "I have sent it"
        return shown.go("code", replace(about, said="not_here"))
    if not guessed and last and last.id == about.id:  # the cookie also knows how the last step ended
        about = last
    if about.said == "valid":
        return shown.go("done", about)
    if about.session and _is_finished(about.session):
        return shown.go("done", replace(about, said="valid"))
    if guessed:
        return _check(request, about)
    response = _ask_code(request, about)
    if request.method == "POST" and response.status_code != 303:  # a redirect sets its own cookie
        kept.keep(response, about)
    return response


@shown.page
def resend(request: HttpRequest) -> HttpResponse:
    """Send the code again by the channel that the button names, or a new code if the old one is dead."""
    about = kept.of_form(request)
    if about is None:
        return _stale(kept.of_cookie(request))
    if about.said == "valid" or request.method != "POST":
        return shown.go("code", about)
    within = held(request, about) if about.session else None
    if isinstance(within, HttpResponse):
        return within
    if within and within.status == "valid":  # the session is finished, so nobody needs another code
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
    """Cancel this verification and start over."""
    about, last = kept.of_form(request), kept.of_cookie(request)
    response = shown.go_first(about)
    if request.method == "POST" and about:
        with suppress(StoreUnavailable):  # the code will expire anyway
            services.cancel(about.id)
        if not about.session and (last is None or last.id == about.id):  # keep the cookie of another tab
            kept.forget(response)
    return response


def _is_finished(session: str) -> bool:
    """Whether the session was finished, perhaps in another tab."""
    try:
        return sessions.read(session).status == "valid"
    except StoreUnavailable:  # the page itself will say so
        return False


def _check(request: HttpRequest, about: Kept) -> HttpResponse:
    try:
        about = steps.check(steps.visitor(request), about, request.POST["code"])
    except RateLimited as error:
        return _ask_code(request, replace(about, said="limited"), error)
    except StoreUnavailable:  # the guess may have counted; `_learnt` finds out on the next page
        return shown.go("code", replace(about, said="unchecked"))
    return shown.go("done" if about.said == "valid" else "code", about)


def _ask_code(request: HttpRequest, about: Kept, limited: RateLimited | None = None) -> HttpResponse:
    """Show the form for the code. ``limited``: the limit because of which a guess was not compared."""
    try:
        verification = services.status(about.id, with_wanted=True)
    except StoreUnavailable as error:
        return shown.render(request, "code", {"state": "unavailable"}, about, error)
    if verification.status == "valid":  # the user pressed the button twice
        return shown.go("done", replace(about, said="valid"))
    about, context = context_of(about, verification, limited)
    return shown.render(request, "code", context | _reverse(about, verification), about, limited)


def _reverse(about: Kept, verification: Verification) -> dict[str, object]:
    """Template variables of a reverse verification."""
    found: dict[str, object] = {"reverse": inbound.is_open(purposes.get(about.purpose))}
    wanted = verification.wanted
    if wanted:
        found |= {"wanted": wanted, "send_to": shown.ltr(sms.spelled(wanted.send_to))}
    elif verification.status == "pending" and verification.channel is None:
        found["state"] = "expired"  # it was a reverse one, and the settings no longer allow that
    return found


def context_of(
    about: Kept, verification: Verification, limited: RateLimited | None = None
) -> tuple[Kept, dict[str, object]]:
    """``about``, brought up to date, and the template variables of the form."""
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
    """The channel that the page speaks of, and those that may follow it without the user's doing."""
    able, channel = verification.channels, verification.channel
    if channel is None:  # a reverse verification sends nothing
        return Spoken(Channel.SMS, (Channel.SMS,))
    if rules.channels:
        return Spoken(channel, able, follows=tuple(one for one in able if one not in verification.asked))
    # The route falls back from its first channel to all others, but from a chosen channel to none.
    is_first = channel == able[0] and about.said != "chosen"
    return Spoken(channel, able, follows=able[1:] if is_first else ())


def now() -> float:
    """Seconds since the epoch by the clock of Redis, as all times of a code; by ours while Redis is away."""
    try:
        return sms.now()
    except Unavailable:
        return time.time()


def _learnt(about: Kept, verification: Verification, now: float) -> Kept:
    """``about``, corrected if Redis did what we asked and only its answer got lost."""
    if about.said == "unchecked" and verification.attempts_left < about.left:
        return replace(about, said="invalid")
    if about.said == "unsent" and verification.resend_at > max(about.resend_at, now):
        return replace(about, said="maybe_sent")
    return about


def _stale(last: Kept | None) -> HttpResponse:
    """Answer a form that is too old or comes from another browser. Its code is not compared."""
    return shown.go("code", replace(last, said="stale")) if last and last.id else shown.go_first(last)
