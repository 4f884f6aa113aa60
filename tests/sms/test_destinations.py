"""Where an SMS may go: countries, prefixes and kinds of numbers."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from sms import destinations, services
from sms.errors import InvalidNumber
from sms.phone import Phone

US, GB, DE_MOBILE = "+12025550123", "+447400123456", "+4915123456789"
PREMIUM, FIXED, VOIP, PERSONAL = "+19005550123", "+4930123456", "+445600123456", "+447012345678"


@pytest.mark.parametrize(
    ("words", "allowed", "refused"),
    [
        ("", [US, GB, DE_MOBILE], []),
        ("*", [US, GB, DE_MOBILE], []),
        ("US", [US], [GB, DE_MOBILE]),
        ("US DE", [US, DE_MOBILE], [GB]),
        ("* -US", [GB, DE_MOBILE], [US]),
        ("-US", [GB, DE_MOBILE], [US]),
        ("GB -+4474", [], [GB, US]),
        ("-+447", [US], [GB]),
    ],
)
def test_countries_and_prefixes(settings, words, allowed, refused):
    settings.SMS_DESTINATIONS = words.split()
    for number in allowed:
        services.parse_phone(number)
    for number in refused:
        with pytest.raises(InvalidNumber) as caught:
            services.parse_phone(number)
        assert caught.value.code == "phone_not_allowed"
        assert number[-4:] not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "allowed", "refused"),
    [
        ("", [VOIP, PERSONAL], [PREMIUM, FIXED]),
        ("-voip -personal_number", [US], [PREMIUM, FIXED, VOIP, PERSONAL]),
        ("fixed_line", [FIXED], [PREMIUM]),
    ],
)
def test_kinds(settings, words, allowed, refused):
    settings.SMS_DESTINATIONS = words.split()
    for number in allowed:
        services.parse_phone(number)
    for number in refused:
        with pytest.raises(InvalidNumber) as caught:
            services.parse_phone(number)
        assert caught.value.code == "phone_type"


@pytest.mark.parametrize("kind", ["premium_rate", "shared_cost", "pager", "uan", "voicemail", "fixed_line"])
def test_a_kind_that_is_refused_is_let_through_by_its_name(settings, kind):
    number = Phone("+442079460000", "GB", "", kind)
    with pytest.raises(InvalidNumber) as caught:
        destinations.require(number)
    assert caught.value.code == "phone_type"
    settings.SMS_DESTINATIONS = [kind]
    assert destinations.require(number) is number


def test_over_http_nothing_is_stored(settings, api, redis):
    settings.SMS_DESTINATIONS = ["DE"]
    for path, body in [("verifications", {"phone": US}), ("messages", {"to": US, "body": "x"})]:
        answer = api.post(f"/v1/{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "phone_not_allowed")
    assert not redis.keys()


@pytest.mark.parametrize("word", ["XX", "de", "+4470", "-", "-+", "-+999", "voips", "Germany", "-*"])
def test_a_word_that_means_nothing_is_refused_at_start(settings, word):
    settings.SMS_DESTINATIONS = ["US", word]
    with pytest.raises(ImproperlyConfigured, match="SMS_DESTINATIONS"):
        destinations.configured()
    with pytest.raises(SystemCheckError, match="E008"):
        call_command("check")


@pytest.mark.parametrize(("word", "mend"), [("de", "write DE instead of de"), ("-ir", "write -IR instead")])
def test_a_country_in_small_letters_is_told_how_to_write_it(settings, word, mend):
    settings.SMS_DESTINATIONS = ["US", word]
    with pytest.raises(ImproperlyConfigured, match=f"SMS_DESTINATIONS: {mend}"):
        destinations.configured()


@pytest.mark.parametrize("setting", ["DE", "*", None, [49], {"DE": True}])
def test_what_is_no_list_of_words_is_refused_at_start(settings, setting):
    settings.SMS_DESTINATIONS = setting
    with pytest.raises(SystemCheckError, match="SMS_DESTINATIONS must be a list of texts"):
        call_command("check")


@pytest.mark.parametrize(("region", "mend"), [("UK", "Write GB"), ("DEU", "such as US"), (49, "such as US")])
def test_a_region_that_is_no_country_is_refused_at_start(settings, region, mend):
    settings.PHONE_REGION = region
    with pytest.raises(SystemCheckError, match=f"PHONE_REGION.*{mend}"):
        call_command("check")


@pytest.mark.parametrize("region", ["", "GB", "gb"])
def test_a_region_in_any_case_is_one(settings, region):
    settings.PHONE_REGION = region
    call_command("check")


@pytest.mark.parametrize(
    ("words", "refused"), [([], True), (["-IR"], True), (["US"], False), (["*", "-IR"], False)]
)
def test_in_production_a_paid_provider_needs_named_countries(settings, words, refused):
    settings.SMS_PROVIDERS = {"main": "twilio://AC1:secret@?from=%2B15005550006"}
    settings.SMS_DESTINATIONS = words
    if not refused:
        call_command("check")
        return
    with pytest.raises(SystemCheckError, match=r"E009.* SMS_DESTINATIONS names no country, and main costs"):
        call_command("check")


@pytest.mark.parametrize(
    ("debug", "provider"),
    [
        (True, "twilio://AC1:secret@?from=%2B15005550006"),
        (False, "console://?clear=yes"),
        (False, "file:///tmp/out?clear=yes"),
    ],
)
def test_in_development_and_without_cost_no_country_need_be_named(settings, debug, provider):
    settings.DEBUG, settings.SMS_PROVIDERS = debug, {"main": provider}
    call_command("check")
