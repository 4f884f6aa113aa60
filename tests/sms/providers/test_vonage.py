"""Vonage: the contract, and its own features. Samples follow developer.vonage.com/en/api/messages."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import replace
from typing import Any, ClassVar

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sms.errors import AccountFailure, PermanentFailure, ReceiptRejected, TemporaryFailure
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import (
    INBOUND_URL,
    SMS,
    TEXT,
    URL,
    USER,
    FeedbackContract,
    InboundContract,
    ProviderContract,
)

SECRET = "signature-secret-of-the-account" * 3
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


BASE64 = base64.b64encode(pem(KEY)).decode()


def error(status: int, code: str, **fields: Any) -> tuple[int, str]:
    page = "messages" if code.isdigit() else ""
    problem = {
        "type": f"https://developer.vonage.com/api-errors/{page}#{code}",
        "title": f"The number {SMS.to} is not valid",
        "detail": f"{SMS.to} {SMS.body}",
        "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
    }
    return status, json.dumps(problem | fields)


def signed(body: bytes, secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> dict[str, str]:
    known = {
        "iss": "Vonage",
        "iat": int(time.time()),
        "jti": "1",
        "api_key": "abcd1234",
        "payload_hash": hashlib.sha256(body).hexdigest(),
    }
    given = {name: value for name, value in (known | claims).items() if value is not None}
    key: Any = secret or None  # PyJWT takes no key where nothing is signed
    return {"authorization": "Bearer " + jwt.encode(given, key, algorithm=algorithm)}


class TestVonage(ProviderContract, FeedbackContract, InboundContract):
    url = (
        f"vonage://app-1@?key={BASE64}&from=%2B15005550006&signature_secret={SECRET}"
        "&base_url={base_url}&timeout={timeout}&feedback=yes&api_key=abcd1234&api_secret=of-the-account"
    )
    accepted = (202, json.dumps({"message_uuid": "aaaaaaaa-bbbb"}))
    accepted_id = "aaaaaaaa-bbbb"
    refused_number = error(422, "1430")
    refused_credentials = error(401, "unauthorized")
    throttled = error(429, "1000")
    words: ClassVar = {
        "submitted": State.SENT,
        "delivered": State.DELIVERED,
        "read": State.DELIVERED,
        "rejected": State.FAILED,
        "undeliverable": State.FAILED,
    }

    def feedback(self, converted):
        at = time.strftime("%Y-%m-%d+%H%%3A%M%%3A%S", time.gmtime(self.now))
        word = str(converted).lower()
        return f"/conversions/sms?message-id=aaaaaaaa-bbbb&delivered={word}&timestamp={at}", {}

    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch):
        """The second in which feedback is told."""
        self.now = int(time.time())
        gmtime = time.gmtime
        monkeypatch.setattr(time, "gmtime", lambda *at: gmtime(*at or (self.now,)))

    def test_feedback_proves_the_account(self, gateway):
        self.answers(gateway, 200, "").feed_back("ref-1", self.accepted_id, converted=True)
        token = base64.b64encode(b"abcd1234:of-the-account").decode()
        assert gateway.requests[0][1]["authorization"] == f"Basic {token}"
        with pytest.raises(BadProviderURL, match="feedback=yes needs api_key="):
            from_url("main", f"vonage://app-1@?key={BASE64}&from=Shop&feedback=yes")

    def body(self, word: str, **changes: Any) -> bytes:
        report = {
            "message_uuid": "aaaaaaaa-bbbb",
            "to": SMS.to.removeprefix("+"),
            "from": "15005550006",
            "timestamp": "2026-02-03T12:14:25Z",
            "status": word,
            "channel": "sms",
            "client_ref": "ref-1",
        }
        return json.dumps(report | changes).encode()

    def receipt(self, word, **changes):
        body = self.body(word, **changes)
        return signed(body), body

    def inbound_body(self, **changes: Any) -> bytes:
        message = {
            "channel": "sms",
            "message_uuid": "cccccccc-dddd",
            "to": "15005550006",
            "from": USER.removeprefix("+"),
            "timestamp": "2026-02-03T12:14:25Z",
            "text": TEXT,
            "message_type": "text",
            "sms": {"num_messages": "1", "keyword": "STOP,"},
            "usage": {"currency": "EUR", "price": "0.0333"},
        }
        return json.dumps(message | changes).encode()

    def inbound(self, **changes: Any) -> tuple[dict[str, str], bytes]:
        body = self.inbound_body(**changes)
        return signed(body), body

    def inbound_forgeries(self):
        body = self.inbound_body()
        return [
            *super().inbound_forgeries(),
            (signed(b"{}"), body, INBOUND_URL),
            (signed(body, iat=time.time() - 700), body, INBOUND_URL),
            (*self.inbound(**{"from": ""}), INBOUND_URL),
            (*self.inbound(message_uuid=None), INBOUND_URL),
        ]

    def test_only_texts_by_sms_are_handed_over(self, gateway):
        provider = self.provider(gateway.url)
        for changes in ({"channel": "whatsapp"}, {"text": None}, {"text": ["x"]}):
            assert provider.parse_inbound(*self.inbound(**changes), INBOUND_URL) == []
        body = self.body("delivered")  # a report that went to the wrong address
        assert provider.parse_inbound(signed(body), body, INBOUND_URL) == []

    def test_without_a_secret_nothing_is_received(self):
        provider = from_url("main", f"vonage://app-1@?key={BASE64}&from=Shop")
        assert not provider.receives
        with pytest.raises(ReceiptRejected):
            provider.parse_inbound(*self.inbound(), INBOUND_URL)

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert (path, headers["content-type"]) == ("/v1/messages", "application/json")
        assert json.loads(gateway.bodies[0]) == {
            "channel": "sms",
            "message_type": "text",
            "to": "12025550123",
            "from": "15005550006",
            "text": SMS.body,
            "client_ref": "ref-1",
            "webhook_url": SMS.callback_url,
            "webhook_version": "v1",
            "ttl": 90,
        }
        token = headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, KEY.public_key(), algorithms=["RS256"])
        assert claims["application_id"] == "app-1"
        assert claims["jti"]
        assert abs(claims["iat"] - time.time()) < 5
        assert claims["exp"] == claims["iat"] + 900

    def test_one_token_serves_many_messages_and_is_renewed(self, gateway, monkeypatch):
        provider = self.answers(gateway, *self.accepted)
        now = time.time()
        for later in (0, 299, 301):
            monkeypatch.setattr("sms.providers.vonage.time.time", lambda later=later: now + later)
            provider.send(SMS)
        first, second, third = [headers["authorization"] for _, headers, _ in gateway.requests]
        assert first == second != third

    def test_without_a_secret_no_receipts_are_asked_for_and_none_believed(self, gateway):
        provider = from_url("main", f"vonage://app-1@?key={BASE64}&from=Shop&base_url={gateway.url}")
        self.answers(gateway, *self.accepted)
        provider.send(SMS)
        assert "webhook_url" not in json.loads(gateway.bodies[0])
        body = self.body("delivered")
        for headers in ({}, signed(body), signed(body, "", "none")):
            with pytest.raises(ReceiptRejected, match="signature_secret"):
                provider.parse_receipts(headers, body, URL)

    @pytest.mark.parametrize(("expires_in", "ttl"), [(3.0, 20), (0.0, None), (1e9, 604_800)])
    def test_the_time_to_live_is_one_that_vonage_takes(self, gateway, expires_in, ttl):
        self.answers(gateway, *self.accepted).send(replace(SMS, expires_in=expires_in))
        assert json.loads(gateway.bodies[0]).get("ttl") == ttl

    def test_values_cannot_add_parameters(self, gateway):
        """No content of a sender or a text gets out of its field."""
        odd = 'A"B\r\nX: y&to=1","to":"447700900000'
        self.answers(gateway, *self.accepted).send(replace(SMS, sender=odd, body=odd))
        sent = json.loads(gateway.bodies[0])
        assert (sent["from"], sent["text"], sent["to"]) == (odd, odd, "12025550123")
        assert "x" not in gateway.requests[0][1]

    @pytest.mark.parametrize(
        ("status", "code", "here"),
        [
            (402, "low-balance", False),
            (400, "low-balance", False),
            (403, "forbidden", False),
            (404, "not-found", False),
            (422, "1070", False),
            (422, "1420", False),
            (422, "1120", True),
            (422, "1160", True),
            (422, "1470", True),
        ],
    )
    def test_some_refusals_are_about_us(self, gateway, status, code, here):
        with pytest.raises(AccountFailure) as caught:
            self.answers(gateway, *error(status, code)).send(SMS)
        assert (caught.value.code, caught.value.here) == (code, here)

    @pytest.mark.parametrize(("name", "kind"), [("from", AccountFailure), ("to", PermanentFailure)])
    def test_the_parameter_that_is_wrong_says_whose_fault_it_is(self, gateway, name, kind):
        wrong = [{"name": name, "reason": "invalid value"}]
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *error(422, "1150", invalid_parameters=wrong)).send(SMS)
        assert type(caught.value) is kind

    @pytest.mark.parametrize("code", ["1000", "1030", "1100"])
    def test_some_refusals_pass(self, gateway, code):
        with pytest.raises(TemporaryFailure):
            self.answers(gateway, *error(422, code)).send(SMS)

    @pytest.mark.parametrize("type_", [SMS.to, f"https://x/#{SMS.to}", "https://x/# 123456", 7, None])
    def test_an_error_keeps_neither_number_nor_text(self, gateway, type_):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *error(422, "1430", type=type_)).send(SMS)
        assert (str(caught.value), caught.value.code) == ("Vonage refuses it", "422")
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize(
        ("secret", "algorithm", "claims"),
        [
            ("", "none", {}),
            ("another-secret-of-some-other-account-0123", "HS256", {}),
            (SECRET, "HS512", {}),
            (SECRET, "HS256", {"payload_hash": hashlib.sha256(b"{}").hexdigest()}),
            (SECRET, "HS256", {"payload_hash": None}),
            (SECRET, "HS256", {"payload_hash": 7}),
            (SECRET, "HS256", {"iat": None}),
            (SECRET, "HS256", {"iat": "soon"}),
            (SECRET, "HS256", {"iat": time.time() - 700}),
            (SECRET, "HS256", {"iat": time.time() + 7_000}),
            (SECRET, "HS256", {"exp": time.time() - 700}),
        ],
    )
    def test_signatures_that_are_not_to_be_believed(self, gateway, secret, algorithm, claims):
        body = self.body("delivered")
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(signed(body, secret, algorithm, **claims), body, URL)

    def test_a_genuine_report_about_another_message_is_refused_here(self, gateway):
        headers, body = self.receipt("delivered", client_ref="ref-2")
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(headers, body, URL)

    @pytest.mark.parametrize("reference", [None, "", 7])
    def test_a_report_without_our_reference_is_refused(self, gateway, reference):
        headers, body = self.receipt("delivered", client_ref=reference)
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(headers, body, "https://a.example/v1/receipts/main")

    def test_the_error_of_a_receipt_is_kept(self, gateway):
        problem = {"type": "https://developer.vonage.com/api-errors/messages#1190", "detail": SMS.to}
        headers, body = self.receipt("rejected", error=problem)
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, URL)
        assert (found.error, found.provider_message_id) == ("1190", "aaaaaaaa-bbbb")

    def test_the_key_may_stand_in_a_file(self, tmp_path, gateway):
        path = tmp_path / "private.key"
        path.write_bytes(pem(KEY))
        provider = from_url("main", f"vonage://app-1@?key={path}&from=Shop&base_url={gateway.url}")
        self.answers(gateway, *self.accepted)
        assert provider.send(SMS) == self.accepted_id

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ("key=/no/such/s3cret&from=Shop", "key= must be"),
            ("key=s3cret&from=Shop", "key= must be"),
            ("key=s3cret%00&from=Shop", "key= must be"),
            (f"key={BASE64[:90]}&from=Shop", "key= must be"),
            (f"key={BASE64[:400]}!s3cret&from=Shop", "key= must be"),
            (
                f"key={base64.b64encode(pem(ec.generate_private_key(ec.SECP256R1()))).decode()}&from=Shop",
                "key= must be",
            ),
            (f"key={BASE64}", "needs sender"),
            (f"key={BASE64}&from=", "from="),
            (f"key={BASE64}&from=+1500", "%2B"),
        ],
    )
    def test_options_that_cannot_work(self, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"vonage://app-1@?{options}&signature_secret={SECRET}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in ("s3cret", SECRET, BASE64[:40]))
