"""``telnyx://:API_KEY@?from=%2B15005550006&public_key=KEY``: Telnyx's Messaging API, version 2.

Options:

- ``from`` (a number or sender ID) or ``messaging_profile`` (its id). A sender ID needs both.
- ``public_key``: the account's key that verifies callbacks. Without it, no receipts are requested, and all
  callbacks are refused.
- ``timeout``, ``base_url`` (for a mock or a proxy).

Each attempt has an ``Idempotency-Key``. For 24 hours, Telnyx repeats its answer instead of sending again. It
does not document what it answers while the first request is in progress. So a 409 counts as unknown. Messages
have no time to live, so a text may arrive after its code has expired. Inbound messages go to the webhook of
the messaging profile.

Sources: developers.telnyx.com/docs/messaging/messages (sending, webhooks, error codes),
…/docs/development/api-fundamentals/idempotency, telnyx 4.189.0 (request, payloads, signature).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.base import Sms
from sms.providers.callbacks import references_in, require_recent, signature_in
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, VendorProvider, outcome_table, state_table
from sms.providers.wire import at, parse, word_of

#: Error codes whose HTTP status alone would mislead.
CODES = outcome_table(
    # Trouble at Telnyx, too many requests, temporarily spam, carrier away, queue full.
    temporary="10007 10008 10011 40002 40004 40006 40011 40014 40015 40016 40018 40318 40320",
    # The number or the text. 40008: the carrier refused it without a reason. After a STOP, Telnyx itself
    # refuses, with 40300.
    refused="10002 10016 40001 40008 40009 40012 40301 40302 40310 40316 40319 40322 40328",
    opted_out="40300",  # the user has said STOP
    # Credentials, funds, or a sender or messaging profile that is blocked, disabled, unknown or not ours.
    # 40003: a carrier has blocked it for good, because of spam.
    account="10001 10005 10006 10009 10010 10017 20100 40003 40013 40100 40150 40151 40305 40306 40308 40311 "
    "40312 40313 40314 40315 40321 40333",
    # 40309 region not on the messaging profile's list; 40010, 40329 sender not registered in the USA.
    country="40010 40309 40329",
    unknown="10012",  # a duplicate
)

#: Seconds that the time of a signature may differ from ours, as in Telnyx's SDK.
TOLERANCE = 300

#: Headers with the signature of a callback, and with its time.
SIGNATURE, TIMESTAMP = "telnyx-signature-ed25519", "telnyx-timestamp"


class TelnyxProvider(VendorProvider):
    scheme = "telnyx"
    name = "Telnyx"
    url_names: ClassVar = {"password": "api_key", **VendorProvider.url_names}
    receipt_option = "public_key"
    outcomes = CODES
    id_path = "data.id"
    word_paths = ("errors.0.code",)
    repeats_safely = True
    tells_prices = True
    receives = True
    inbound_paths = "id", "from.phone_number", "to.0.phone_number", "text"
    states = state_table(
        sent="queued sending sent",
        delivered="delivered",
        failed="sending_failed delivery_failed expired",
        unknown="delivery_unconfirmed",
    )

    def __init__(
        self, alias: str, *, api_key: str, messaging_profile: str = "", public_key: str = "", **common: Any
    ) -> None:
        super().__init__(alias, "https://api.telnyx.com", **common)
        if not self.sender and not messaging_profile:
            raise BadProviderURL(f"{alias}: give from= or messaging_profile=.")
        if not messaging_profile and not re.fullmatch(r"\+?[0-9]+", self.sender):
            raise BadProviderURL(f"{alias}: from= is a sender ID, which also needs messaging_profile=.")
        self._profile = messaging_profile
        self._public_key = _public_key(alias, public_key) if public_key else None
        self.takes_receipts = bool(public_key)
        self._url = f"{self.base_url}/v2/messages"
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def build(self, sms: Sms) -> Request:
        message = {"to": sms.to, "text": sms.body}
        if sender := sms.sender or self.sender:
            message["from"] = sender
        if self._profile:
            message["messaging_profile_id"] = self._profile
        if sms.callback_url and self.takes_receipts:
            message["webhook_url"] = sms.callback_url
        headers = self._headers
        if sms.key:
            # A digest, because Telnyx accepts only letters, digits, _, - and :.
            key = hashlib.sha256(sms.key.encode()).hexdigest()
            headers = headers | {"Idempotency-Key": key}
        return Request(self._url, json.dumps(message), headers)

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        if status == 409:
            return "unknown"
        meaning = super().outcome(status, word, found)
        blames_sender = word_of(at(found, "errors.0.source.pointer")) == "/from"
        return "account" if meaning == "refused" and blames_sender else meaning

    def read_head(self, headers: Mapping[str, str], url: str) -> tuple[bytes, bytes]:
        """The signature, and the beginning of what was signed."""
        signature, moment = signature_in(headers, SIGNATURE), headers.get(TIMESTAMP, "")
        require_recent(moment, TOLERANCE)
        try:
            return base64.b64decode(signature, validate=True), f"{moment}|".encode()
        except ValueError:
            raise ReceiptRejected("the signature is not in base64") from None

    def read_receipts(self, head: tuple[bytes, bytes], body: bytes, url: str) -> list[Receipt]:
        _, payload = self._event(head, body)
        # The signature covers only the body, but that repeats the URL that we gave.
        called, given = (references_in(address) for address in (url, word_of(at(payload, "webhook_url"))))
        if len(given) != 1 or called != given:
            raise ReceiptRejected("the URL names another message than the receipt")
        word, id = word_of(at(payload, "to.0.status")), word_of(at(payload, "id"))
        if not word:
            raise ReceiptRejected("the receipt names no state")
        error = word_of(at(payload, "errors.0.code"))
        opted_out = word_of(at(payload, "to.0.phone_number")) if CODES.get(error) == "opted_out" else ""
        return [self.receipt(given[0], word, id=id, error=error, opted_out=opted_out)]

    def read_inbound(self, head: tuple[bytes, bytes], body: bytes, url: str) -> list[Inbound]:
        """Events about outbound messages come to the same webhook, and are skipped."""
        kind, payload = self._event(head, body)
        return [self.inbound(payload)] if kind == "message.received" else []

    def _event(self, head: tuple[bytes, bytes], body: bytes) -> tuple[str, Any]:
        signature, beginning = head
        if not self._public_key:
            raise ReceiptRejected("public_key= is not set")
        try:
            self._public_key.verify(signature, beginning + body)
        except InvalidSignature:
            raise ReceiptRejected("the signature is wrong") from None
        data = at(parse(body), "data")
        return word_of(at(data, "event_type")), at(data, "payload")


def _public_key(alias: str, text: str) -> Ed25519PublicKey:
    try:
        # In a query, + reads as a space.
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.replace(" ", "+"), validate=True))
    except ValueError:
        raise BadProviderURL(
            f"{alias}: public_key= must be the account's public key, 32 bytes in base64, as Telnyx's portal "
            "shows it under Keys & Credentials."
        ) from None
