"""``textbee://:API_KEY@DEVICE_ID?receipt_secret=SECRET``: textbee (vernu/textbee), a phone of your own.

Options:

- ``receipt_secret``: the signing secret of the webhook, 20 or more characters. Without it, Otpost polls for
  the state of each message.
- ``sim``: the id of a subscription, as the app shows it.
- ``from``: the number of the SIM, which inbound messages show as their destination.
- ``timeout``.
- ``base_url``: your own server, such as https://textbee.example/api/v1. It needs USE_SMS_QUEUE=true, or
  messages cannot be tracked.

Set the webhooks once in textbee's dashboard. MESSAGE_SENT, MESSAGE_DELIVERED, MESSAGE_FAILED and
UNKNOWN_STATE take the URL for receipts, and MESSAGE_RECEIVED takes the URL for inbound messages. Receipts
name a message only by the id of textbee. The signature covers no time, so a replayed webhook looks like the
first.

Messages have no time to live: a phone that was offline sends codes that have expired. textbee keeps numbers
and texts readable in its database. It does not check numbers, so one that cannot get an SMS fails later.

Sources: vernu/textbee at c5e5932, api/src/gateway/gateway.service.ts, …/webhook/webhook.service.ts,
…/billing/billing.service.ts, android SMSStatusReceiver.kt.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from sms.errors import OutcomeUnknown, ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.base import Sms
from sms.providers.callbacks import same, signature_in
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, VendorProvider, outcome_table, state_table
from sms.providers.wire import at, parse

#: Our words for textbee's errors, which are sentences.
WORDS: Mapping[str, str] = {
    "Device does not exist or is not enabled": "device",
    "Invalid device id": "device",
    "Please verify your email to continue": "email",
    "Sorry, we cannot process your request at the moment": "banned",
    "Failed to create SMS batch": "database",
    "Failed to send SMS": "push",
}


class TextbeeProvider(VendorProvider):
    scheme = "textbee"
    name = "textbee"
    set_in_console = True
    url_names: ClassVar = {"password": "api_key", "host": "device", **VendorProvider.url_names}
    # limit: the daily or monthly limit of the plan. push: Google may not have passed the message on.
    outcomes = outcome_table(temporary="database", account="device email banned limit", unknown="push")
    id_path = "data.smsBatchId"
    # delivery_failed is not listed, because Android also says so if the network sends no reports.
    states = state_table(sent="dispatched sent", delivered="delivered", failed="failed")
    refers_by_own_id = True
    receives = True

    def __init__(
        self, alias: str, *, api_key: str, device: str, receipt_secret: str = "", sim: int = -1, **common: Any
    ) -> None:
        super().__init__(alias, "https://api.textbee.dev/api/v1", **common)
        if not re.fullmatch(r"[!-~]+", api_key):
            raise BadProviderURL(f"{alias}: the API key must be printable ASCII.")
        if not re.fullmatch(r"[0-9a-f]{24}", device):
            raise BadProviderURL(f"{alias}: write the device's id, 24 hexadecimal digits, after the @.")
        if 0 < len(receipt_secret) < 20:
            raise BadProviderURL(f"{alias}: receipt_secret= needs 20 characters or more, like textbee's.")
        self.takes_receipts = bool(receipt_secret)
        self.reports_by_poll = not receipt_secret
        self._secret = receipt_secret.encode()
        self._device = device
        self._sim = {"simSubscriptionId": sim} if sim >= 0 else {}
        self._url = f"{self.base_url}/gateway/devices/{device}"
        self._headers = {"x-api-key": api_key, "Content-Type": "application/json"}

    def build(self, sms: Sms) -> Request:
        message = {"recipients": [sms.to], "message": sms.body, **self._sim}
        return Request(f"{self._url}/send-sms", json.dumps(message), self._headers)

    def build_look_up(self, provider_message_id: str) -> Request:
        return Request(
            f"{self._url}/sms-batch/{quote(provider_message_id, safe='')}", b"", self._headers, "GET"
        )

    def read_look_up(self, reference: str, found: Any) -> Receipt | None:
        sms = at(found, "data.messages.0")
        status = at(sms, "status")
        if not status or not isinstance(status, str):
            raise OutcomeUnknown("the answer names no state", code="no_status")
        return None if status == "pending" else self._receipt(reference, sms, status)

    def word_in(self, found: Any) -> str:
        if at(found, "hasReachedLimit") is True:
            return "limit"
        return WORDS.get(str(at(found, "error") or at(found, "message")), "")

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        # textbee answers 500 to banned users, and 429 at the limit of a plan.
        return self.outcomes[word] if word and status >= 400 else super().outcome(status, word, found)

    def id_for(self, sms: Sms, found: Any) -> str:
        # Without a queue, the answer is Google's, and textbee's own id is missing.
        pushed = at(found, "data.responses.0.messageId")
        return pushed if pushed and isinstance(pushed, str) else super().id_for(sms, found)

    def read_head(self, headers: Mapping[str, str], url: str) -> str:
        return signature_in(headers, "x-signature")

    def read_receipts(self, head: str, body: bytes, url: str) -> list[Receipt]:
        found = self._webhook(head, body)
        if found["webhookEvent"] == "MESSAGE_RECEIVED":
            return []
        if not found.get("smsBatchId"):
            raise ReceiptRejected("the receipt names no message")
        return [self._receipt("", found, str(found.get("status", "")))]

    def read_inbound(self, head: str, body: bytes, url: str) -> list[Inbound]:
        found = self._webhook(head, body)
        # The webhook is the same for all phones of an account.
        if found["webhookEvent"] != "MESSAGE_RECEIVED" or found.get("deviceId") != self._device:
            return []
        id, phone = found.get("smsId"), found.get("sender")
        if not id or not phone:
            raise ReceiptRejected("the message has no id or no sender")
        text = str(found.get("message", ""))
        return [Inbound(id=str(id), phone=str(phone), sender=self.sender, text=text)]

    def _receipt(self, reference: str, sms: Any, status: str) -> Receipt:
        """A receipt whose error is Android's number or textbee's word, never the text."""
        id, error = at(sms, "smsBatchId") or at(sms, "smsBatch"), at(sms, "errorCode")
        return self.receipt(reference, status, id=str(id or ""), error=str(error or ""))

    def _webhook(self, signature: str, body: bytes) -> dict[str, Any]:
        if not same(signature.lower(), hmac.digest(self._secret, body, "sha256").hex()):
            raise ReceiptRejected("the signature is wrong")
        found = parse(body)
        if not isinstance(found, dict) or not isinstance(found.get("webhookEvent"), str):
            raise ReceiptRejected("the webhook cannot be read")
        return found
