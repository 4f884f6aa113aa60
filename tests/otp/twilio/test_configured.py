"""Services, rate limits and templates, as the official Python SDK reads them."""

from __future__ import annotations

import pytest

from otp.texts import TEXTS
from otp.twilio import sids
from tests.otp.twilio.conftest import ACCOUNT, LOGIN, refused

SIGNUP = sids.of_name("VA", "signup")


def test_every_purpose_is_a_service(client):
    login, signup = client.verify.v2.services.list()
    assert (login.sid, login.friendly_name, login.code_length) == (LOGIN, "login", 6)
    assert (signup.sid, signup.friendly_name, signup.code_length) == (SIGNUP, "signup", 8)
    fetched = client.verify.v2.services(SIGNUP).fetch()
    assert (fetched.account_sid, fetched.custom_code_enabled) == (ACCOUNT, False)
    assert fetched.links["verifications"] == f"{fetched.url}/Verifications"
    assert refused(client.verify.v2.services("VA" + "0" * 32).fetch) == (404, 20404)


def test_limits_are_rate_limits_with_their_figures(client, settings):
    settings.OTP_LIMITS = {"phone": "5/10m,10/1d", "all": "50/1s+200"}
    limits = client.verify.v2.services(LOGIN).rate_limits
    phone, everybody = limits.list()
    assert (phone.unique_name, everybody.unique_name) == ("phone", "all")
    of_phone = limits(phone.sid).buckets.list()
    assert [(one.max, one.interval) for one in of_phone] == [(5, 600), (10, 86400)]
    assert limits(phone.sid).buckets(of_phone[1].sid).fetch().max == 10
    assert limits(everybody.sid).fetch().unique_name == "all"
    assert refused(limits("RK" + "0" * 32).fetch) == (404, 20404)
    assert refused(limits(everybody.sid).buckets(of_phone[1].sid).fetch) == (404, 20404)


def test_texts_are_templates(client, settings):
    settings.OTP_PURPOSES = {"login": {"text": {"": "{code} of {site}", "de": "{code}: {minutes} min"}}}
    (login,) = client.verify.v2.templates.list()
    assert login.sid == sids.of_name("HJ", "login")
    assert login.translations["default"]["text"] == "{{code}} of {{friendly_name}}"
    assert login.translations["de"]["text"] == "{{code}}: {{minutes}} min"
    assert [one["is_default_translation"] for one in login.translations.values()] == [True, False]
    assert client.verify.v2.templates.list(friendly_name="signup") == []
    assert len(client.verify.v2.templates.list(friendly_name="login")) == 1


def test_texts_of_ours_are_templates_too(client, settings):
    settings.OTP_PURPOSES = {"login": {"text": {"de": "{code}"}}}
    (login,) = client.verify.v2.templates.list()
    assert login.translations.keys() == TEXTS.keys() - {""} | {"default"}
    assert login.translations["de"]["text"] == "{{code}}"
    assert login.translations["fr"]["text"].startswith("{{code}} est votre code {{friendly_name}}.")


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        (lambda verify: verify.services.create(friendly_name="x"), "OTP_PURPOSES"),
        (lambda verify: verify.services(LOGIN).update(code_length=4), "OTP_PURPOSES"),
        (lambda verify: verify.services(LOGIN).delete(), "OTP_PURPOSES"),
        (lambda verify: verify.services(LOGIN).rate_limits.create(unique_name="x"), "OTP_LIMITS"),
        (lambda verify: verify.services(LOGIN).rate_limits("x").update(description="x"), "OTP_LIMITS"),
        (
            lambda verify: verify.services(LOGIN).rate_limits("x").buckets.create(max=1, interval=1),
            "OTP_LIMITS",
        ),
        (lambda verify: verify.services(LOGIN).rate_limits("x").buckets("y").delete(), "OTP_LIMITS"),
    ],
)
def test_what_would_change_a_setting_names_it(client, served, change, setting):
    assert refused(lambda: change(client.verify.v2)) == (403, 60204)
    assert setting.encode() in served.heard[-1].body
