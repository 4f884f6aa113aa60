"""The texts of SMS in all languages: which one a number gets, and in how many parts."""

from __future__ import annotations

import phonenumbers
import pytest

from otp import languages, purposes, services
from otp.languages import lookup
from otp.pages import language
from otp.texts import LANGUAGES, TEXTS
from sms import segments
from sms.testing import code_in, outbox

#: Languages that need no character beyond GSM 03.38.
GSM = {"", "de", "en", "es", "fr", "id", "it", "nl", "pl", "pt", "tr"}

US, GERMAN, SWISS, JAPANESE = "+12025550123", "+4915123456789", "+41791234567", "+819012345678"


def sent(phone: str, **more) -> str:
    services.start(phone, **more)
    return outbox[-1].body


def rendered(tag: str, *, site: str = "Otpost", host: str = "otp.example.com", code: str = "123456") -> str:
    return purposes.get("login").render(code, lives=120, site=site, host=host, locale=tag)


@pytest.mark.parametrize("tag", sorted(TEXTS))
def test_a_text_takes_one_part(tag):
    body = rendered(tag)
    assert segments.count(body) == 1
    assert segments.GSM_7.issuperset(body) == (tag in GSM)
    assert (code_in(body), "Otpost" in body, "2" in body.replace("123456", "")) == ("123456", True, True)
    if tag in GSM:  # then there is room
        assert segments.count(rendered(tag, site="S" * 24, host="h" * 40, code="12345678")) == 1


def test_there_is_one_for_each_language_of_the_pages():
    assert TEXTS.keys() - {""} == language.PAGES


@pytest.mark.parametrize(
    ("locale", "tag"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("pt_BR", "pt"),
        ("pt-br", "pt"),
        ("PT", "pt"),
        ("zh", "zh-hans"),
        ("zh-CN", "zh-hans"),
        ("zh-SG", "zh-hans"),
        ("zh-Hans-TW", "zh-hans"),
        ("zh-Hant", "zh-hant"),
        ("zh-Hant-TW", "zh-hant"),
        ("zh_TW", "zh-hant"),
        ("zh-HK", "zh-hant"),
        ("zh-yue-HK", "zh-hant"),
        ("de-x-private", "de"),
        ("den", ""),
        ("zhx", ""),
        ("sv", ""),
        ("", ""),
    ],
)
def test_a_locale_finds_the_nearest(locale, tag):
    assert lookup(locale, TEXTS) == tag


def test_of_chinese_texts_the_one_in_that_script_is_found():
    assert lookup("zh-TW", {"", "zh"}) == "zh"
    assert lookup("zh-Hant-TW", {"", "zh-tw", "zh-hans"}) == ""
    assert lookup("zh-TW", {"", "zh-tw", "zh-hant"}) == "zh-tw"


@pytest.mark.parametrize("locale", ["zh-TW", "zh-x-TW"])
def test_what_is_compared_is_the_same_for_every_spelling(locale):
    assert languages.tag(locale.replace("-", "_")) == locale.lower()


@pytest.mark.parametrize(
    ("phone", "locale", "begins"),
    [
        (GERMAN, "", "{code} ist Ihr "),
        (JAPANESE, "", "Otpostの認証コード"),
        (US, "", "{code} is your "),
        (SWISS, "", "{code} is your "),  # of four languages
        (GERMAN, "fr-CH", "{code} est votre code "),
        (GERMAN, "en-GB", "{code} is your "),
        (GERMAN, "sv", "{code} is your "),  # whoever asked knows better than a table
    ],
)
def test_the_country_counts_where_nobody_names_a_locale(phone, locale, begins):
    body = sent(phone, locale=locale)
    assert body.startswith(begins.format(code=code_in(body)))


def test_a_code_that_is_sent_again_says_the_same(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    found = services.start(GERMAN)
    services.resend(found.id)
    assert outbox[0].body == outbox[1].body
    assert "ist Ihr" in outbox[1].body


@pytest.mark.parametrize(
    ("own", "phone", "locale", "begins"),
    [
        ("Own {code}", GERMAN, "", "Own "),
        ("Own {code}", GERMAN, "de", "Own "),
        (
            {"": "Own {code}", "de": "Eigener {code}"},
            GERMAN,
            "",
            "Own ",
        ),  # as it was before there were others
        ({"": "Own {code}", "de": "Eigener {code}"}, US, "de-DE", "Eigener "),
        ({"de": "Eigener {code}"}, GERMAN, "", "Eigener "),
        ({"de": "Eigener {code}"}, JAPANESE, "", "Otpostの"),
        ({"pt-br": "Seu {code}"}, US, "pt-BR", "Seu "),
        ({"pt-br": "Seu {code}"}, US, "pt-PT", "Otpost: confirme com "),
    ],
)
def test_a_text_of_the_purposes_own_wins(settings, own, phone, locale, begins):
    settings.OTP_PURPOSES = {"login": {"text": own}}
    assert sent(phone, locale=locale).startswith(begins)


def test_with_an_app_hash_only_the_short_one_is_sent(settings):
    settings.OTP_PURPOSES = {"login": {"app_hash": "FA+9qCX9VSu"}}
    body = sent(GERMAN, locale="ru")
    assert " is your " in body
    assert len(body.encode()) <= 140


def test_countries_are_countries_and_their_languages_are_there():
    assert LANGUAGES.keys() <= phonenumbers.SUPPORTED_REGIONS
    assert set(LANGUAGES.values()) <= TEXTS.keys()
