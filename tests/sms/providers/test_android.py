"""SMS Gateway for Android: the contract, and its own features. Samples follow the sources of the app
(0cdc5d8) and of its server (22074dd).
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from sms.errors import OutcomeUnknown, PermanentFailure, ReceiptRejected
from sms.ids import new
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import (
    INBOUND_URL,
    SMS,
    TEXT,
    URL,
    USER,
    InboundContract,
    PollContract,
    ProviderContract,
)

SECRET, PASSWORD = "s1gn1ng-key", "f00-of-the-app"
DEVICE = "PyDmBQZZXYmyxMwED8Fzy"
ID = "ref-1.4fd043de"  # the beginning of SHA-256 of "ref-1.1"
RECEIPTS = "https://a.example/v1/receipts/main"


def signed(body: bytes, age: float = 0, secret: str = SECRET) -> dict[str, str]:
    signed_at = str(int(time.time() - age))
    mac = HMAC(secret.encode(), hashes.SHA256())
    mac.update(body)
    mac.update(signed_at.encode())
    return {"x-signature": mac.finalize().hex(), "x-timestamp": signed_at}


def event(name: str, **payload: Any) -> bytes:
    sample = {"deviceId": DEVICE, "event": name, "id": "Ey6ECgOkVVFjz3CL48B8C", "webhookId": "LreFUt-Z3s"}
    return json.dumps(sample | {"payload": payload}).encode()


def of_message(state: str, error: str | None = None, **changes: Any) -> tuple[int, str]:
    """The answer of GET /messages/{id}, and of POST /messages for a pending one."""
    sample = {
        "id": ID,
        "deviceId": DEVICE,
        "state": state,
        "isHashed": False,
        "isEncrypted": False,
        "recipients": [{"phoneNumber": SMS.to, "state": state, "error": error}],
        "states": {state: "2026-07-14T10:00:00.000+00:00"},
    }
    return 200, json.dumps(sample | changes)


def refusal(status: int, message: str) -> tuple[int, str]:
    return status, json.dumps({"message": message})


class TestAndroid(ProviderContract, InboundContract):
    url = (
        f"android://sms:{PASSWORD}@phone.example:8080?receipt_secret={SECRET}"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = (202, of_message("Pending")[1])
    accepted_id = ID
    refused_number = refusal(400, f"failed to use phone in row 1: invalid phone number {SMS.to}")
    refused_credentials = (401, "")
    throttled = refusal(503, "queue limits exceeded")
    refusals: ClassVar = {
        "refused": [
            refusal(400, "failed to use phone in row 1: not mobile phone number"),
            refusal(400, "Text message is empty"),
            (400, json.dumps({"message": ["device"]})),
        ],
        "account": [
            refusal(400, "Invalid device ID"),
            refusal(400, "failed to select device: record not found"),
            refusal(403, "scope required: messages:send"),
            (404, "404 page not found"),
        ],
        "temporary": [refusal(500, "failed to handle request"), refusal(500, "device: locked"), (503, "")],
    }
    words: ClassVar = {
        "sms:sent": State.SENT,
        "sms:delivered": State.DELIVERED,
        "sms:failed": State.FAILED,
        "sms:cancelled": State.FAILED,
        "sms:data-received": State.UNKNOWN,
    }

    def body(self, word: str, **changes: Any) -> bytes:
        payload = {
            "messageId": ID,
            "sender": None,
            "recipient": SMS.to,
            "simNumber": 1,
            "phoneNumber": SMS.to,
            "sentAt": "2026-07-14T10:00:00.000+00:00",
        }
        return event(word, **(payload | changes))

    def receipt(self, word, **changes):
        body = self.body(word, **changes)
        return signed(body), body

    def receipt_url(self, word):
        return RECEIPTS

    def forgeries(self):
        body = self.body("sms:delivered")
        good = signed(body)
        heads = [
            {"x-timestamp": good["x-timestamp"]},
            {"x-signature": good["x-signature"]},
            good | {"x-timestamp": str(int(good["x-timestamp"]) + 1)},
            good | {"x-timestamp": "now"},
            good | {"x-timestamp": "9" * 5000},
            good | {"x-signature": "\ud800é"},
            signed(body, secret="another-key"),
            signed(body, age=310),  # replayed
            signed(body, age=-310),
        ]
        bodies = [b"", b"[" * 200_000, b"{}", b'{"event": "sms:sent", "payload": []}', b'{"payload": {}}']
        return [
            *super().forgeries(),
            *((head, body, RECEIPTS) for head in heads),
            *((signed(each), each, RECEIPTS) for each in bodies),
        ]

    def inbound(self):
        body = event(
            "sms:received",
            messageId="a1b2c3d4",
            sender=USER,
            recipient="+12025550100",
            simNumber=1,
            phoneNumber=USER,
            message=TEXT,
            receivedAt="2026-07-14T10:00:00.000+00:00",
        )
        return signed(body), body

    def inbound_forgeries(self):
        _, body = self.inbound()
        return [
            *super().inbound_forgeries(),
            (signed(body, secret="another-key"), body, INBOUND_URL),
            (signed(body, age=310), body, INBOUND_URL),
            *((signed(each), each, INBOUND_URL) for each in (b"[]", event("sms:received", message="Stop"))),
        ]

    def seen_key(self, path, headers, body):
        return json.loads(body)["id"]

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert (path, headers["content-type"]) == ("/messages", "application/json")
        assert base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode() == f"sms:{PASSWORD}"
        assert json.loads(gateway.bodies[0]) == {
            "id": ID,
            "textMessage": {"text": SMS.body},
            "phoneNumbers": [SMS.to],
            "priority": 100,
            "ttl": 90,
        }

    def test_options(self, gateway):
        self.answers(gateway, *self.accepted)
        url = f"android://sms:{PASSWORD}@?device={DEVICE}&sim=2&priority=-5&base_url={gateway.url}"
        provider = from_url("main", url)
        provider.send(replace(SMS, expires_in=0.0, key=""))
        provider.send(replace(SMS, expires_in=2.0, code=""))
        first, second = (json.loads(body) for body in gateway.bodies)
        assert (first["deviceId"], first["simNumber"], first["priority"]) == (DEVICE, 2, -5)
        assert (first["id"], "ttl" in first) == ("ref-1", False)
        assert (second["priority"], second["ttl"]) == (0, 5)

    def test_an_id_fits(self, gateway):
        """The server takes 36 characters."""
        self.answers(gateway, *self.accepted).send(replace(SMS, id=new(), key="k" * 100))
        assert len(json.loads(gateway.bodies[0])["id"]) <= 36

    def test_a_repetition_that_it_has_already_is_accepted(self, gateway):
        answer = refusal(409, "Message with the same ID already exists")
        assert self.answers(gateway, *answer).send(SMS) == ID

    @pytest.mark.parametrize(
        ("host", "base_url", "repeats"),
        [
            ("192.168.1.20:8080", "http://192.168.1.20:8080", True),
            ("api.sms-gate.app", "https://api.sms-gate.app/3rdparty/v1", False),
            ("", "https://api.sms-gate.app/3rdparty/v1", False),
            (f"?device={DEVICE}", "https://api.sms-gate.app/3rdparty/v1", True),
            ("x?base_url=https://s.example/api/3rdparty/v1/", "https://s.example/api/3rdparty/v1", False),
            ("?base_url=https://proxy.example", "https://proxy.example", True),
        ],
    )
    def test_where_it_is_and_whether_it_knows_a_repetition(self, host, base_url, repeats):
        """A server with several phones picks one at random, and only the same phone knows it."""
        provider = from_url("main", f"android://sms:{PASSWORD}@{host}")
        assert (provider.base_url, provider.repeats_safely) == (base_url, repeats)

    @pytest.mark.parametrize("age", [-290, 0, 290])
    def test_clocks_may_differ(self, gateway, age):
        body = self.body("sms:sent")
        assert self.provider(gateway.url).parse_receipts(signed(body, age), body, RECEIPTS)

    def test_a_receipt_bears_a_bom_and_names_the_id(self, gateway):
        body = b"\xef\xbb\xbf" + self.body("sms:delivered")
        (found,) = self.provider(gateway.url).parse_receipts(signed(body), body, RECEIPTS)
        assert (found.reference, found.provider_message_id) == ("ref-1", ID)

    def test_what_is_about_the_phone_holds_no_receipt(self, gateway):
        provider = self.provider(gateway.url)
        for body in (event("system:ping", health={}), event("sms:sent", messageId=None)):
            assert provider.parse_receipts(signed(body), body, RECEIPTS) == []

    @pytest.mark.parametrize(
        ("reason", "error"),
        [
            ("RESULT_ERROR_NO_SERVICE (Failed because service is unavailable)", "RESULT_ERROR_NO_SERVICE"),
            ("TTL expired", "TTL expired"),
            (f"sendSMS: {SMS.to} {SMS.body}", ""),
            (None, ""),
            (["RESULT_ERROR_NONE"], ""),
        ],
    )
    def test_of_a_reason_only_known_words_are_kept(self, gateway, reason, error):
        headers, body = self.receipt("sms:failed", reason=reason)
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, RECEIPTS)
        assert found.error == error

    def test_who_sent_an_inbound_message_and_to_whom(self, gateway):
        headers, body = self.inbound()
        (found,) = self.provider(gateway.url).parse_inbound(headers, body, INBOUND_URL)
        assert (found.id, found.sender) == ("Ey6ECgOkVVFjz3CL48B8C", "+12025550100")

    def test_an_older_app_names_less(self, gateway):
        body = event("sms:received", messageId="a1b2c3d4", phoneNumber=USER, message=TEXT)
        url = f"{self.url.format(base_url=gateway.url, timeout=5)}&from=%2B12025550100"
        (found,) = from_url("main", url).parse_inbound(signed(body), body, INBOUND_URL)
        assert (found.phone, found.sender) == (USER, "+12025550100")
        (found,) = self.provider(gateway.url).parse_inbound(signed(body), body, INBOUND_URL)
        assert found.sender == ""

    def test_other_events_hold_no_inbound_message(self, gateway):
        headers, body = self.receipt("sms:sent")
        assert self.provider(gateway.url).parse_inbound(headers, body, INBOUND_URL) == []

    def test_without_a_secret_nothing_is_believed(self, gateway):
        provider = from_url("main", f"android://sms:{PASSWORD}@?base_url={gateway.url}")
        body = self.body("sms:delivered")
        with pytest.raises(ReceiptRejected, match="receipt_secret"):
            provider.parse_receipts(signed(body), body, URL)

    def test_neither_password_nor_number_nor_text_is_logged(self, gateway, caplog):
        caplog.set_level("DEBUG")
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.refused_number).send(SMS)
        texts = f"{caplog.text} {caught.value!r} {caught.value.code}"
        assert not any(each in texts for each in (PASSWORD, SMS.to, "2025550123", "123456", SECRET))

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            (f":{PASSWORD}@", "", "needs username"),
            ("sms@", "", "needs password"),
            (f"sms:{PASSWORD}@", "receipt_secret=s3cret", "8 characters"),
            (f"sms:{PASSWORD}@", "sim=4", "1 to 3"),
            (f"sms:{PASSWORD}@", "sim=-1", "1 to 3"),
            (f"sms:{PASSWORD}@", "priority=128", "-128 to 127"),
            (f"sms:{PASSWORD}@", "priority=-129", "-128 to 127"),
            (f"sms:{PASSWORD}@", "priority=high", "a number"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"android://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (PASSWORD, "s3cret"))


class TestAndroidByPoll(PollContract):
    """Without a secret: a phone that cannot call us, or has no registered webhooks."""

    url = f"android://sms:{PASSWORD}@phone.example:8080?base_url={{base_url}}&timeout={{timeout}}"
    accepted = TestAndroid.accepted
    accepted_id = ID
    refused_number = TestAndroid.refused_number
    refused_credentials = TestAndroid.refused_credentials
    throttled = TestAndroid.throttled
    looked_up: ClassVar = [
        (of_message("Pending"), None),
        (of_message("Cancelling"), None),
        (of_message("Processed"), State.SENT),
        (of_message("Sent"), State.SENT),
        (of_message("Delivered"), State.DELIVERED),
        (of_message("Failed", "TTL expired"), State.FAILED),
        (of_message("Cancelled"), State.FAILED),
        (of_message("Teleported"), State.UNKNOWN),
    ]

    def seen_key(self, path, headers, body):
        return json.loads(body)["id"]

    def test_the_look_up(self, gateway):
        error = "RESULT_ERROR_RADIO_OFF (Failed because radio was explicitly turned off)"
        provider = self.answers(gateway, *of_message("Failed", error))
        found = provider.look_up("ref-1", f"{ID}/../x?y")
        ((path, headers, _),) = gateway.requests
        assert path == f"/messages/{ID}%2F..%2Fx%3Fy"
        assert headers["authorization"].startswith("Basic ")
        assert found
        assert (found.raw, found.error) == ("Failed", "RESULT_ERROR_RADIO_OFF")

    @pytest.mark.parametrize("state", [None, "", 7, ["Sent"]])
    def test_an_answer_without_a_state(self, gateway, state):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, 200, json.dumps({"id": ID, "state": state})).look_up("ref-1", ID)

    def test_with_a_secret_it_is_not_asked(self, gateway):
        url = f"{self.url.format(base_url=gateway.url, timeout=5)}&receipt_secret={SECRET}"
        assert not from_url("main", url).reports_by_poll
