"""The hints for a number that cannot be used: it must lead to one that can."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from django.test import Client

from sms import countries, destinations, services
from sms.errors import InvalidNumber


def refused(spelling: str) -> str:
    with pytest.raises(InvalidNumber) as caught:
        services.parse_phone(spelling)
    return caught.value.detail


def test_every_country_has_a_name():
    assert [code for code in phonenumbers.SUPPORTED_REGIONS if countries.name(code) == code] == []


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("+447400123456", "the United Kingdom"), ("+4915123456789", "Germany"), ("+870301234567", "no country")],
)
def test_a_refusal_names_the_country_as_people_do(settings, spelling, name):
    settings.SMS_DESTINATIONS = ["US"]
    assert f"{name}." in refused(spelling)


@pytest.mark.parametrize("words", [[], ["*"], ["*", "-US"], ["-US"], ["DE", "AT"], ["-+1", "-voip"], ["IR"]])
@pytest.mark.parametrize("region", ["", "gb"])
def test_the_example_is_a_number_that_gets_an_sms(settings, words, region):
    settings.SMS_DESTINATIONS, settings.PHONE_REGION = words, region
    example = re.findall(r"\+\d+", refused("12"))[-1]
    assert services.parse_phone(example).e164 == services.example_number() == example
    assert services.parse_phone(services.spelled(example)).e164 == example
    if words[:1] == ["DE"]:
        assert example.startswith("+49")


def test_every_country_has_an_example_of_its_own_or_none(settings):
    """None where the library's own example is a neighbour's number: that of another country gets no SMS."""
    without = set()
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        settings.SMS_DESTINATIONS = [country]
        example = services.example_number()
        if not example:
            without.add(country)
        else:
            assert phonenumbers.region_code_for_number(phonenumbers.parse(example)) == country
    assert without == {"AX", "BL", "CC", "CX", "EH", "IM", "MF", "SJ", "TA", "VA"}


@pytest.mark.parametrize("words", [["IM"], ["VA"]])
def test_no_example_is_shown_where_none_gets_an_sms(settings, api, words):
    settings.SMS_DESTINATIONS, settings.PHONE_REGION = words, ""
    assert refused("12").endswith(" Give it with + and the country code.")
    html = Client().get("/").content.decode()
    assert re.search(
        r'id="phone-hint"><span data-international>With \+ and the country code\.</span></p>', html
    )


@pytest.mark.parametrize(
    ("spelling", "words", "hint"),
    [
        ("12025550146", [], "The + is missing. If this is a number of the United States, write + in front"),
        (
            "49 151 23456789",
            ["DE"],
            "The + is missing. If this is a number of Germany, write + in front of it.",
        ),
        (
            "(202) 555-0147",
            ["US", "CA"],
            "If this is a number of the United States, write +1 in front of it.",
        ),
        ("151 23456789", ["AT", "DE"], "If this is a number of Germany, write +49 in front of it."),
        (
            "(202) 555-0147",
            [],
            "The country code is missing. Give it with + and the country code, for example +12015550123.",
        ),
        ("(202) 555-0147", ["DE"], "Give it with + and the country code, for example +4915123456789."),
    ],
)
def test_a_number_without_its_country_is_told_what_to_write_in_front(settings, spelling, words, hint):
    settings.SMS_DESTINATIONS = words
    said = refused(spelling)
    assert hint in said
    assert spelling not in said


@pytest.mark.parametrize("spelling", ["12025550146", "49 151 23456789", "(202) 555-0147", "0151 23456789"])
def test_whoever_writes_what_is_said_in_front_gets_an_sms(settings, spelling):
    settings.SMS_DESTINATIONS = ["US", "DE"]
    (front,) = re.findall(r"write (\+\d*) in front of it\.", refused(spelling))
    services.parse_phone(front + spelling)


def test_an_emergency_number_is_offered_nothing():
    assert refused("112") == "This is an emergency number; no SMS goes there."


def test_the_api_describes_itself_with_a_number_that_it_takes(settings, api):
    settings.SMS_DESTINATIONS = ["DE"]
    from otp.api.v1 import api as ninja

    schemas = ninja.get_openapi_schema()["components"]["schemas"]
    for schema, field in (("VerificationIn", "phone"), ("MessageIn", "to")):
        (example,) = schemas[schema]["properties"][field]["examples"]
        assert services.parse_phone(example).country == "DE"
    assert destinations.example() == example
