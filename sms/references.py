"""The caller's own name for a start or a message, such as ``order-1234``.

It is stored, logged and sent to webhooks in clear. So anything that could be a phone number, an address or a
key is refused. Digits after a word are accepted, as in ``order-4915112345678``: it may be an order.
"""

from __future__ import annotations

import re
from contextlib import suppress

from sms import conf, phone
from sms.errors import InvalidNumber, InvalidReference

_FORM = re.compile(r"[A-Za-z0-9_.:/-]{1,64}", re.ASCII)
_SEPARATORS = re.compile(r"[_.:/-]")

#: The beginning of the API's keys, see ``otp.api.keys``.
_KEY = "otpost_"

#: The most digits of a number with its country code (E.164).
_LONGEST = 15


def is_one(text: str) -> bool:
    """Whether ``text`` may be kept as a reference."""
    return bool(_FORM.fullmatch(text)) and _KEY not in text and not _may_be_a_number(text)


def check(text: str) -> str:
    """``text``, which may be "" for none. Raises ``InvalidReference``."""
    if text and not is_one(text):
        raise InvalidReference
    return text


def _may_be_a_number(text: str) -> bool:
    digits = _SEPARATORS.sub("", text)
    if not digits.isdecimal():
        return False
    if phone.SHORTEST <= len(digits) <= _LONGEST:
        return True
    region = conf.get("PHONE_REGION")
    if len(digits) > _LONGEST:  # perhaps with a prefix for calls abroad
        return bool(phone.told(digits, region))
    with suppress(InvalidNumber):  # nearly all shorter numbers are landlines, but a few are mobiles
        return phone.parse(digits, region).kind in ("mobile", "fixed_line_or_mobile")
    return False
