"""Phone numbers: read any usual spelling as E.164, or refuse it clearly."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, ValidationResult, shortnumberinfo

from sms import typed
from sms.errors import InvalidNumber

#: Longer input is refused unread. E.164 has 15 digits; separators and marks add some characters.
MAX_SPELLING = 64

#: Digits of the shortest number with its country code. Fewer digits are a short code.
SHORTEST = 7

#: The kinds of numbers that ``phonenumbers`` knows, in lower case: mobile, fixed_line, voip, …
KINDS = {name.lower(): value for name, value in vars(PhoneNumberType).items() if name.isupper()}

_KIND_OF = {value: name for name, value in KINDS.items()}

#: Right-to-left override. It shows all digits after it in reverse.
_REVERSES = "\u202e"

#: Right-to-left embedding and isolate. They reverse the order of groups of digits, but not the digits of a
#: group. The direction marks (U+200F, U+061C) span no text: apps put them beside numbers in reading order.
_SWAPS_GROUPS = "\u202b\u2067"

#: Each embedding, override or isolate, and each end of an isolate, also ends a group.
_SPANS = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069"

_ENDS = re.compile(rf"\A(?:\s|{typed.INVISIBLE.pattern})+|(?:\s|{typed.INVISIBLE.pattern})+\Z")

_TOO_SHORT = "phone_too_short", "The phone number is too short."
_TOO_LONG = "phone_too_long", "The phone number is too long."

#: Results of ``phonenumbers`` as an ``InvalidNumber``, for numbers that it can read and that it cannot.
_IMPOSSIBLE = {ValidationResult.TOO_SHORT: _TOO_SHORT, ValidationResult.TOO_LONG: _TOO_LONG}
_UNREADABLE = {
    NumberParseException.INVALID_COUNTRY_CODE: ("phone_no_country", "The country code is not known."),
    NumberParseException.TOO_SHORT_NSN: _TOO_SHORT,
    NumberParseException.TOO_SHORT_AFTER_IDD: _TOO_SHORT,
    NumberParseException.TOO_LONG: _TOO_LONG,
}

_PREFIX = re.compile(r"\+[1-9]\d{0,13}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Phone:
    """An existing number, or an e-mail address instead; see ``sms.emails``."""

    e164: str  # or the address
    country: str  # ISO 3166 alpha-2, "" if the number belongs to no country
    masked: str  # enough for a person to recognise the number
    kind: str = ""  # one of KINDS

    @property
    def is_email(self) -> bool:
        return "@" in self.e164

    def __repr__(self) -> str:  # keeps the number out of logs
        return f"Phone({self.masked!r})"


def parse(spelling: object, region: str = "") -> Phone:
    """Read one phone number.

    ``spelling``: as a person typed it. It may have spaces, dashes, brackets, dots, digits of other scripts
    and invisible marks. It may begin with ``00`` or the region's prefix for calls abroad.
    ``region``: the ISO country of national numbers. If empty, only international numbers are accepted.

    Raises ``InvalidNumber`` with a stable ``code``. Its text never holds the number.
    """
    text = _plain(spelling)
    region = region.upper()
    digits = text.removeprefix("+")
    if len(digits) <= 6 and _is_emergency(digits, region):
        raise InvalidNumber("phone_emergency", "This is an emergency number; no SMS goes there.")
    if text.startswith("00"):  # the prefix for calls abroad in most countries; people use it in others too
        if region:
            with suppress(InvalidNumber):
                return _existing(text, region)
        text = "+" + text[2:]
    if not text.startswith("+") and not region:
        raise InvalidNumber("phone_no_country", "The country code is missing.")
    return _existing(text, region)


def _existing(text: str, region: str) -> Phone:
    number, e164 = _read(text, region)
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:  # is_valid_number does the same, but would look up the kind again
        reason = phonenumbers.is_possible_number_with_reason(number)
        raise InvalidNumber(*_IMPOSSIBLE.get(reason, ("phone_invalid", "There is no such phone number.")))
    country = phonenumbers.region_code_for_number(number) or ""
    return Phone(e164, "" if country == "001" else country, mask(e164), _KIND_OF[kind])


def canonical(spelling: object, region: str = "") -> str:
    """One E.164 form per phone, for any spelling and any country. Raises ``InvalidNumber``."""
    text = _plain(spelling)
    return text if _country_code_end(text) else _read(text, region.upper())[1]


def told(spelling: str, region: str = "") -> str:
    """The E.164 of a number that a vendor reports, such as that of a user who wrote. "" if it is a name, a
    short code or anything else.

    The + may be missing, or may come before a national 0. Some digits are a number both with a + and in
    ``region``. If people dial a 0 first there, digits without it count as international. Otherwise, with
    DE as the region, nearly every foreign mobile number without its + would pass for a German line.
    """
    with suppress(InvalidNumber):
        text = _plain(spelling)
        digits = text.removeprefix("+")
        if len(digits) < SHORTEST:
            return ""
        if text != digits and digits[0] != "0":
            return canonical(text)  # even if it does not exist: our tables may lack a new range
        ways = [(digits, region)]
        if digits[0] != "0":
            ways.insert(0 if _is_dialled_by_0(region) else 1, ("+" + digits, ""))
        for way in ways:
            with suppress(InvalidNumber):
                return parse(*way).e164
    return ""


def _is_dialled_by_0(region: str) -> bool:
    prefix = phonenumbers.ndd_prefix_for_region(region.upper(), True) if region else ""
    return (prefix or "").startswith("0")


def _read(text: str, region: str) -> tuple[phonenumbers.PhoneNumber, str]:
    """The number and its E.164 form."""
    if end := _country_code_end(text):
        return phonenumbers.PhoneNumber(int(text[1:end]), int(text[end:])), text
    try:
        number = phonenumbers.parse(text, region or None)
    except NumberParseException as error:
        kind = error.error_type
        raise InvalidNumber(
            *_UNREADABLE.get(kind, ("phone_invalid", "This is not a phone number."))
        ) from None
    return number, str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _country_code_end(text: str) -> int:
    """The end of the country code in a number that is E.164 already, 0 if ``phonenumbers`` must read it.

    It is not E.164 if a national prefix follows the country code, such as the 0 of +44 07400 123456. If
    ``phonenumbers`` reads a number, that takes as long as all other questions about it.
    """
    if not (text.startswith("+") and 7 < len(text) < 16):
        return 0
    for end in (2, 3, 4):
        known, prefix = _national_prefix(text[1:end])
        if known:
            # ``phonenumbers`` keeps a zero that is also dialled from abroad, as in Italy, in its own field.
            dialled = text[end] == "0" or (prefix and prefix.match(text, end))
            return 0 if dialled else end
    return 0


@cache  # 999 entries at most
def _national_prefix(code: str) -> tuple[bool, re.Pattern[str] | None]:
    """Whether this is a country code, and the prefixes that may be dialled within the country."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())
    if not regions:
        return False, None
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(int(code), regions[0])
    pattern = metadata and metadata.national_prefix_for_parsing
    return True, re.compile(pattern) if pattern else None


def is_prefix(text: str) -> bool:
    """Whether ``text`` is + and the first digits of numbers: a country code, a part of one, or more."""
    if not _PREFIX.fullmatch(text):
        return False
    digits, codes = text[1:], map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    return any(digits.startswith(code) or code.startswith(digits) for code in codes)


def mask(e164: str) -> str:
    """``+12025550123`` → ``+1••••••••23``: the first and the last two characters stay."""
    return f"{e164[:2]}{'•' * (len(e164) - 4)}{e164[-2:]}"


def _plain(spelling: object) -> str:
    """The + and the digits of a spelling, in ASCII. Refuses any other text."""
    if not isinstance(spelling, str):
        raise InvalidNumber("phone_missing", "A phone number is required.")
    if len(spelling) > MAX_SPELLING:
        raise InvalidNumber("phone_too_long", "A phone number has at most 15 digits.")
    if spelling.isascii() and spelling.removeprefix("+").isdigit():
        return spelling
    text = _ENDS.sub("", spelling).translate(typed.TO_ASCII)
    if not text:
        raise InvalidNumber("phone_missing", "A phone number is required.")
    out, swapped = "", False
    for char in text:
        if "0" <= char <= "9" or (char == "+" and not out):
            out += char
        elif char == _REVERSES or (swapped and (_separates(char) or char in _SPANS)):
            raise InvalidNumber(
                "phone_invalid", "Invisible marks change the order of the digits. Type the number again."
            )
        elif typed.INVISIBLE.match(char):
            swapped = swapped or char in _SWAPS_GROUPS
        elif _separates(char):
            continue
        elif char.isalpha():
            raise InvalidNumber("phone_letters", "A phone number has no letters.")
        else:
            raise InvalidNumber("phone_invalid", "This is not a phone number.")
    return out


def _separates(char: str) -> bool:
    return char in "().·/" or typed.separates(char)


def _is_emergency(digits: str, region: str) -> bool:
    # Without a region, check the numbers that work in most networks (GSM 02.30).
    if not region:
        return digits in {"112", "911", "999", "000", "110", "118", "119", "08"}
    return bool(shortnumberinfo.is_emergency_number(digits, region))
