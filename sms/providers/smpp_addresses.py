"""Numbers and sender IDs as SMPP has them: with a TON and an NPI, the type of the number and its plan.

Sections are those of SMPP 3.4, issue 1.2.
"""

from __future__ import annotations

import re

from sms.providers.smpp_wire import Address
from sms.providers.wire import need

#: Digits of the longest short code.
SHORT_CODE = 8


def is_sender(text: str) -> bool:
    """Whether it is a number of up to 20 digits (5.2.8) or a sender ID (3GPP TS 23.040, 9.1.2.5: 11
    characters).
    """
    return bool(re.fullmatch(r"\+?[0-9]{1,20}|[\x20-\x7e]{1,11}", text, re.ASCII))


def address(text: str, type: tuple[int, int] | None) -> Address:
    """An address of this ``type``, TON and NPI. None: take the type from the form of ``text``, which is an
    international number, a short code or a sender ID.
    """
    digits = text.removeprefix("+")
    if not digits.isdecimal():
        return Address(*(type or (5, 0)), text)
    short = text == digits and len(digits) <= SHORT_CODE
    return Address(*(type or ((3, 0) if short else (1, 1))), digits)


def international(found: Address) -> str:
    """The address as E.164 if its TON says so, or if it has none and is too long for a short code."""
    digits = found.digits.removeprefix("+")
    if not re.fullmatch(r"[0-9]{1,15}", digits, re.ASCII):
        return found.digits
    known = found.ton == 1 or found.digits != digits or (found.ton == 0 and len(digits) > SHORT_CODE)
    return f"+{digits}" if known else digits


def read_type(alias: str, option: str, text: str) -> tuple[int, int] | None:
    """The TON and NPI that an option names; None for "". Raises ``BadProviderURL``."""
    found = re.fullmatch(r"([0-6])\.([0-9]|1[0-8])", text, re.ASCII)
    need(alias, found or not text, f"{option}= must look like TON.NPI, such as 5.0.")
    return (int(found[1]), int(found[2])) if found else None
