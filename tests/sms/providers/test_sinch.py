"""Sinch: the contract, and its own features. Samples follow developers.sinch.com/docs/sms/api-reference."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from sms.errors import PermanentFailure, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from sms.providers.vendor import TokenProvider
from tests.sms.providers.contract import (
    INBOUND_URL,
    SMS,
    TEXT,
    URL,
    FeedbackContract,
    InboundContract,
    ProviderContract,
)
from tests.sms.providers.gateway import response
from tests.sms.providers.oracles import Oracle

sinch = Oracle("sinch")
sinch_events = Oracle("sinch.domains.authentication.sinch_events.v1.authentication_validation")

PLAN, TOKEN = "jd63jf88477ll123ab4567cd89012ef3", "token-of-the-plan"
SECRET, WEBHOOK_SECRET = "secret-of-the-receipts", "secret-of-the-webhooks"
BATCH = "01FC66621XXXXX119Z8PMV1QPQ"


def error(status: int, code: str, text: str = f"Number {SMS.to} is not valid") -> tuple[int, str]:
    return status, json.dumps({"code": code, "text": text})


def signed(body: bytes, secret: str = WEBHOOK_SECRET, nonce: str = "01FC", **changes: str) -> dict[str, str]:
    at = changes.get("at", str(int(time.time())))
    digest = hmac.new(secret.encode(), body + f".{nonce}.{at}".encode(), hashlib.sha256).digest()
    return {
        "x-sinch-webhook-signature": base64.b64encode(digest).decode(),
        "x-sinch-webhook-signature-nonce": nonce,
        "x-sinch-webhook-signature-timestamp": at,
        "x-sinch-webhook-signature-algorithm": "HmacSHA256",
    }


def token(reference: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"receipt:{reference}".encode(), hashlib.sha256).hexdigest()


def report(word: str, **changes: Any) -> bytes:
    fields = {
        "type": "recipient_delivery_report_sms",
        "batch_id": BATCH,
        "recipient": "12025550123",
        "client_reference": "ref-1",
        "code": 0,
        "status": word,
        "at": "2026-11-27T09:34:28.542Z",
    }
    return json.dumps(fields | changes).encode()


def message(**changes: Any) -> bytes:
    fields = {
        "type": "mo_text",
        "id": "01XXXXX21XXXXX119Z8P1XXXXX",
        "from": "12025550123",
        "to": "15005550006",
        "body": TEXT,
        "received_at": "2026-11-27T09:34:28.542Z",
    }
    return json.dumps(fields | changes).encode()


class TestSinch(ProviderContract, InboundContract, FeedbackContract):
    """With the signature that Sinch's support switches on."""

    url = (
        f"sinch://{PLAN}:{TOKEN}@?from=%2B15005550006&region=eu&webhook_secret={WEBHOOK_SECRET}&feedback=yes"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = (201, json.dumps({"id": BATCH, "to": ["12025550123"], "canceled": False, "type": "mt_text"}))
    accepted_id = BATCH
    refused_number = error(400, "syntax_invalid_parameter_format")
    refused_credentials = (401, "")
    throttled = (429, "")
    refusals: ClassVar = {
        "temporary": [(500, ""), error(503, "illegal_number")],
        "refused": [
            error(400, "syntax_constraint_violation"),
            error(403, "illegal_number_type"),
            # A request for a code to our own number must not close the alias.
            error(400, "syntax_constraint_violation", "'from' is the same as 'to'"),
            error(
                400, "syntax_invalid_parameter_format", f"Recipient {SMS.to} has opted out from this sender"
            ),
            (400, '{"code": "syntax_invalid_json", "text": ["from"]}'),
        ],
        "account": [
            error(400, "syntax_invalid_parameter_format", f"from: not a valid originator to send {SMS.to}"),
            error(403, "blocked_account"),
            error(403, "missing_callback_url"),
            error(403, "unknown_campaign"),
            error(403, SMS.to),
            (404, ""),
            (402, ""),
        ],
    }
    words: ClassVar = {
        "Queued": State.SENT,
        "Dispatched": State.SENT,
        "Delivered": State.DELIVERED,
        "Aborted": State.FAILED,
        "Cancelled": State.FAILED,
        "Rejected": State.FAILED,
        "Deleted": State.FAILED,
        "Failed": State.FAILED,
        "Expired": State.FAILED,
        "Unknown": State.UNKNOWN,
    }

    def receipt(self, word, **changes):
        body = report(word, **changes)
        return signed(body), body

    def inbound(self):
        return signed(message()), message()

    def test_the_request(self, gateway):
        began = time.time()
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert path == f"/xms/v1/{PLAN}/batches"
        assert (headers["authorization"], headers["content-type"]) == (f"Bearer {TOKEN}", "application/json")
        sent = json.loads(gateway.bodies[0])
        end = datetime.strptime(sent.pop("expire_at"), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        assert 90.6 < end.timestamp() - began < 95
        assert sent == {
            "type": "mt_text",
            "to": [SMS.to],
            "from": "+15005550006",
            "body": SMS.body,
            "client_reference": "ref-1",
            "delivery_report": "per_recipient",
            "callback_url": SMS.callback_url,
            "feedback_enabled": True,
        }

    def client(self, gateway: Any) -> Any:
        """Their SDK, which calls us."""
        client = sinch.SinchClient(service_plan_id=PLAN, sms_api_token=TOKEN, sms_region="eu")
        client.configuration.sms_origin_with_service_plan_id = gateway.url
        return client

    def test_the_request_is_what_their_sdk_sends(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        expire_at = json.loads(gateway.bodies[0])["expire_at"]
        batch = self.client(gateway).sms.batches.send_sms(
            to=[SMS.to],
            from_="+15005550006",
            body=SMS.body,
            delivery_report="per_recipient",
            expire_at=datetime.fromisoformat(expire_at),
            event_destination_target=SMS.callback_url,
            client_reference="ref-1",
            feedback_enabled=True,
        )
        assert batch.id == BATCH
        ours, theirs = gateway.requests
        assert ours[0] == theirs[0]
        assert ours[1]["authorization"] == theirs[1]["authorization"]
        first, second = (json.loads(body) for body in gateway.bodies)
        ends = [datetime.fromisoformat(sent.pop("expire_at")) for sent in (first, second)]
        assert (first, ends[0]) == (second, ends[1])

    def test_their_sdk_believes_our_samples_and_ours_what_it_believes(self, gateway):
        provider = self.provider(gateway.url)
        body = report("Delivered")
        for headers in (
            signed(body),
            signed(body, "another"),
            signed(body + b" "),
            signed(body) | {"x-sinch-webhook-signature-nonce": "other"},
        ):
            theirs = sinch_events.validate_sinch_event_signature_with_nonce(
                WEBHOOK_SECRET, headers, body.decode()
            )
            try:
                provider.parse_receipts(headers, body, URL)
            except ReceiptRejected:
                assert not theirs
            else:
                assert theirs

    def feedback(self, converted):
        """An untyped code is not reported: the last request is the one before."""
        return f"/xms/v1/{PLAN}/batches/{BATCH}/delivery_feedback", {"recipients": []}

    def test_the_feedback_is_what_their_sdk_sends(self, gateway):
        provider = self.answers(gateway, 202, "")
        provider.feed_back("ref-1", f"{BATCH}/../x", converted=False)
        assert gateway.requests == []
        provider.feed_back("ref-1", f"{BATCH}/../x", converted=True)
        self.client(gateway).sms.batches.send_delivery_feedback(batch_id=BATCH, recipients=[])
        ours, theirs = gateway.requests
        assert theirs[0] == f"/xms/v1/{PLAN}/batches/{BATCH}/delivery_feedback"
        assert ours[0] == theirs[0].replace(BATCH, f"{BATCH}%2F..%2Fx")
        assert [json.loads(body) for body in gateway.bodies] == [{"recipients": []}] * 2

    def test_only_codes_expect_feedback(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, code=""))
        plain = from_url("a", f"sinch://{PLAN}:{TOKEN}@?base_url={gateway.url}")
        plain.send(SMS)
        assert not plain.takes_feedback
        assert not any("feedback_enabled" in json.loads(body) for body in gateway.bodies)

    def test_without_a_secret_no_receipts_are_asked_for_and_none_believed(self, gateway):
        self.answers(gateway, *self.accepted)
        provider = from_url("main", f"sinch://{PLAN}:{TOKEN}@?base_url={gateway.url}")
        provider.send(replace(SMS, expires_in=0.0))
        assert json.loads(gateway.bodies[0]) == {"type": "mt_text", "to": [SMS.to], "body": SMS.body}
        body = report("Delivered")
        for headers in ({}, signed(body), signed(body, "")):
            with pytest.raises(ReceiptRejected, match="receipt_secret"):
                provider.parse_receipts(headers, body, f"{URL}&token={token('ref-1', '')}")

    @pytest.mark.parametrize(
        ("age", "believed"), [(0, True), (600, True), (700, False), (-50, True), (-120, False)]
    )
    def test_an_old_signature_is_refused(self, gateway, age, believed):
        body = report("Delivered")
        headers = signed(body, at=str(int(time.time() - age)))
        provider = self.provider(gateway.url)
        if believed:
            assert provider.parse_receipts(headers, body, URL)
        else:
            with pytest.raises(ReceiptRejected, match="old"):
                provider.parse_receipts(headers, body, URL)

    @pytest.mark.parametrize("at", ["", "soon", "nan", "inf", "1e999", "-1"])
    def test_a_time_that_is_none(self, gateway, at):
        body = report("Delivered")
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(signed(body, at=at), body, URL)

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_reference": "ref-2"},
            {"client_reference": None},
            {"client_reference": ["ref-1"]},
            {"status": None},
            {"type": "delivery_report_sms"},
            {"type": "mo_text"},
        ],
    )
    def test_a_genuine_callback_that_is_no_receipt_of_this_message(self, gateway, changes):
        headers, body = self.receipt("Delivered", **changes)
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(headers, body, URL)

    def test_a_genuine_receipt_that_names_no_message(self, gateway):
        headers, body = self.receipt("Delivered", client_reference=None)
        with pytest.raises(ReceiptRejected, match="no message of ours"):
            self.provider(gateway.url).parse_receipts(headers, body, "https://a.example/v1/receipts/main")

    @pytest.mark.parametrize("content", [b"[" * 200_000, b"[]", b"null", b'"x"', b"{"])
    def test_a_genuine_callback_that_cannot_be_read(self, gateway, content):
        provider = self.provider(gateway.url)
        with pytest.raises(ReceiptRejected):
            provider.parse_receipts(signed(content), content, URL)
        with pytest.raises(ReceiptRejected):
            provider.parse_inbound(signed(content), content, INBOUND_URL)

    def test_a_byte_order_mark_and_half_a_pair(self, gateway):
        body = b"\xef\xbb\xbf" + report("Delivered", operator="\ud83d")
        (found,) = self.provider(gateway.url).parse_receipts(signed(body), body, URL)
        assert found.state is State.DELIVERED

    @pytest.mark.parametrize(("word", "code", "kept"), [("FAILED", 402, "402"), ("DISPATCHED", 401, "")])
    def test_only_a_failure_has_an_error(self, gateway, word, code, kept):
        """Their SDK has the words in capitals."""
        headers, body = self.receipt(word, code=code)
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, URL)
        assert (found.raw, found.error, found.provider_message_id) == (word.capitalize(), kept, BATCH)

    @pytest.mark.parametrize("type_", ["mo_binary", "mo_media"])
    def test_what_is_no_text_is_left(self, gateway, type_):
        body = message(type=type_)
        assert self.provider(gateway.url).parse_inbound(signed(body), body, INBOUND_URL) == []

    @pytest.mark.parametrize("to", ["01FC66621VHDBN119Z8PMV1QPU", "", "12025550123", "+١٢٣"])
    def test_one_message_goes_to_one_number(self, gateway, to):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.accepted).send(replace(SMS, to=to))
        assert (caught.value.code, gateway.requests) == ("to", [])

    def test_a_sender_of_the_route(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, sender="Otpost", expires_in=1e9))
        sent = json.loads(gateway.bodies[0])
        end = datetime.fromisoformat(sent["expire_at"]).timestamp() - time.time()
        assert (sent["from"], round(end / 86_400)) == ("Otpost", 3)

    @pytest.mark.parametrize("region", ["us", "eu", "au", "br", "ca"])
    def test_the_host_is_that_of_the_region(self, region):
        provider = from_url("main", f"sinch://{PLAN}:{TOKEN}@?region={region}")
        client = sinch.SinchClient(service_plan_id=PLAN, sms_api_token=TOKEN, sms_region=region)
        assert provider.base_url == client.configuration.sms_origin_with_service_plan_id

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            (f"{PLAN}@", "", "needs api_token"),
            (f":{TOKEN}@", "", "needs service_plan_id"),
            (f"a%2Fb:{TOKEN}@", "", "SERVICE_PLAN_ID:API_TOKEN"),
            (f"{PLAN}:s3cret%0A@", "", "SERVICE_PLAN_ID:API_TOKEN"),
            (f"{PLAN}:{TOKEN}@", "region=xx", "region= takes us"),
            (f"{PLAN}:{TOKEN}@", "receipt_secret=s3cret", "16"),
            (
                f"{PLAN}:{TOKEN}@",
                f"receipt_secret={SECRET}&webhook_secret={SECRET}",
                "give either",
            ),
            (f"{PLAN}:{TOKEN}@", "feedback=no", "feedback= takes only yes"),
            (f"{PLAN}:{TOKEN}@", "from=+1500", "%2B"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"sinch://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (TOKEN, SECRET, "s3cret"))


class TestSinchByToken(ProviderContract, InboundContract):
    """As everybody has it at first: Sinch signs nothing, and the address holds a token."""

    url = f"sinch://{PLAN}:{TOKEN}@?receipt_secret={SECRET}&base_url={{base_url}}&timeout={{timeout}}"
    accepted = TestSinch.accepted
    accepted_id = BATCH
    refused_number = TestSinch.refused_number
    refused_credentials = TestSinch.refused_credentials
    throttled = TestSinch.throttled
    words = TestSinch.words

    def receipt(self, word, **changes):
        return {}, report(word, **changes)

    def receipt_url(self, word):
        return f"{URL}&token={token('ref-1')}"

    def forgeries(self):
        good, body = self.receipt_url(""), report("Delivered")
        return [
            ({}, body, URL),
            ({}, body, f"{URL}&token="),
            ({}, body, f"{URL}&token={token('ref-1', 'another-secret-of-receipts')}"),
            ({}, body, good.replace("reference=ref-1", "reference=ref-2")),
            ({}, report("Delivered", client_reference="ref-2"), good),
            ({}, report("Delivered"), f"{INBOUND_URL}?token={token('')}"),
            (signed(body), body, URL),
            ({}, b"\xff", good),
        ]

    def inbound(self):
        return {}, message()

    def inbound_url(self):
        return f"{INBOUND_URL}?token={token('')}"

    def inbound_forgeries(self):
        return [
            ({}, message(), INBOUND_URL),
            ({}, message(), f"{INBOUND_URL}?token={token('', 'another-secret-of-receipts')}"),
            # For a thief of the address of one message's receipts.
            ({}, message(), f"{INBOUND_URL}?reference=ref-1&token={token('ref-1')}"),
            ({}, message(**{"from": ""}), self.inbound_url()),
            ({}, message(**{"from": "Shop"}), self.inbound_url()),
            ({}, message(id=None), self.inbound_url()),
            ({}, message(body=7), self.inbound_url()),
            ({}, report("Delivered"), self.inbound_url()),
            ({}, b"\xff", self.inbound_url()),
        ]

    def test_the_address_that_is_given_is_the_one_that_is_believed(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        provider = self.provider(gateway.url)
        assert isinstance(provider, TokenProvider)
        provider.send(SMS)
        address = json.loads(gateway.bodies[0])["callback_url"]
        assert address == self.receipt_url("")
        assert provider.parse_receipts({}, report("Delivered", client_reference=None), address)
        assert provider.panel_address(INBOUND_URL) == self.inbound_url()
