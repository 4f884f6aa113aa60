"""Phone numbers: any usual spelling in, E.164 out, or a refusal with its reason."""

from __future__ import annotations

import sys
import unicodedata
from random import Random

import phonenumbers
import pytest

from sms import phone
from sms.errors import InvalidNumber


@pytest.mark.parametrize(
    ("spelling", "region", "e164", "country"),
    [
        ("+12025550123", "", "+12025550123", "US"),
        ("+1 (202) 555-0123", "", "+12025550123", "US"),
        ("\u202a+1 202-555-0123\u202c", "", "+12025550123", "US"),
        ("202.555.0123", "us", "+12025550123", "US"),
        ("202.555.0123", "US", "+12025550123", "US"),
        ("0151 23456789", "DE", "+4915123456789", "DE"),
        ("0049 151 23456789", "", "+4915123456789", "DE"),
        ("011 49 151 23456789", "US", "+4915123456789", "DE"),
        ("+４９ 151 23456789", "", "+4915123456789", "DE"),
        ("۰۹۱۲۳۴۵۶۷۸۹", "IR", "+989123456789", "IR"),
    ],
)
def test_usual_spellings(spelling, region, e164, country):
    found = phone.parse(spelling, region)
    assert (found.e164, found.country) == (e164, country)
    assert region == "" or phone.canonical(spelling, region) == e164
    assert e164 not in repr(found)
    assert e164 not in found.masked


@pytest.mark.parametrize(
    ("spelling", "region", "e164"),
    [
        ("0049 151 23456789", "US", "+4915123456789"),  # which dials 011
        ("0049 151 23456789", "AU", "+4915123456789"),  # 0011
        ("0011 49 151 23456789", "AU", "+4915123456789"),
        ("0039 06 698 12345", "VA", "+390669812345"),
    ],
)
def test_two_zeros_lead_abroad_from_everywhere(spelling, region, e164):
    assert phone.parse(spelling, region).e164 == e164


def test_digits_of_every_script_are_read():
    zeros = [point for point in range(sys.maxunicode + 1) if unicodedata.decimal(chr(point), None) == 0]
    assert len(zeros) > 60
    for zero in zeros:
        typed = "".join(chr(zero + int(digit)) for digit in "015123456789")
        assert phone.parse(typed, "DE").e164 == "+4915123456789"


@pytest.mark.parametrize(
    ("spelling", "region", "code"),
    [
        ("", "", "phone_missing"),
        (None, "", "phone_missing"),
        (12025550123, "", "phone_missing"),
        ("2025550123", "", "phone_no_country"),
        ("+999 123456789", "", "phone_no_country"),
        ("911", "US", "phone_emergency"),
        ("110", "DE", "phone_emergency"),
        ("112", "", "phone_emergency"),
        ("12345", "US", "phone_too_short"),
        ("+120255501234567", "", "phone_too_long"),
        ("+" + "1" * 60, "", "phone_too_long"),
        ("+1 999 999 9999", "", "phone_invalid"),
        ("1-800-FLOWERS", "US", "phone_letters"),
        ("+12025550123 ext 4", "", "phone_letters"),
        ("+1202555\x000123", "", "phone_invalid"),
        ("+1202\u202e5550123", "", "phone_invalid"),
        ("\ud800", "", "phone_invalid"),
    ],
)
def test_refusals_name_the_reason_and_not_the_number(spelling, region, code):
    with pytest.raises(InvalidNumber) as caught:
        phone.parse(spelling, region)
    assert caught.value.code == code
    assert len(str(spelling)) < 7 or str(spelling) not in str(caught.value)


def test_a_canonical_number_is_what_the_library_makes_of_it():
    """The shortcut for numbers that are E.164 already, held against phonenumbers itself."""
    random = Random(5)
    codes = list(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    shortcuts = 0
    for n in range(20_000):
        code = random.choice(codes) if n % 10 else random.randint(1, 999)
        rest = random.choice(["", "0", "1", "8", "00", "15"]) + str(
            random.randrange(10 ** random.randint(4, 12))
        )
        spelling = f"+{code}{rest}"
        try:
            number = phonenumbers.parse(spelling)
        except phonenumbers.NumberParseException:
            with pytest.raises(InvalidNumber):
                phone.canonical(spelling)
            continue
        expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert (phone.canonical(spelling), phone._read(spelling, "")) == (expected, (number, expected))
        shortcuts += phone._country_code_end(spelling) > 0
    assert shortcuts > 5_000


@pytest.mark.parametrize("spelling", ["+44 07400 123456", "+4407400123456", "+44 (0) 7400 123456"])
def test_one_phone_is_one_phone(spelling):
    assert phone.canonical(spelling) == "+447400123456"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        *((text, True) for text in ("+1", "+4", "+49", "+4915", "+99", "+992", "+882", "+12025550123")),
        *((text, False) for text in ("", "+", "49", "+0", "+999", "+9991", "+٤٩", "+49 15", "-+49", "++49")),
    ],
)
def test_a_prefix_is_one_that_numbers_begin_with(text, is_one):
    assert phone.is_prefix(text) == is_one


def test_a_number_is_valid_where_its_kind_is_known():
    """``parse`` asks only for the kind: compared with ``is_valid_number``, for numbers of every country."""
    random = Random(5)
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in phone.KINDS.values():
            if number := phonenumbers.example_number_for_type(region, kind):
                for change in (0, random.randrange(10**6), random.randrange(10**9)):
                    number.national_number = (number.national_number or 0) + change
                    known = phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.UNKNOWN
                    assert known is phonenumbers.is_valid_number(number)


@pytest.mark.parametrize(
    ("told", "region", "e164"),
    [
        ("+4917012345678", "", "+4917012345678"),
        ("+49 170 1234567", "", "+491701234567"),
        ("+44 (0)7400 123456", "DE", "+447400123456"),
        ("01701234567", "DE", "+491701234567"),
        ("+01701234567", "DE", "+491701234567"),
        ("0170 / 123 45 67", "de", "+491701234567"),
        ("004917012345678", "", "+4917012345678"),
        ("+004917012345678", "DE", "+4917012345678"),
        ("004917012345678", "US", "+4917012345678"),
        ("01144 7400 123456", "US", "+447400123456"),
        ("491701234567", "", "+491701234567"),
        ("491701234567", "DE", "+491701234567"),
        # It would be a line in Germany, in the area 4474.
        ("447400123456", "DE", "+447400123456"),
        ("2025550123", "US", "+12025550123"),
        ("12025550123", "US", "+12025550123"),
        ("9812345678", "IN", "+919812345678"),
        ("3401234567", "IT", "+393401234567"),
        # No such range is known.
        ("+1999555012", "DE", "+1999555012"),
    ],
)
def test_a_number_as_vendors_tell_it(told, region, e164):
    assert phone.told(told, region) == e164


@pytest.mark.parametrize("region", ["", "DE", "US"])
@pytest.mark.parametrize(
    "told", ["", "12345", "73737", "Shop", "whatsapp:+12025550123", "+123", "9" * 99, "0" * 9]
)
def test_what_vendors_tell_that_is_no_number(told, region):
    assert phone.told(told, region) == ""


def test_a_national_number_needs_its_country():
    assert phone.told("01701234567") == ""
