"""Plain messages over HTTP."""

from __future__ import annotations

import time

import pytest

from sms import services
from sms.testing import outbox


def test_a_message_to_any_number(api):
    response = api.post("/v1/messages", {"to": "+1 202 555 0123", "body": "Your parcel is here."})
    assert response.status_code == 202
    body = response.json()
    assert body["state"] == "queued"
    assert "2025550123" not in response.content.decode()
    assert [(sms.to, sms.body) for sms in outbox] == [("+12025550123", "Your parcel is here.")]
    found = api.get(f"/v1/messages/{body['id']}").json()
    assert (found["id"], found["state"], found["alias"]) == (body["id"], "sent", "test")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"to": "911", "body": "x"}, "phone_emergency", "to"),
        ({"to": "+12025550123", "body": " "}, "body_invalid", "body"),
        ({"to": "+12025550123", "body": "a\u0000b"}, "body_invalid", "body"),
        ({"to": "+12025550123", "body": "x" * 1601}, "field_invalid", "body"),
        ({"to": "+12025550123"}, "field_missing", "body"),
        ({"to": "+12025550123", "body": None}, "field_invalid", "body"),
    ],
)
def test_what_cannot_be_sent(api, redis, body, code, field):
    response = api.post("/v1/messages", body)
    assert response.status_code == 422
    assert (response.json()["code"], response.json()["field"]) == (code, field)
    assert (redis.keys(), outbox) == ([], [])


def test_a_message_that_never_was(api):
    response = api.get("/v1/messages/never")
    assert (response.status_code, response.json()["code"]) == (404, "message_unknown")


def test_a_country_without_a_route(api, redis, settings):
    settings.SMS_ROUTES = {"DE": "test"}
    for path, body, field in (
        ("/v1/messages", {"to": "+12025550123", "body": "Hello"}, "to"),
        ("/v1/verifications", {"phone": "+12025550123"}, "phone"),
    ):
        response = api.post(path, body)
        assert response.status_code == 422
        assert (response.json()["code"], response.json()["field"]) == ("no_route", field)
    assert (redis.keys(), outbox) == ([], [])


def test_overload_is_answered(api, redis, settings):
    settings.SMS_LONGEST_WAIT = {"otp": 2, "bulk": 2}
    long_ago = (time.time() - 10) * 1000
    for queue in ("otp", "bulk"):
        redis.zadd(f"sms:waiting:{queue}", {f"message-{n}": long_ago + n for n in range(20)})
    for path, body in (
        ("/v1/messages", {"to": "+12025550123", "body": "Hello"}),
        ("/v1/verifications", {"phone": "+12025550123"}),
    ):
        response = api.post(path, body)
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")
        assert response.headers["Retry-After"] in ("11", "12")  # how long the oldest has waited
    assert sorted(redis.keys()) == [b"sms:waiting:bulk", b"sms:waiting:otp"]


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_a_line_may_end_as_any_system_ends_it(api, ends):
    """A phone gets LF, whatever the caller's editor or form writes; what is counted is what is sent."""
    text = f"a{ends}b{ends}{ends}c"
    assert api.post("/v1/messages", {"to": "+12025550123", "body": text}).status_code == 202
    assert outbox[-1].body == "a\nb\n\nc"
    services.send("+12025550123", text)
    assert outbox[-1].body == "a\nb\n\nc"
    full = ends.join(["x" * 79] * 20)
    assert api.post("/v1/messages", {"to": "+12025550123", "body": full + ends}).status_code == 202
    assert len(outbox[-1].body) == services.MAX_BODY
