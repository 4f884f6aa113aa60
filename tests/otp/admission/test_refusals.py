"""The answers to refused callers."""

from __future__ import annotations

import pytest

from otp.api import access
from sms.testing import outbox
from tests.otp.admission.calls import PHONE, numbers

pytestmark = pytest.mark.usefixtures("no_cooldown")


def test_over_http_the_limit_is_named(settings, api):
    settings.OTP_LIMITS = "phone=1/10m"
    assert api.post("/v1/verifications", {"phone": PHONE}).status_code == 202
    answer = api.post("/v1/verifications", {"phone": PHONE})
    assert answer.status_code == 429
    told = answer.json()
    assert (told["code"], told["limit"]) == ("rate_limited", "phone")
    wait = told["retry_after"]
    assert answer["Retry-After"] == str(wait)
    assert answer["RateLimit-Policy"] == '"phone";q=1;w=600'
    assert answer["RateLimit"] == f'"phone";r=0;t={wait}'


def test_the_quota_of_a_rate_is_its_figure_not_its_bunch(settings, api):
    settings.OTP_LIMITS = "all=1/1m+2"
    for phone in numbers(2):
        api.post("/v1/verifications", {"phone": phone})
    assert api.post("/v1/verifications", {"phone": PHONE})["RateLimit-Policy"] == '"all";q=1;w=60'


def test_over_http_a_cooldown_and_a_pause_are_named(settings, api):
    settings.OTP_PURPOSES = {"login": {}}
    started = api.post("/v1/verifications", {"phone": PHONE}).json()
    answer = api.post(f"/v1/verifications/{started['id']}/resend")
    assert (answer.status_code, answer.json()["limit"]) == (429, "cooldown")
    assert answer["RateLimit-Policy"] == '"cooldown";q=1'


def test_the_own_limits_of_a_key_hold_for_messages_too(settings, api):
    settings.OTP_LIMITS = "off"
    settings.API_ACCESS = access.parse("tests=verify,messages,client_ip,3/1m")
    assert api.post("/v1/messages", {"to": PHONE, "body": "one"}).status_code == 202
    assert api.post("/v1/verifications", {"phone": PHONE}).status_code == 202
    assert api.post("/v1/messages", {"to": PHONE, "body": "two"}).status_code == 202
    for path, body in [
        ("messages", {"to": PHONE, "body": "x"}),
        ("verifications", {"phone": "+12025550124"}),
    ]:
        answer = api.post(f"/v1/{path}", body)
        assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (
            429,
            "rate_limited",
            "key",
        )
        assert answer["RateLimit-Policy"] == '"key";q=3;w=60'
    assert len(outbox) == 3


def test_over_the_api_the_users_address_counts_and_goes_on_with_a_resend(settings, api):
    settings.OTP_LIMITS = "ip=2/1m"
    settings.API_ACCESS = access.parse("tests=verify,client_ip")
    body = {"phone": PHONE, "client_ip": "198.51.100.7"}
    started = api.post("/v1/verifications", body).json()
    assert api.post(f"/v1/verifications/{started['id']}/resend").status_code == 202
    answer = api.post("/v1/verifications", body | {"phone": "+12025550124"})
    assert (answer.status_code, answer.json()["limit"]) == (429, "ip")
    assert api.post("/v1/verifications", {"phone": "+12025550124"}).status_code == 202


def test_on_the_pages_the_address_of_the_request_counts(settings, client):
    settings.OTP_LIMITS = "ip=1/1m"
    assert client.post("/", {"phone": PHONE}, secure=True).status_code == 303
    answer = client.post(
        "/", {"phone": "+12025550124"}, secure=True, headers={"X-Forwarded-For": "198.51.100.7"}
    )
    assert answer.status_code == 429
    assert "Too many codes were requested" in answer.content.decode()
    assert answer["RateLimit-Policy"] == '"ip";q=1;w=60'
    assert answer["RateLimit"] == f'"ip";r=0;t={answer["Retry-After"]}'
