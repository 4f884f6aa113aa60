"""What helps whoever gave a number that cannot be used: an example, or what to write in front of it."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from sms import conf, countries, destinations, phone
from sms.errors import InvalidNumber

#: National numbers are tried in so many of the allowed countries at most.
TRIED = 20

#: Of the form that is meant, where a description must show one and none is known that gets an SMS.
ANY = "+12015550123"


def example() -> str:
    """A mobile number (E.164) of the first country that SMS may go to, "" where none is known."""
    return _example(tuple(conf.get("SMS_DESTINATIONS")), conf.get("PHONE_REGION").upper())


def spelled(e164: str) -> str:
    """``+12015550123`` → ``+1 201-555-0123``."""
    return str(phonenumbers.format_number(phonenumbers.parse(e164), PhoneNumberFormat.INTERNATIONAL))


def after(error: InvalidNumber, spelling: object) -> InvalidNumber:
    """``error`` of ``phone.parse`` with a hint behind it; never with the number."""
    if error.code == "phone_emergency":
        return error
    detail = error.code == "phone_no_country" and isinstance(spelling, str) and _missing(spelling)
    such = f", for example {example()}" if example() else ""
    detail = detail or f"{error.detail} Give it with + and the country code{such}."
    return InvalidNumber(error.code, detail)


def _missing(spelling: str) -> str:
    """What to write in front of a number without +, if its digits make that likely."""
    bare = spelling.strip()
    if found := _country(f"+{bare}"):
        return f"The + is missing. If this is a number of {countries.name(found)}, write + in front of it."
    setting = [word for word in conf.get("SMS_DESTINATIONS") if word in phonenumbers.SUPPORTED_REGIONS]
    matches = [found for region in setting[:TRIED] if (found := _country(bare, region)) == region]
    if len({phonenumbers.country_code_for_region(region) for region in matches}) != 1:
        return ""
    code = phonenumbers.country_code_for_region(matches[0])
    where = countries.name(matches[0])
    return f"The country code is missing. If this is a number of {where}, write +{code} in front of it."


def _country(spelling: str, region: str = "") -> str:
    """Where this number is, "" unless an SMS may go there."""
    try:
        return destinations.require(phone.parse(spelling, region)).country
    except InvalidNumber:
        return ""


@lru_cache(maxsize=8)
def _example(setting: tuple[str, ...], region: str) -> str:
    allowed = [word for word in setting if word in phonenumbers.SUPPORTED_REGIONS]
    for country in [*allowed, region, "US", *sorted(phonenumbers.SUPPORTED_REGIONS)]:
        number = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
        if number is None:
            continue
        e164 = str(phonenumbers.format_number(number, PhoneNumberFormat.E164))
        if _country(e164) == country:
            return e164
    return ""
