"""Texts of the hosted pages: messages, times in words, and the code in what a user typed."""

from __future__ import annotations

import math
import re

from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from otp import codes
from otp.delivery import CodeSms
from otp.errors import NotAllowed, OtpError, RateLimited
from otp.pages.by_channel import Spoken
from otp.pages.language import is_english
from otp.purposes import Purpose
from sms.message import Channel, State
from sms.typed import INVISIBLE

#: The last line of an SMS whose code is bound to a host: "@example.com #123456".
_BOUND = re.compile(r"@[^\s@#]+ #([^\s%]+)")

#: Texts about the code that was typed last, by ``Kept.said``.
OF_CODE = {
    "incomplete": _("The code is not complete, so it was not counted as an attempt."),
    "unchecked": _("We do not know yet whether that was the code. Please enter it again."),
    "stale": _("That page was too old, so nothing happened. Please try again here."),
    "limited": _(
        "Too many wrong codes came from your network, so this one was not checked. "
        "You can try again in %(time)s."
    ),
}

#: Why an SMS will not come, and what to do, by the ``error`` of a ``CodeSms``.
NO_SMS = {
    "number_refused": _("The network rejected it. Is it your own mobile number?"),
    "no_route": _("We do not send codes to the country or region of this number."),
    "undelivered": _("The network could not deliver it. Is the phone on? Is it your own mobile number?"),
    "no_provider": _("The fault is ours. Please try again in a moment."),
    "not_in_time": _("The fault is ours. Please ask for a new code."),
}

#: The same for other channels. They tell a stranger nothing more than that it did not get through.
NO_MESSAGE = NO_SMS | {
    "number_refused": _("Is the number right? Is it yours?"),
    "undelivered": _("Is the phone on and in range? Is the number yours?"),
}

#: Errors that another number may solve.
OF_NUMBER = {"number_refused", "no_route", "undelivered"}

#: Seconds after which the page says that an SMS takes long.
SLOW = 10.0

#: Why a code was not sent, by the ``code`` of a ``RateLimited``.
_TOO_SOON = {
    "pending": _("We sent a code to this number a moment ago."),
    "blocked": _("There were too many wrong codes for this number."),
    "guard": _("We cannot send a code to this number now."),
}

#: Why a number is refused, by the ``code`` of a ``NotAllowed``. In English, its ``detail`` is more precise.
_REFUSED = {
    "phone_missing": _("A phone number is required."),
    "phone_too_short": _("The phone number is too short."),
    "phone_too_long": _("The phone number is too long."),
    "phone_no_country": _("The country code is missing or not known."),
    "phone_letters": _("A phone number has no letters."),
    "phone_invalid": _("There is no such phone number."),
    "phone_emergency": _("This is an emergency number. We cannot send a code there."),
    "phone_type": _("We cannot send a code to this kind of number. Use a mobile number."),
    "phone_not_allowed": _("We do not send codes to the country or region of this number."),
    "no_route": _("We do not send codes to the country or region of this number."),
}


class Left(int):
    """Seconds that are left, for the templates."""

    @classmethod
    def until(cls, moment: float, now: float) -> Left:
        return cls(max(math.ceil(moment - now), 0))

    @property
    def clock(self) -> str:
        return f"{self // 60}:{self % 60:02}"

    @property
    def shown(self) -> str:
        """The clock, in an element that the script counts down."""
        return format_html('<span class="clock">{}</span>', self.clock)

    @property
    def timer(self) -> str:
        """The clock of the code itself, which screen readers can find."""
        return format_html('<span class="clock" role="timer" data-expiry>{}</span>', self.clock)

    @property
    def words(self) -> str:
        """The time in words, in the form that follows "in"."""
        # Up to 90 of a unit, it is more precise than the next one.
        minutes = math.ceil(self / 60)
        if self <= 90:
            count, words = int(self), ngettext("%(count)s second", "%(count)s seconds", self)
        elif minutes <= 90:
            count, words = minutes, ngettext("%(count)s minute", "%(count)s minutes", minutes)
        else:
            count = math.ceil(minutes / 60)
            words = ngettext("%(count)s hour", "%(count)s hours", count)
        return words % {"count": count}


def expires(left: Left) -> str:
    """A screen reader's words when a code has so much time left."""
    return gettext("The code expires in %(time)s.") % {"time": left.words}


def of_code(said: str, spoken: Spoken, wait: Left) -> str:
    """The text about the code that was typed last. ``wait``: until another one may be typed."""
    if said == "invalid":
        return spoken.look
    return str(OF_CODE[said]) % {"time": wait.words} if said in OF_CODE else ""


def not_through(trouble: str, spoken: Spoken) -> str:
    """Why the code will not come, and what to do. ``trouble``: the error of its ``CodeSms``, or ""."""
    return str((NO_SMS if spoken.channel is Channel.SMS else NO_MESSAGE).get(trouble, ""))


def code_in(typed: str, rules: Purpose) -> str:
    """The code in what was typed or pasted, even a whole SMS; "" if there is none.

    Like ``codeIn`` in pages.js.
    """
    typed = INVISIBLE.sub("", typed)
    for candidate in (*reversed(_BOUND.findall(typed)), typed, *re.findall(r"\w+", typed)):
        found = codes.normalise(candidate)
        if rules.fits(found):
            return found
    return ""


def is_slow(sms: CodeSms | None) -> bool:
    """Whether the SMS of a code may still come, but takes longer than usual."""
    if sms is None:
        return False
    return sms.state is State.UNKNOWN or (sms.state is State.QUEUED and sms.age >= SLOW)


def not_sent(error: OtpError) -> str:
    """Why a number got no code."""
    match error:
        case RateLimited():
            what = _TOO_SOON.get(error.code, _("Too many codes were requested."))
            when = gettext("You can ask for a new code in %(time)s.") % {
                "time": Left(error.retry_after).words
            }
            return f"{what} {when}"
        case NotAllowed(field="challenge"):
            return gettext("Please complete the check in this form, then ask for the code.")
        case NotAllowed():
            return error.detail if is_english() else str(_REFUSED.get(error.code, error.detail))
    return gettext("We cannot send a code right now. Please try again in a moment.")
