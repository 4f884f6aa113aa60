"""The requests of Logto and FusionAuth for an SMS, in the form of their sources."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from otp.api import access
from sms import services
from sms.testing import outbox
from tests.settings import API_KEY

LOGTO, FUSIONAUTH = "/v1/hooks/logto", "/v1/hooks/fusionauth"

FROM_LOGTO = {
    "to": "+12025550123",
    "type": "SignIn",
    "payload": {"code": "561166", "locale": "de-DE", "application": {"name": "Shop"}},
    "ip": "203.0.113.7",
}
FROM_FUSIONAUTH = {
    "code": "561166",
    "phoneNumber": "+12025550123",
    "textMessage": "Two Factor Code: 561166",
    "type": "SMS",
    "userId": "00000000-0000-0001-0000-000000000000",
}


def call(url, content, key=API_KEY, content_type="application/json"):
    body = content if isinstance(content, str) else json.dumps(content)
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    return client.post(url, body, content_type=content_type, headers={"Authorization": f"Bearer {key}"})


def code(response):
    return response.status_code, response.json()["code"]


def test_a_code_of_logto_has_the_text_of_its_purpose(settings):
    settings.OTP_PURPOSES = {"login": {"text": {"": "{code}", "de": "Code {code}, {minutes} Min."}}}
    response = call(LOGTO, FROM_LOGTO)
    assert (response.status_code, response.json()) == (200, {})
    (sms,) = outbox
    assert (sms.to, sms.body, sms.code) == ("+12025550123", "Code 561166, 2 Min.", "561166")
    message = services.get(sms.id)
    assert (message.queue, message.purpose, message.api_key) == ("otp", "login", "tests")


def test_a_code_of_fusionauth_has_its_own_text():
    response = call(FUSIONAUTH, FROM_FUSIONAUTH)
    assert (response.status_code, response.json()) == (200, {})
    (sms,) = outbox
    assert (sms.to, sms.body, sms.code) == ("+12025550123", "Two Factor Code: 561166", "561166")


def test_a_call_of_fusionauth_goes_by_voice_alone():
    voice = FROM_FUSIONAUTH | {"type": "Voice", "message": "Your code is 5 6 1 1 6 6"}
    assert code(call(FUSIONAUTH, voice)) == (422, "no_route")
    assert outbox == []


@pytest.mark.parametrize(("url", "content"), [(LOGTO, FROM_LOGTO), (FUSIONAUTH, FROM_FUSIONAUTH)])
class TestBoth:
    def test_the_address_names_the_purpose(self, url, content):
        call(f"{url}?purpose=signup", content)
        assert outbox[-1].purpose == "signup"
        assert code(call(f"{url}?purpose=x", content)) == (422, "purpose_unknown")

    def test_a_wrong_key_opens_nothing(self, url, content):
        assert code(call(url, content, key="wrong")) == (401, "unauthorized")

    @pytest.mark.parametrize(
        ("words", "why"),
        [("verify,read", "scope_missing"), ("messages,purpose:signup", "purpose_not_allowed")],
    )
    def test_a_key_does_what_it_may(self, settings, url, content, words, why):
        settings.API_ACCESS = access.parse(f"tests={words}")
        assert code(call(url, content)) == (403, why)
        assert outbox == []

    def test_limits_hold_for_the_number_and_for_the_key(self, settings, url, content):
        settings.API_ACCESS = access.parse("tests=messages,1/1h")
        assert call(url, content).status_code == 200
        assert code(call(url, content)) == (429, "rate_limited")
        settings.API_ACCESS, settings.OTP_LIMITS = {}, "phone=1/1h"
        assert call(url, content).status_code == 200
        assert code(call(url, content)) == (429, "rate_limited")

    def test_what_cannot_be_read_is_refused(self, url, content):
        for broken in ("{", "[" * 15_000):
            assert code(call(url, broken)) == (400, "malformed_json")
        assert code(call(url, content, content_type="text/plain")) == (415, "unsupported_media_type")
        others = {"to": 1, "phoneNumber": 1}, {"payload": {}, "code": 1}
        bodies: list[object] = [[], None, {}, *(content | other for other in others)]
        for body in bodies:
            assert code(call(url, body)) == (422, "field_missing")
        assert Client().get(url).status_code == 405


def test_the_users_address_counts_from_a_key_that_may_name_it(settings):
    settings.OTP_LIMITS = "ip=1/1h"
    for words, status in (("messages", 200), ("messages,client_ip", 429)):
        settings.API_ACCESS = access.parse(f"tests={words}")
        call(LOGTO, FROM_LOGTO)
        assert call(LOGTO, FROM_LOGTO | {"to": "+12025550124"}).status_code == status


@pytest.mark.parametrize("ip", ["", "x", None, 1])
def test_an_address_that_is_none_does_no_harm(settings, ip):
    settings.API_ACCESS = access.parse("tests=messages,client_ip")
    assert call(LOGTO, FROM_LOGTO | {"ip": ip}).status_code == 200
