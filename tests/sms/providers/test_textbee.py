"""textbee: the contract, and its own features. Samples follow the sources of its API (c5e5932)."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from sms.errors import OutcomeUnknown, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import (
    INBOUND_URL,
    SMS,
    TEXT,
    USER,
    InboundContract,
    PollContract,
    ProviderContract,
)

SECRET, KEY = "secret-of-the-webhook", "f00-9d3c-4a"
DEVICE, OTHER = "665f1c2ab7d9e80012345678", "665f1c2ab7d9e80012345679"
ID = "68e26ab1c2d3e4f501234567"
RECEIPTS = "https://a.example/v1/receipts/main"


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    mac = HMAC(secret.encode(), hashes.SHA256())
    mac.update(body)
    return {"x-signature": mac.finalize().hex()}


def webhook(event: str, **fields: Any) -> bytes:
    sample = {
        "smsId": "68e26ab1c2d3e4f501234568",
        "message": SMS.body,
        "deviceId": DEVICE,
        "webhookSubscriptionId": "68e26ab1c2d3e4f501234569",
        "webhookEvent": event,
        "idempotencyKey": "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
    }
    return json.dumps(sample | fields, separators=(",", ":"), ensure_ascii=False).encode()


def refusal(status: int, **fields: Any) -> tuple[int, str]:
    return status, json.dumps(fields)


def queued(**fields: Any) -> str:
    data = {"success": True, "message": "SMS added to queue for processing", "recipientCount": 1}
    return json.dumps({"data": data | {"smsBatchId": ID} | fields})


def batch(status: object, **fields: Any) -> tuple[int, str]:
    sms = {
        "_id": "68e26ab1c2d3e4f501234568",
        "smsBatch": ID,
        "message": SMS.body,
        "recipient": SMS.to,
        "status": status,
    }
    return 200, json.dumps(
        {"data": {"batch": {"_id": ID, "status": "completed"}, "messages": [sms | fields]}}
    )


LIMIT = {"message": "Daily SMS limit reached", "hasReachedLimit": True, "dailyLimit": 50}


class TestTextbee(ProviderContract, InboundContract):
    url = f"textbee://:{KEY}@{DEVICE}?receipt_secret={SECRET}&base_url={{base_url}}&timeout={{timeout}}"
    accepted = (201, queued())
    accepted_id = ID
    refused_number = refusal(400, success=False, error="Invalid recipients")
    refused_credentials = refusal(401, error="Unauthorized")
    throttled = refusal(429, statusCode=429, message="ThrottlerException: Too Many Requests")
    refusals: ClassVar = {
        "refused": [
            refusal(400, success=False, error="Message cannot be blank"),
            refusal(400, error=f"Bad number {SMS.to}"),
        ],
        "account": [
            refusal(400, success=False, error="Device does not exist or is not enabled"),
            refusal(400, error="Invalid device id"),
            refusal(400, message="Please verify your email to continue"),
            refusal(429, **LIMIT),
            refusal(500, message="Sorry, we cannot process your request at the moment"),
            (404, "Cannot POST /gateway"),
        ],
        "temporary": [
            refusal(400, success=False, error="Failed to create SMS batch", additionalInfo={}),
            refusal(500, success=False, error="Failed to add SMS to queue", additionalInfo={}),
            refusal(429, message="Daily SMS limit reached", hasReachedLimit=False),
        ],
        "unknown": [
            refusal(400, success=False, error="Failed to send SMS", additionalInfo={}),
            (201, queued(smsBatchId=None)),
            (201, json.dumps({"data": {"responses": [{"success": False}], "successCount": 0}})),
        ],
    }
    words: ClassVar = {
        "sent": State.SENT,
        "dispatched": State.SENT,
        "delivered": State.DELIVERED,
        "failed": State.FAILED,
        # The phone says so as well where the network sends no reports.
        "delivery_failed": State.UNKNOWN,
        "unknown": State.UNKNOWN,
    }

    def body(self, word: str, **changes: Any) -> bytes:
        known = {"sent", "delivered", "failed"}
        event = f"MESSAGE_{word.upper()}" if word in known else "UNKNOWN_STATE"
        fields = {"smsBatchId": ID, "status": word, "recipient": SMS.to, "sentAt": "2025-10-05T13:00:35.208Z"}
        return webhook(event, **(fields | changes))

    def receipt(self, word, **changes):
        body = self.body(word, **changes)
        return signed(body), body

    def receipt_url(self, word):
        return RECEIPTS

    def forgeries(self):
        headers, body = self.receipt("delivered")
        bodies = [b"", b"\xff", b"[" * 200_000, b"[]", b'{"webhookEvent": null}', b'{"status": "sent"}']
        return [
            ({}, body, RECEIPTS),
            (headers, body + b" ", RECEIPTS),
            (headers, b"\xff", RECEIPTS),
            (dict.fromkeys(headers, "wrong"), body, RECEIPTS),
            ({"x-signature": "\ud800é"}, body, RECEIPTS),
            (signed(body, "another-secret-of-a-webhook"), body, RECEIPTS),
            *((signed(each), each, RECEIPTS) for each in (*bodies, self.body("sent", smsBatchId=None))),
        ]

    def inbound(self):
        body = webhook("MESSAGE_RECEIVED", sender=USER, message=TEXT, receivedAt="2025-10-05T13:00:35.208Z")
        return signed(body), body

    def inbound_forgeries(self):
        _, body = self.inbound()
        return [
            *super().inbound_forgeries(),
            (signed(body, "another-secret-of-a-webhook"), body, INBOUND_URL),
            *((signed(each), each, INBOUND_URL) for each in (b"{}", webhook("MESSAGE_RECEIVED"))),
        ]

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert path == f"/gateway/devices/{DEVICE}/send-sms"
        assert (headers["x-api-key"], headers["content-type"]) == (KEY, "application/json")
        assert json.loads(gateway.bodies[0]) == {"recipients": [SMS.to], "message": SMS.body}

    @pytest.mark.parametrize("sim", [0, 3])
    def test_which_sim(self, gateway, sim):
        self.answers(gateway, *self.accepted)
        from_url("main", f"textbee://:{KEY}@{DEVICE}?sim={sim}&base_url={gateway.url}").send(SMS)
        assert json.loads(gateway.bodies[0])["simSubscriptionId"] == sim

    def test_where_it_is(self):
        provider = from_url("main", f"textbee://:{KEY}@{DEVICE}")
        assert (provider.base_url, provider.repeats_safely) == ("https://api.textbee.dev/api/v1", False)

    def test_a_server_without_a_queue_answers_what_google_says(self, gateway):
        pushed = {"responses": [{"success": True, "messageId": "projects/x/messages/0:1"}], "successCount": 1}
        assert self.answers(gateway, 201, json.dumps({"data": pushed})).send(SMS) == "projects/x/messages/0:1"

    def test_a_receipt_keeps_the_number_of_an_error_and_no_text(self, gateway):
        headers, body = self.receipt("failed", errorCode="4", errorMessage=f"No service {SMS.to}")
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, RECEIPTS)
        assert (found.reference, found.provider_message_id, found.error) == ("", ID, "4")
        assert SMS.to not in repr(found)

    def test_a_bom_before_a_receipt(self, gateway):
        body = b"\xef\xbb\xbf" + self.body("delivered")
        (found,) = self.provider(gateway.url).parse_receipts(signed(body), body, RECEIPTS)
        assert found.state is State.DELIVERED

    def test_each_kind_of_webhook_is_only_that(self, gateway):
        provider = self.provider(gateway.url)
        headers, body = self.inbound()
        assert provider.parse_receipts(headers, body, RECEIPTS) == []
        headers, body = self.receipt("sent")
        assert provider.parse_inbound(headers, body, INBOUND_URL) == []

    def test_what_another_phone_of_the_account_received_is_not_ours(self, gateway):
        body = webhook("MESSAGE_RECEIVED", sender=USER, message=TEXT, deviceId=OTHER)
        assert self.provider(gateway.url).parse_inbound(signed(body), body, INBOUND_URL) == []

    def test_whom_an_inbound_message_went_to(self, gateway):
        headers, body = self.inbound()
        url = f"{self.url.format(base_url=gateway.url, timeout=5)}&from=%2B12025550100"
        (found,) = from_url("main", url).parse_inbound(headers, body, INBOUND_URL)
        assert (found.id, found.sender) == ("68e26ab1c2d3e4f501234568", "+12025550100")

    def test_without_a_secret_nothing_is_believed(self, gateway):
        provider = from_url("main", f"textbee://:{KEY}@{DEVICE}?base_url={gateway.url}")
        body = self.body("delivered")
        for secret in ("", SECRET):
            with pytest.raises(ReceiptRejected, match="receipt_secret"):
                provider.parse_receipts(signed(body, secret), body, RECEIPTS)

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            (f"@{DEVICE}", "", "needs api_key"),
            (f":{KEY}@", "", "needs device"),
            (f":{KEY}@phone", "", "24 hexadecimal"),
            (f":f00%0A@{DEVICE}", "", "printable ASCII"),
            (f":{KEY}@{DEVICE}", "receipt_secret=s3cret-s3cret-s3cre", "20 characters"),
            (f":{KEY}@{DEVICE}", "sim=one", "a number"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"textbee://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (KEY, "s3cret", "f00"))


class TestTextbeeByPoll(PollContract):
    """Without a secret: a server that cannot call us, or has no webhook."""

    url = f"textbee://:{KEY}@{DEVICE}?base_url={{base_url}}&timeout={{timeout}}"
    accepted = TestTextbee.accepted
    accepted_id = ID
    refused_number = TestTextbee.refused_number
    refused_credentials = TestTextbee.refused_credentials
    throttled = TestTextbee.throttled
    looked_up: ClassVar = [
        (batch("pending"), None),
        (batch("dispatched"), State.SENT),
        (batch("sent"), State.SENT),
        (batch("delivered"), State.DELIVERED),
        (batch("failed", errorCode="FCM_TOKEN_NOT_REGISTERED"), State.FAILED),
        (batch("delivery_failed"), State.UNKNOWN),
        (batch("unknown"), State.UNKNOWN),
    ]

    def test_the_look_up(self, gateway):
        found = self.answers(gateway, *batch("failed", errorCode="1")).look_up("ref-1", f"{ID}/../x")
        ((path, headers, _),) = gateway.requests
        assert path == f"/gateway/devices/{DEVICE}/sms-batch/{ID}%2F..%2Fx"
        assert headers["x-api-key"] == KEY
        assert found
        assert (found.raw, found.error) == ("failed", "1")

    @pytest.mark.parametrize("status", [None, "", 7, ["sent"]])
    def test_an_answer_without_a_state(self, gateway, status):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, *batch(status)).look_up("ref-1", ID)

    def test_with_a_secret_it_is_not_asked(self, gateway):
        url = f"{self.url.format(base_url=gateway.url, timeout=5)}&receipt_secret={SECRET}"
        assert not from_url("main", url).reports_by_poll
