"""Plain messages over HTTP."""

from __future__ import annotations

import time
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from sms import broker, cells, ids, optouts, services
from sms.delivery import drain
from sms.errors import OutcomeUnknown
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


class TestSomebodyElsesCode:
    CODE: ClassVar = {"to": "+12025550123", "body": "428013 opens the door.", "kind": "code"}

    def test_it_has_the_queue_and_the_life_of_a_code(self, api):
        response = api.post("/v1/messages", self.CODE)
        assert response.status_code == 202
        message = services.get(response.json()["id"])
        assert (message.queue, message.expires_at - message.created_at) == ("otp", 120)
        assert [sms.body for sms in outbox] == ["428013 opens the door."]

    @pytest.mark.parametrize(
        ("kind", "seconds"), [("code", 30), ("code", 600), ("message", 30), ("message", 86400)]
    )
    def test_it_lives_as_long_as_it_is_said_to(self, api, kind, seconds):
        made = api.post("/v1/messages", self.CODE | {"kind": kind, "expires_in": seconds}).json()
        message = services.get(made["id"])
        assert message.expires_at - message.created_at == seconds

    def test_it_is_not_sent_once_it_is_dead(self, api, monkeypatch):
        monkeypatch.setattr(broker, "publish", lambda *_: True)  # no worker is there
        made = api.post("/v1/messages", self.CODE | {"expires_in": 1}).json()
        time.sleep(1.1)
        drain.drain(made["id"])
        assert services.get(made["id"]).state == "expired"
        assert outbox == []

    def test_it_goes_to_a_number_that_has_opted_out(self, api):
        optouts.add("test", ["+12025550123"])
        assert api.post("/v1/messages", self.CODE).status_code == 202
        assert api.post("/v1/messages", self.CODE | {"kind": "message"}).json()["code"] == "opted_out"

    @pytest.mark.parametrize(("kind", "calls"), [("code", "ab"), ("message", "a")])
    def test_where_its_outcome_stays_unknown_another_alias_has_it(self, api, house, settings, kind, calls):
        settings.SMS_RECEIPT_WAIT = 0.01
        settings.SMS_ROUTES = {"default": "a>b"}
        house.providers["a"].outcomes = [OutcomeUnknown("lost")]
        made = api.post("/v1/messages", self.CODE | {"kind": kind}).json()
        house.deliver(made["id"])
        time.sleep(0.05)
        house.deliver(made["id"])
        assert house.calls == calls

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"expires_in": 601}, "expires_in"),
            ({"expires_in": 0}, "expires_in"),
            ({"expires_in": 86401, "kind": "message"}, "expires_in"),
            ({"kind": "otp"}, "kind"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, api, redis, wrong, field):
        response = api.post("/v1/messages", self.CODE | wrong)
        assert (response.status_code, response.json()["field"]) == (422, field)
        assert redis.keys() == []


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
        for cell in cells.every():
            redis.zadd(f"sms:waiting:{queue}", {ids.new(cell): long_ago + n for n in range(20)})
    for path, body in (
        ("/v1/messages", {"to": "+12025550123", "body": "Hello"}),
        ("/v1/verifications", {"phone": "+12025550123"}),
    ):
        with capture_logs() as logs:
            response = api.post(path, body)
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")
        assert [line["event"] for line in logs] == ["overloaded"]
        assert response.headers["Retry-After"] in ("11", "12")  # how long the oldest has waited
    left = {key for key in redis.scan_iter() if not key.startswith(b"sms:tally:")}
    assert left == {b"sms:waiting:bulk", b"sms:waiting:otp"}


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
