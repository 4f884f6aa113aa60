"""What the hosted pages read and say: a code in what was typed, times in words."""

from __future__ import annotations

import math
import re

from otp import codes
from otp.errors import NotAllowed, OtpError, RateLimited
from otp.purposes import Purpose
from sms.typed import INVISIBLE

#: The last line of an SMS that is bound to a host: "@example.com #123456".
_BOUND = re.compile(r"@[^\s@#]+ #([^\s%]+)")

#: What to say of the code that was typed last.
OF_CODE = {
    "invalid": "That is not the code. Look at the newest SMS and try again.",
    "incomplete": "That is not a whole code, so it was not counted as an attempt.",
    "unchecked": "We do not know yet whether that was the code. Please enter it again.",
    "stale": "That page was too old, so nothing was done. Please try again here.",
    "limited": "Too many wrong codes came from your network, so this one was not checked. "
    "You can try again in {wait}.",
}

#: Why a code was not sent, by the ``code`` of a RateLimited.
_TOO_SOON = {
    "pending": "We sent a code to this number a moment ago.",
    "blocked": "There were too many wrong codes for this number.",
    "guard": "We cannot send a code to this number now.",
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
    def words(self) -> str:
        # Up to 90 of a unit, it says more than the next one.
        count, unit = int(self), "second"
        for larger in ("minute", "hour"):
            if count > 90:
                count, unit = math.ceil(count / 60), larger
        return f"{count} {unit}{'' if count == 1 else 's'}"


def code_in(typed: str, rules: Purpose) -> str:
    """The code in what was typed or pasted, be it the whole SMS, or ""; as ``codeIn`` in pages.js does."""
    shape = re.compile(f"[{rules.alphabet}]{{{rules.length}}}")
    typed = INVISIBLE.sub("", typed)
    for candidate in (*reversed(_BOUND.findall(typed)), typed, *re.findall(r"\w+", typed)):
        found = codes.normalise(candidate)
        if shape.fullmatch(found):
            return found
    return ""


def not_sent(error: OtpError) -> str:
    """Why a number got no code."""
    match error:
        case RateLimited():
            what = _TOO_SOON.get(error.code, "Too many codes were asked for.")
            return f"{what} You can ask for a new one in {Left(error.retry_after).words}."
        case NotAllowed(field="challenge"):
            return "Please complete the check in this form, then ask for the code."
        case NotAllowed():
            return error.detail
    return "We cannot send a code right now. Please try again in a moment."
