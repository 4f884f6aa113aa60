"""Purposes and the system checks that watch over them."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from otp import purposes, services
from otp.checks import purposes as checks
from otp.checks.settings import phone_secret_key
from otp.handler import OTPHandler
from sms.testing import outbox


def faults(settings, rules):
    settings.OTP_PURPOSES = {"login": rules}
    return [error.msg for error in checks.there_are_purposes() + checks.otp_purposes()]


def test_the_defaults_are_sound(settings):
    assert faults(settings, {}) == []
    login = purposes.get("login")
    assert (login.length, login.lifetime, login.attempts, login.cooldown) == (6, 120, 3, (30, 60, 120))


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"length": 5}, "under 20 bits"),
        ({"lifetime": 601}, "over 600 s"),
        ({"length": 0}, "whole numbers"),
        ({"attempts": "3"}, "whole numbers"),
        ({"cooldown": []}, "whole numbers"),
        ({"alphabet": "0012345678"}, "each once"),
        ({"alphabet": "abcdefghij"}, "capitals"),
        ({"text": "no code"}, "must hold {code}"),
        ({"text": "{code} {oops}"}, "nothing else in braces"),
        ({"text": "{code} {site.name}"}, "nothing else in braces"),
        ({"text": {"de": "{"}}, "nothing else in braces"),
        ({"lenght": 6}, "has no option 'lenght'"),
        ({"length": 33}, "length is over 32"),
        ({"length": 10**9}, "length is over 32"),
        ({"length": "6"}, "whole numbers"),
        ({"cooldown": "30"}, "whole numbers"),
        ({"cooldown": 30.0}, "whole numbers"),
        ({"cooldown": None}, "whole numbers"),
        ({"text": ["{code}"]}, "text must be a text, or a dict"),
        ({"text": {"de": 5}}, "text must be a text, or a dict"),
        ({"alphabet": 123456}, "alphabet must be a text"),
        ({"app_hash": 5}, "app_hash must be a text"),
        ({"new_code_on_resend": "no"}, "new_code_on_resend must be True or False"),
        ({"reverse": "yes"}, "reverse must be True or False"),
        ({"length": 5, "allow_weak": "False"}, "allow_weak must be True or False"),
        (None, "a dict of its options"),
        ([], "a dict of its options"),
        ({"app_hash": "short"}, "11 characters"),
        ({"app_hash": "FA+9qCX9VS!"}, "11 characters"),
        ({"app_hash": "FA+9qCX9VSu\n"}, "11 characters"),
        ({"app_hash": "FA+9qCX9VSu", "text": {"": "{code}", "fa": "{code} " + "ک" * 60}}, "Shorten it by "),
    ],
)
def test_what_is_wrong_is_named(settings, rules, words):
    (fault,) = faults(settings, rules)
    checks.autofill()  # no other check breaks on it
    checks.receipts_are_waited_for()
    checks.codes_can_be_carried()
    assert "login" in fault
    assert words in fault


CODES_OF_TELEGRAM = [
    ({}, True),
    ({"length": 8}, True),
    ({"length": 4, "allow_weak": True}, True),
    ({"length": 9}, False),
    ({"length": 3, "allow_weak": True}, False),
    ({"alphabet": "23456789ABCDEFGH"}, False),
]


@pytest.mark.parametrize(("rules", "carried"), CODES_OF_TELEGRAM)
def test_a_channel_in_a_route_that_cannot_carry_the_codes(settings, rules, carried):
    settings.SMS_PROVIDERS = {"tg": "telegram://:TOKEN@?only=codes", "main": "memory://"}
    settings.SMS_ROUTES = {"default": "main", "IR": "tg>main"}
    settings.OTP_PURPOSES = {"login": rules, "payment": {}}
    found = checks.codes_can_be_carried()
    assert [error.id for error in found] == ([] if carried else ["otp.E015"])
    for error in found:
        for word in ("OTP_PURPOSES['login']", "Telegram Gateway (tg)", "4 to 8 digits", "SMS_ROUTES"):
            assert word in error.msg
    settings.SMS_ROUTES = {"default": "main"}
    assert checks.codes_can_be_carried() == []


def test_weak_rules_must_be_asked_for(settings):
    assert faults(settings, {"length": 5, "lifetime": 900, "allow_weak": True}) == []


@pytest.mark.parametrize("setting", [{}, None, "login", ["login"], {5: {}}])
def test_what_are_no_purposes_at_all(settings, setting):
    settings.OTP_PURPOSES = setting
    (error,) = checks.there_are_purposes() + checks.otp_purposes()
    assert error.id == "otp.E002"
    assert "OTP_PURPOSES" in error.msg


def test_the_longest_code_is_drawn_to_its_last_character(settings):
    settings.OTP_PURPOSES = {"login": {"length": 32, "alphabet": "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"}}
    assert checks.otp_purposes() == []
    drawn = [OTPHandler.generate_otp(f"+120255501{n:02}").code for n in range(40)]
    assert all(len({code[place] for code in drawn}) > 10 for place in range(32))


@pytest.mark.parametrize("typed", ["", "01", "0123", "01a", "01C", "0 1", "012\n"])
def test_what_is_none_of_its_codes_does_not_fit(typed):
    rules = purposes.Purpose("door", length=3, alphabet="01A")
    assert rules.fits("01A")
    assert not rules.fits(typed)


def test_an_unknown_option_is_refused_at_use_too(settings):
    settings.OTP_PURPOSES = {"login": {"lenght": 6}}
    with pytest.raises(ImproperlyConfigured, match="lenght"):
        purposes.get("login")


def test_the_text_follows_the_locale_and_ends_with_the_bound_line(settings):
    settings.OTP_PURPOSES = {"login": {"text": {"": "Code {code}", "de": "Dein Code: {code}"}}}
    login = purposes.get("login")
    assert login.render("123456", lives=60, site="X", host="a.example") == "Code 123456\n\n@a.example #123456"
    assert login.render("1", lives=60, site="X", host="h", locale="de-AT").startswith("Dein Code: 1")
    assert login.render("1", lives=60, site="X", host="h", locale="fr").startswith("Code 1")


@pytest.mark.parametrize("key", ["", "short", "a" * 64])
def test_a_weak_phone_secret_is_refused(settings, key):
    settings.PHONE_SECRET_KEY = key
    assert [error.id for error in phone_secret_key()] == ["otp.E001"]


@pytest.mark.parametrize(
    ("rules", "passed"),
    [
        ({}, True),
        ({"length": 10}, True),
        ({"length": 11}, False),
        ({"length": 8, "alphabet": "ABCDEFGHJKLMNPQRSTUVWXYZ"}, False),
        ({"length": 8, "alphabet": "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"}, False),  # one in ten has no digit
    ],
)
def test_a_code_that_android_passes_over_is_warned_of(settings, rules, passed):
    settings.OTP_PURPOSES = {"login": rules}
    assert [warning.id for warning in checks.autofill()] == ([] if passed else ["otp.W002"])


def test_a_channel_that_no_provider_has_is_warned_of(settings):
    settings.SMS_PROVIDERS = {"main": "memory://", "call": "sandbox://?channel=voice"}
    settings.OTP_PURPOSES = {"login": {"channels": ["whatsapp", "sms", "voice"]}, "signup": {}}
    (found,) = checks.channels_have_providers()
    assert found.id == "otp.W005"
    assert found.msg.startswith(
        "OTP_PURPOSES['login']: channels names whatsapp, but SMS_PROVIDERS has no provider"
    )
    settings.SMS_PROVIDERS = settings.SMS_PROVIDERS | {"wa": "sandbox://?channel=whatsapp"}
    assert checks.channels_have_providers() == []


def test_email_is_warned_of_and_can_be_silenced(settings):
    settings.OTP_PURPOSES = {"login": {"channels": ["sms"]}, "address": {"channels": ["email"]}}
    (found,) = checks.email_is_no_second_factor()
    assert (found.id, found.is_silenced()) == ("otp.W006", False)
    assert found.msg.startswith("OTP_PURPOSES['address']: channels names email, which NIST SP 800-63B-4")
    settings.SILENCED_SYSTEM_CHECKS = ["otp.W006"]
    assert found.is_silenced()


def test_a_line_of_a_text_may_end_as_any_system_ends_it(settings):
    settings.OTP_PURPOSES = {"login": {"text": {"": "{code}\r\nis it", "de": "{code}\rist es"}}}
    for locale, middle in (("", "is it"), ("de", "ist es")):
        text = purposes.get("login").render("123456", lives=60, site="", host="a.example", locale=locale)
        assert text == f"123456\n{middle}\n\n@a.example #123456"


TEXTS = {
    "": "{code} all",
    "de": "{code} de",
    "pt_br": "{code} pt-BR",
    "zh-Hant": "{code} zh-Hant",
    "zh-Hant-HK": "{code} zh-Hant-HK",
    "SR-LATN": "{code} sr-Latn",
}


@pytest.mark.parametrize(
    ("locale", "found"),
    [
        *((locale, "de") for locale in ("de", "DE", "de-AT", "de_AT", "de_DE.UTF-8", "de-Latn-DE-1996")),
        *((locale, "pt-BR") for locale in ("pt-BR", "pt-br", "pt_BR", "PT-BR", "pt-BR-x-informal")),
        *((locale, "zh-Hant") for locale in ("zh-Hant", "zh-Hant-TW", "zh_hant_tw", "ZH-HANT-CN-x-private")),
        *((locale, "zh-Hant-HK") for locale in ("zh-Hant-HK", "zh-hant-hk-x-a-b")),
        ("sr_Latn_RS", "sr-Latn"),
        *(
            (locale, "all")
            for locale in ("", "pt", "pt-PT", "zh", "zh-Hans", "d", "-", "_", "x-de", "deu", "*")
        ),
    ],
)
def test_a_text_is_looked_up_as_rfc_4647_says(settings, locale, found):
    """The most specific text that a tag begins with, in any case. A single letter is not a language."""
    settings.OTP_PURPOSES = {"login": {"text": TEXTS}}
    assert checks.otp_purposes() == []
    services.start("+12025550123", locale=locale)
    assert outbox[-1].body.split("\n")[0].endswith(f" {found}")


@pytest.mark.parametrize(
    ("locales", "words"),
    [
        (["de", "DE"], "text names 'de' and 'DE', which are the same locale"),
        (["pt-BR", "pt_br"], "text names 'pt-BR' and 'pt_br', which are the same locale"),
        (
            ["deutsch, bitte"],
            "text has 'deutsch, bitte', which is not a locale; write one such as de, pt-BR or zh-Hant",
        ),
        (["de-"], "text has 'de-', which is not a locale"),
        (["grün"], "text has 'grün', which is not a locale"),
        ([" "], "text has ' ', which is not a locale"),
        (["a-very-long-one-of-more-than-thirty-five"], "which is not a locale"),
    ],
)
def test_locales_that_nobody_could_find_are_refused(settings, locales, words):
    settings.OTP_PURPOSES = {"login": {"text": dict.fromkeys(locales, "{code}")}}
    (error,) = checks.there_are_purposes()
    assert error.id == "otp.E002"
    assert error.msg.startswith("OTP_PURPOSES['login']: text ")
    assert words in error.msg
