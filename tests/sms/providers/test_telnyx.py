"""Telnyx: the contract and its own features. Samples follow developers.telnyx.com/docs/messaging/messages."""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, ReceiptRejected
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
    ProviderContract,
)
from tests.sms.providers.gateway import response
from tests.sms.providers.oracles import Oracle

telnyx = Oracle("telnyx")
telnyx_verification = Oracle("telnyx.lib.webhook_verification")
telnyx_types = Oracle("telnyx.types")

KEY = "KEY0123_of-the-account"
SIGNER = Ed25519PrivateKey.from_private_bytes(b"otpost".ljust(32, b"."))
PUBLIC = base64.b64encode(SIGNER.public_key().public_bytes_raw()).decode()
MESSAGE = "40385f64-5717-4562-b3fc-2c963f66afa6"


def error(status: int, code: str, pointer: str = "/to") -> tuple[int, str]:
    problem = {"code": code, "title": "Invalid", "detail": f"{SMS.to} {SMS.body}"}
    return status, json.dumps({"errors": [problem | {"source": {"pointer": pointer}}]})


def signed(body: bytes, signer: Ed25519PrivateKey = SIGNER, at: float | str | None = None) -> dict[str, str]:
    """As Telnyx signs; their SDK checks it below."""
    moment = str(int(time.time())) if at is None else str(at)
    signature = signer.sign(f"{moment}|".encode() + body)
    return {
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
        "telnyx-timestamp": moment,
    }


class TestTelnyx(ProviderContract, InboundContract):
    url = (
        f"telnyx://:{KEY}@?from=%2B15005550006&public_key={PUBLIC.replace('+', '%2B')}"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = (200, json.dumps({"data": {"id": MESSAGE, "to": [{"status": "queued"}], "cost": None}}))
    accepted_id = MESSAGE
    refused_number = error(400, "40310")
    refused_credentials = error(401, "10009")
    throttled = error(429, "10011")
    refusals: ClassVar = {
        "refused": [
            error(422, "10002"),
            error(400, "10016"),
            error(400, "40302"),
            error(400, "40322"),
            error(400, "40008"),  # the carrier did not take it, which is no word of the user's
            (400, ""),
        ],
        "account": [
            error(422, "10002", "/from"),
            error(400, "40003"),
            error(400, "40305"),
            error(400, "40312"),
            error(400, "40321"),
            error(402, "20100"),
            error(403, "10010"),
            error(404, "10005"),
            error(403, "99999"),
        ],
        "opted_out": [error(403, "40300"), error(400, "40300")],
        "country": [error(400, "40309"), error(400, "40010")],
        "temporary": [
            error(400, "40318"),
            error(400, "40011"),
            error(500, "10007"),
            error(503, "10009"),
            (429, ""),
        ],
        "unknown": [error(409, "10012"), (409, ""), error(409, "40310"), (200, '{"data": {}}')],
    }
    words: ClassVar = {
        "queued": State.SENT,
        "sending": State.SENT,
        "sent": State.SENT,
        "delivered": State.DELIVERED,
        "sending_failed": State.FAILED,
        "delivery_failed": State.FAILED,
        "expired": State.FAILED,
        "delivery_unconfirmed": State.UNKNOWN,
    }

    def body(self, word: str, **changes: Any) -> bytes:
        payload = {
            "id": MESSAGE,
            "record_type": "message",
            "direction": "outbound",
            "messaging_profile_id": "4000eba1-a0c0-4563-9925-b25e842a7cb6",
            "from": {"phone_number": "+15005550006", "carrier": "Telnyx", "line_type": "Wireless"},
            "to": [{"phone_number": SMS.to, "status": word, "carrier": "x", "line_type": "Wireless"}],
            "text": SMS.body,
            "type": "SMS",
            "encoding": "GSM-7",
            "parts": 1,
            "cost": {"amount": "0.0040", "currency": "USD"},
            "errors": [],
            "tags": [],
            "webhook_url": URL,
            "webhook_failover_url": None,
        }
        data = {
            "event_type": "message.finalized",
            "id": "5ddb2f42-7a2c-4a41-9f2a-1d3c4e5f6a7b",
            "occurred_at": "2026-11-09T16:00:02.000+00:00",
            "payload": payload | changes,
            "record_type": "event",
        }
        return json.dumps({"data": data, "meta": {"attempt": 1, "delivered_to": URL}}).encode()

    def receipt(self, word, **changes):
        body = self.body(word, **changes)
        return signed(body), body

    def inbound(self, event: str = "message.received", **changes: Any):
        payload = {
            "id": "7ee4241c-f127-47e5-9c34-3aac291f8058",
            "record_type": "message",
            "direction": "inbound",
            "from": {"phone_number": USER, "carrier": "x", "line_type": "Wireless"},
            "to": [{"phone_number": "+15005550006", "status": "webhook_delivered"}],
            "text": TEXT,
            "type": "SMS",
        }
        data = {"event_type": event, "id": "1", "payload": payload | changes, "record_type": "event"}
        body = json.dumps({"data": data}).encode()
        return signed(body), body

    def seen_key(self, path, headers, body):
        """And the body, which must be the same to the byte."""
        assert re.fullmatch(r"[A-Za-z0-9_:-]{1,255}", headers["idempotency-key"])
        return headers["idempotency-key"], body

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert (path, headers["content-type"]) == ("/v2/messages", "application/json")
        assert headers["authorization"] == f"Bearer {KEY}"
        assert json.loads(gateway.bodies[0]) == {
            "to": SMS.to,
            "from": "+15005550006",
            "text": SMS.body,
            "webhook_url": URL,
        }

    def test_the_request_is_what_their_sdk_sends(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ours = gateway.requests[0]
        with telnyx.Telnyx(api_key=KEY, base_url=f"{gateway.url}/v2", max_retries=0) as sdk:
            found = sdk.messages.send(
                to=SMS.to,
                from_="+15005550006",
                text=SMS.body,
                webhook_url=URL,
                idempotency_key=ours[1]["idempotency-key"],
            )
        assert found.data
        assert found.data.id == MESSAGE
        theirs = gateway.requests[1]
        assert ours[0] == theirs[0]
        assert json.loads(gateway.bodies[0]) == json.loads(gateway.bodies[1])
        for name in ("authorization", "content-type", "accept", "idempotency-key"):
            assert ours[1][name] == theirs[1][name]

    def test_their_sdk_believes_and_reads_our_samples(self):
        sdk = telnyx.Telnyx(api_key=KEY, public_key=PUBLIC)
        headers, body = self.receipt("delivered")
        telnyx_verification.verify_webhook_signature(body, headers, PUBLIC)
        event = sdk.webhooks.unwrap(body.decode(), headers=headers)
        assert isinstance(event, telnyx_types.DeliveryUpdateWebhookEvent)
        assert [to.status for to in event.data.payload.to or ()] == ["delivered"]
        headers, body = self.inbound()
        event = sdk.webhooks.unwrap(body.decode(), headers=headers)
        assert isinstance(event, telnyx_types.InboundMessageWebhookEvent)
        assert event.data.payload.text == TEXT

    def test_without_a_key_none_is_sent(self, gateway):
        """One that all share would be a repetition each time."""
        self.answers(gateway, *self.accepted).send(replace(SMS, key=""))
        assert "idempotency-key" not in gateway.requests[0][1]

    def test_a_repetition_has_the_same_body_though_time_has_passed(self, gateway):
        provider = self.answers(gateway, *self.accepted)
        for seconds in (90.7, 80.1):
            provider.send(replace(SMS, expires_in=seconds))
        assert gateway.bodies[0] == gateway.bodies[1]

    def test_a_messaging_profile_and_a_sender_of_the_route(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        provider = from_url("main", f"telnyx://:{KEY}@?messaging_profile=p-1&base_url={gateway.url}")
        for sender in ("", "Shop"):
            provider.send(replace(SMS, sender=sender))
        first, second = (json.loads(body) for body in gateway.bodies)
        # Without a public key no receipts are asked for.
        assert first == {"to": SMS.to, "text": SMS.body, "messaging_profile_id": "p-1"}
        assert second == first | {"from": "Shop"}

    @pytest.mark.parametrize("code", [SMS.to, "Invalid", "", None, 40310.5, ["40310"]])
    def test_an_error_keeps_neither_number_nor_text(self, gateway, code):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, 422, json.dumps({"errors": [{"code": code}]})).send(SMS)
        assert (str(caught.value), caught.value.code) == ("Telnyx refuses it", "422")

    @pytest.mark.parametrize("age", [310, 7_000, -310, "soon", "", "-5", "1e3", "٣" * 10, "9" * 400])
    def test_a_signature_of_another_time_is_refused(self, gateway, age):
        body = self.body("delivered")
        moment = time.time() - age if isinstance(age, int) else age
        headers = signed(body, at=int(moment) if isinstance(moment, float) else moment)
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(headers, body, URL)
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).check_head(headers, URL)

    def test_a_head_without_a_signature_is_refused(self, gateway):
        """The body of such a call is not read."""
        headers = signed(b"")
        for name in ("telnyx-signature-ed25519", "telnyx-timestamp"):
            with pytest.raises(ReceiptRejected):
                self.provider(gateway.url).check_head(headers | {name: ""}, URL)

    @pytest.mark.parametrize("age", [290, -290])
    def test_a_clock_may_differ(self, gateway, age):
        body = self.body("delivered")
        headers = signed(body, at=int(time.time() - age))
        assert self.provider(gateway.url).parse_receipts(headers, body, URL)

    def test_signatures_that_are_not_to_be_believed(self, gateway):
        provider = self.provider(gateway.url)
        headers, body = self.receipt("delivered")
        name = "telnyx-signature-ed25519"
        for forged in (
            signed(body, Ed25519PrivateKey.from_private_bytes(b"x" * 32)),
            headers | {"telnyx-timestamp": str(int(time.time()) + 5)},
            headers | {name: headers[name][:-4]},
            headers | {name: "é" * 88},
            headers | {name: ""},
            {"telnyx-timestamp": headers["telnyx-timestamp"]},
        ):
            with pytest.raises(ReceiptRejected):
                provider.parse_receipts(forged, body, URL)

    def test_a_public_key_whose_plus_is_not_escaped(self):
        """In a query it reads as a blank."""
        signers = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(99))
        keys = (base64.b64encode(one.public_key().public_bytes_raw()).decode() for one in signers)
        key = next(key for key in keys if "+" in key)
        assert from_url("main", f"telnyx://:{KEY}@?from=15005550006&public_key={key}").takes_receipts

    def test_without_a_public_key_nothing_is_believed(self, gateway):
        provider = from_url("main", f"telnyx://:{KEY}@?from=%2B15005550006&base_url={gateway.url}")
        headers, body = self.receipt("delivered")
        for take in (provider.parse_receipts, provider.parse_inbound):
            with pytest.raises(ReceiptRejected, match="public_key"):
                take(headers, body, URL)

    @pytest.mark.parametrize(
        "address", [None, "", "https://[", "https://hook.example/", 7, URL.replace("ref-1", "ref-2"), [URL]]
    )
    def test_a_receipt_counts_for_the_message_whose_address_it_repeats(self, gateway, address):
        """The signature does not cover the address that is called."""
        headers, body = self.receipt("delivered", webhook_url=address)
        for called in (URL, "https://a.example/v1/receipts/main"):
            with pytest.raises(ReceiptRejected):
                self.provider(gateway.url).parse_receipts(headers, body, called)

    @pytest.mark.parametrize("to", [None, [], [{}], [{"status": None}], "x"])
    def test_a_receipt_without_a_state_is_refused(self, gateway, to):
        headers, body = self.receipt("delivered", to=to)
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(headers, body, URL)

    @pytest.mark.parametrize("body", [b"", b"[]", b"null", b"[" * 200_000, b'{"data": 7}', b"\xff"])
    def test_signed_nonsense_is_refused(self, gateway, body):
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(signed(body), body, URL)

    def test_a_receipt_tells_that_its_user_has_said_stop(self, gateway):
        provider = self.provider(gateway.url)
        for code, number in (("40300", SMS.to), ("40008", "")):
            headers, body = self.receipt("delivery_failed", errors=[{"code": code}])
            (found,) = provider.parse_receipts(headers, body, URL)
            assert (found.error, found.opted_out) == (code, number)
            assert SMS.to not in repr(found)

    def test_the_error_of_a_receipt_is_kept(self, gateway):
        headers, body = self.receipt("delivery_failed", errors=[{"code": "40008", "title": "Undeliverable"}])
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, URL)
        assert (found.error, found.provider_message_id) == ("40008", MESSAGE)

    def test_a_bom_and_half_a_surrogate_pair(self, gateway):
        body = b"\xef\xbb\xbf" + self.body("delivered", id="\ud83d")
        (found,) = self.provider(gateway.url).parse_receipts(signed(body), body, URL)
        assert found.state is State.DELIVERED

    def test_the_webhook_of_a_profile_hears_of_what_went_out_too(self, gateway):
        provider = self.provider(gateway.url)
        for event in ("message.sent", "message.finalized", ""):
            headers, body = self.inbound(event)
            assert provider.parse_inbound(headers, body, INBOUND_URL) == []

    def test_the_parts_of_an_inbound_message(self, gateway):
        provider = self.provider(gateway.url)
        headers, body = self.inbound(text=None)  # a picture
        (found,) = provider.parse_inbound(headers, body, INBOUND_URL)
        assert (found.sender, found.text) == ("+15005550006", "")

    @pytest.mark.parametrize("changes", [{"from": {}}, {"id": None}])
    def test_an_inbound_message_without_its_parts_is_refused(self, gateway, changes):
        headers, body = self.inbound(**changes)
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_inbound(headers, body, INBOUND_URL)

    @pytest.mark.parametrize(("status", "kind"), [(200, OutcomeUnknown), (404, AccountFailure)])
    def test_another_service_at_this_address(self, gateway, status, kind):
        with pytest.raises(kind):
            self.answers(gateway, status, "<html>").send(SMS)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ("", "give from= or messaging_profile="),
            ("from=Shop", "which also needs messaging_profile="),
            ("from=+15005550006", "%2B"),
            ("from=15005550006&public_key=s3cret", "public_key="),
            (f"from=15005550006&public_key={PUBLIC[:20]}", "public_key="),
            ("from=15005550006&public_key=s3cr%C3%A9t", "public_key="),
        ],
    )
    def test_options_that_cannot_work(self, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"telnyx://:{KEY}@?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (KEY, "s3cret", PUBLIC[:20]))
