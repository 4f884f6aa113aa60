"""``azure://:ACCESS_KEY@RESOURCE.communication.azure.com?from=%2B18445550123&receipt_secret=SECRET``: Azure
Communication Services.

``ACCESS_KEY`` is one of the resource's keys, in base64 as the portal shows it. Write its / as %2F.

Options:

- ``from``: a number or sender ID.
- ``receipt_secret``: 16 or more random characters. Without it, no receipts are requested, and inbound
  messages are refused.
- ``timeout``, ``base_url`` (for a mock or a proxy).

Reports come by Event Grid, which signs nothing. So the URLs hold a token made from ``receipt_secret``.
``manage.py providers --configured`` prints them. Make two event subscriptions of the resource, both in the
Event Grid schema: SMSDeliveryReportReceived goes to ``/v1/receipts/ALIAS?token=…``, and SMSReceived goes to
``/v1/inbound/ALIAS?token=…``.

If Azure refuses a number, it gives only an HTTP status as the reason. If ``from`` is wrong, it answers 400
and names that field. Azure does not document for how long it de-duplicates SMS; other services of its do so
for five minutes. A request that it rejects as a duplicate counts as unknown.

Sources: the client azure-communication-sms 1.1.0 (request, signature); azure-rest-api-specs,
specification/communication/data-plane/Sms (fields, answers); recordings of the tests of
azure-sdk-for-js, sdk/communication/communication-sms (a wrong ``from``); learn.microsoft.com:
rest/api/communication/errorcodes and /repeatable-requests,
azure/event-grid/communication-services-telephony-sms-events and /webhook-event-delivery (handshake).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache, partial
from typing import Any, ClassVar

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers import wire
from sms.providers.base import Reply, Sms
from sms.providers.exchange import place_of
from sms.providers.vendor import Outcome, Request, TokenProvider, outcome_table, state_table
from sms.providers.wire import at, in_base64, parse, word_of

API_VERSION = "2021-03-07"

#: Hand-offs whose first time is remembered: more than a process begins while one is repeated.
MOST_KEPT = 10_000


class AzureProvider(TokenProvider):
    scheme = "azure"
    name = "Azure Communication Services"
    url_names: ClassVar = {"password": "access_key", **TokenProvider.url_names}
    # 404 no such resource; 409 the same hand-off is in progress; 412 a repetition that came too late.
    outcomes = outcome_table(account="404", unknown="409 412")
    id_path = "value.0.messageId"
    repeats_safely = True
    set_in_console = True
    states = state_table(delivered="Delivered", failed="Failed")

    def __init__(self, alias: str, *, access_key: str, sender: str, host: str = "", **common: Any) -> None:
        need = partial(wire.need, alias)
        need(host or common.get("base_url"), "write azure://:ACCESS_KEY@RESOURCE.communication.azure.com.")
        need(sender, "from= must hold a number or a sender ID.")
        super().__init__(alias, f"https://{host}", sender=sender, **common)
        try:
            self._key = base64.b64decode(access_key, validate=True)
        except ValueError:
            self._key = b""
        need(self._key, "the access key must be in base64, as the portal shows it.")
        self.receives = self.takes_receipts
        self._url = f"{self.base_url}/sms?api-version={API_VERSION}"
        self._first_sent = lru_cache(MOST_KEPT)(lambda key: formatdate(usegmt=True))

    def build(self, sms: Sms) -> Request:
        key = sms.key or uuid.uuid4().hex
        recipient = {
            "to": sms.to,
            # Azure refuses a repetition that differs from the first request in any way.
            "repeatabilityRequestId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:otpost:{key}")),
            "repeatabilityFirstSent": self._first_sent(key),
        }
        wants_report = bool(sms.callback_url) and self.takes_receipts
        fields = {
            "from": sms.sender or self.sender,
            "smsRecipients": [recipient],
            "message": sms.body,
            "smsSendOptions": {"enableDeliveryReport": wants_report, "tag": sms.id},
        }
        body = json.dumps(fields)
        return Request(self._url, body, self._signed(body))

    def _signed(self, body: str) -> dict[str, str]:
        now, digest = formatdate(usegmt=True), in_base64(hashlib.sha256(body.encode()).digest())
        place = place_of(self._url)
        text = f"POST\n{place.target}\n{now};{place.name};{digest}"
        signature = in_base64(hmac.digest(self._key, text.encode(), "sha256"))
        names = "x-ms-date;host;x-ms-content-sha256"
        return {
            "Content-Type": "application/json",
            "x-ms-date": now,
            "x-ms-content-sha256": digest,
            "Authorization": f"HMAC-SHA256 SignedHeaders={names}&Signature={signature}",
        }

    def word_in(self, found: Any) -> str:
        """The HTTP status of the one recipient, or the code of an error. Neither is free text."""
        status, code = at(found, "value.0.httpStatusCode"), at(found, "error.code")
        if isinstance(status, int) and 100 <= status < 600:
            return str(status)
        return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z]{1,60}", code) else ""

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        answer = at(found, "value.0")
        if not 200 <= status < 300 or not isinstance(answer, dict):
            return super().outcome(status, word if word in self.outcomes else "", found)
        if not word.isdigit() or answer.get("repeatabilityResult") in ("rejected", "Rejected"):
            return "unknown"  # the first request of this hand-off may have been accepted
        meaning = super().outcome(int(word), word, found)
        return meaning if (meaning == "accepted") is (answer.get("successful") is True) else "unknown"

    def unlisted(self, found: Any) -> Outcome:
        """An error names the wrong fields at its top level or under ``errors``."""
        named = (fields for fields in (found, at(found, "errors")) if isinstance(fields, dict))
        return "account" if any(name.lower() == "from" for fields in named for name in fields) else "refused"

    def greet(self, headers: Mapping[str, str], body: bytes, url: str) -> Reply | None:
        kind = headers.get("aeg-event-type")
        if kind not in ("SubscriptionValidation", "SubscriptionDeletion"):
            return None
        self.check_head(headers, url)
        if kind == "SubscriptionDeletion":
            return Reply()
        code = _events(body, "Microsoft.EventGrid.SubscriptionValidationEvent")[0].get("validationcode")
        if not isinstance(code, str) or not re.fullmatch(r"[\w-]{1,100}", code, re.ASCII):
            raise ReceiptRejected("the handshake has no validation code")
        return Reply(json.dumps({"validationResponse": code}), "application/json")

    def read_receipts(self, head: Any, body: bytes, url: str) -> list[Receipt]:
        events = _events(body, "Microsoft.Communication.SMSDeliveryReportReceived")
        # Messages that other programs send by this resource have no tag.
        return [self._receipt(event) for event in events if isinstance(event.get("tag"), str)]

    def _receipt(self, event: Mapping[str, Any]) -> Receipt:
        id, word = _text(event, "messageid"), _text(event, "deliverystatus")
        # "4005: …" or text without a number. We keep only the number, since the text may repeat the phone's.
        number = re.match(r"[0-9]{1,5}\b", word_of(event.get("deliverystatusdetails")))
        error = number[0] if number and word == "Failed" else ""
        return self.receipt(event["tag"], word, id=id, error=error)

    def read_inbound(self, head: Any, body: bytes, url: str) -> list[Inbound]:
        names = ("messageid", "from", "to", "message")
        events = _events(body, "Microsoft.Communication.SMSReceived")
        found = [[_text(event, name) for name in names] for event in events]
        # Azure writes some numbers without +.
        return [Inbound(id, f"+{phone.removeprefix('+')}", sender, text) for id, phone, sender, text in found]


def _events(body: bytes, kind: str) -> list[dict[str, Any]]:
    """The data of each event. Its names are in lower case, because Azure spells them inconsistently."""
    events = parse(body)
    if not isinstance(events, list) or not events:
        raise ReceiptRejected("the body holds no events in the Event Grid schema")
    if not all(at(event, "eventType") == kind and isinstance(event.get("data"), dict) for event in events):
        raise ReceiptRejected(f"the subscription must send only {kind}")
    return [{name.lower(): value for name, value in event["data"].items()} for event in events]


def _text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str):
        raise ReceiptRejected(f"an event lacks its {name}")
    return value
