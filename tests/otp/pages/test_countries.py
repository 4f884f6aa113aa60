"""The country of the number: which are offered, under which names, and how a number is read."""

from __future__ import annotations

import re

import pytest

from otp import sessions
from sms import services
from sms.message import Channel
from sms.testing import outbox
from tests.otp.pages.test_session_pages import form
from tests.otp.pages.visit import text

BERLIN = "0151 23456789"


def options(answer) -> dict[str, str]:
    """The text of each option, without the marks of direction, by the value of a country."""
    found = re.findall(r'<option value="(\w\w)"[^>]*>([^<]*)</option>', answer.content.decode())
    return {value: words.replace("\u2066", "").replace("\u2069", "") for value, words in found}


def picked(answer) -> list[str]:
    return re.findall(r'<option value="(\w\w)" selected', answer.content.decode())


def asked(browser, accepted: str, path: str = "/"):
    return browser.get(path, headers={"Accept-Language": accepted})


# --- what is offered ------------------------------------------------------------------------------


def test_they_have_their_names_in_the_language_of_the_page_and_stand_in_their_order(browser, settings):
    settings.SMS_DESTINATIONS = ["AT", "DE", "EG", "BR", "CZ", "US"]
    assert list(options(asked(browser, "de")).values()) == [
        *("Ägypten (+20)", "Brasilien (+55)", "Deutschland (+49)"),
        *("Österreich (+43)", "Tschechien (+420)", "Vereinigte Staaten (+1)"),
    ]
    for tag, name in (
        ("ar", "ألمانيا"),
        ("zh-TW", "德國"),
        ("zh", "德国"),
        ("hi", "जर्मनी"),
        ("sv", "Germany"),
    ):
        assert options(asked(browser, tag))["DE"].startswith(f"{name} (")
    # That of Portugal: in Brazil one writes Tchéquia.
    assert options(asked(browser, "pt"))["CZ"] == "Chéquia (+420)"


def test_those_to_which_no_code_goes_are_not_offered(browser, settings):
    settings.SMS_DESTINATIONS = ["*", "-IR", "-US"]
    assert len(options(browser.get("/"))) > 200
    assert not {"IR", "US"} & options(browser.get("/")).keys()
    settings.SMS_DESTINATIONS = ["US", "CA", "voice:FR"]
    assert options(browser.get("/")).keys() == {"US", "CA"}
    settings.SMS_PROVIDERS = {"test": "memory://", "call": "sandbox://:secret@127.0.0.1:9?channel=voice"}
    assert options(browser.get("/")).keys() == {"US", "CA", "FR"}
    settings.SMS_ROUTES = {"US": "test", "+336": "call"}
    assert options(browser.get("/")).keys() == {"US", "FR"}


def test_one_alone_needs_no_picking(browser, settings):
    settings.SMS_DESTINATIONS = ["DE"]
    answer = browser.get("/")
    assert b"<select" not in answer.content
    assert "For example 01512 3456789 (Germany). Send the code" in text(answer)
    browser.post("/", {"phone": BERLIN})
    assert outbox[-1].to == "+4915123456789"


def test_every_example_is_read_as_it_is_shown():
    shown = {country: services.example_of(country) for country in services.countries_of([Channel.SMS])}
    assert len(list(filter(None, shown.values()))) > 230
    for country, example in filter(all, shown.items()):
        spelled = services.spelled_at_home(example)
        assert "+" not in spelled
        assert services.parse_phone(spelled, region=country).e164 == example


# --- which is picked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "accepted", "expected"),
    [
        ("", "en", []),
        ("", "", []),
        ("", "de-AT,de;q=0.9,en-US;q=0.8", ["AT"]),
        ("", "de,en-US;q=0.8", ["US"]),
        ("", "zh-Hant-TW", ["TW"]),
        ("", "fr-CA", []),  # no SMS may go there
        ("", "fr-CA,de-AT;q=0.5", ["AT"]),
        ("", "es-419", []),
        ("us", "de-AT", ["US"]),
        ("FR", "de-AT", ["AT"]),
    ],
)
def test_one_is_picked_beforehand(browser, settings, region, accepted, expected):
    settings.SMS_DESTINATIONS, settings.PHONE_REGION = ["DE", "AT", "US", "TW"], region
    assert picked(asked(browser, accepted)) == expected


def test_the_hint_shows_a_number_of_the_picked_one(browser, settings):
    assert "With + and the country code, for example +1 201-555-0123." in text(asked(browser, "en"))
    settings.PHONE_REGION = "GB"
    words = "For example 07400 123456 (United Kingdom). Any number works with + and its country code."
    assert words in text(asked(browser, "en"))
    assert "Zum Beispiel 07400 123456 (Vereinigtes Königreich)." in text(asked(browser, "de"))


# --- how a number is read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "country", "e164"),
    [
        (BERLIN, "DE", "+4915123456789"),
        ("07400 123456", "GB", "+447400123456"),
        ("+447400123456", "DE", "+447400123456"),
        ("00447400123456", "US", "+447400123456"),
        ("٠١٥١٢٣٤٥٦٧٨٩", "DE", "+4915123456789"),
    ],
)
def test_a_number_is_read_as_in_the_picked_country(browser, typed, country, e164):
    assert browser.post("/", {"phone": typed, "country": country}).status_code == 303
    assert outbox[-1].to == e164


def test_what_was_picked_stays_beside_an_error(browser):
    answer = browser.post("/", {"phone": "0151", "country": "DE"}, headers={"Accept-Language": "en-US"})
    assert (answer.status_code, picked(answer)) == (422, ["DE"])
    assert 'aria-describedby="phone-error phone-hint"' in answer.content.decode()
    assert "For example 01512 3456789 (Germany)." in text(answer)


@pytest.mark.parametrize("country", ["", "FR", "zz", '"><script>'])
def test_what_is_not_offered_is_not_picked(browser, settings, country):
    settings.SMS_DESTINATIONS = ["US", "DE"]
    answer = browser.post("/", {"phone": BERLIN, "country": country})
    assert (answer.status_code, picked(answer)) == (422, [])
    assert b"<script>" not in answer.content.partition(b"<main")[2]
    settings.PHONE_REGION = "DE"
    assert browser.post("/", {"phone": BERLIN, "country": country}).status_code == 303


def test_without_a_picker_in_the_form_the_browsers_languages_do_not_count(browser):
    """A project's own template may have no list. Then the user never saw the preselected country."""
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "de-DE"
    assert browser.post("/", {"phone": BERLIN}).status_code == 422


def test_the_number_of_a_session_has_one_too(browser):
    session = sessions.create(owner="shop", return_url="https://shop.example/", locale="de")
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "de-AT"
    answer = browser.get(f"/s/{session.id}", follow=True)
    assert (picked(answer), options(answer)["AT"]) == (["AT"], "Österreich (+43)")
    browser.post("/number", form(answer) | {"phone": BERLIN, "country": "DE"})
    assert outbox[-1].to == "+4915123456789"


def test_a_session_that_brings_its_number_has_none(browser):
    session = sessions.create(owner="shop", return_url="https://shop.example/", phone="+12025550123")
    answer = browser.get(f"/s/{session.id}", follow=True)
    assert b"<select" not in answer.content
    assert b"countries.js" not in answer.content
