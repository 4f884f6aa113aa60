"""``sinch://SERVICE_PLAN_ID:API_TOKEN@?from=Shop&region=eu&receipt_secret=SECRET``: Sinch's SMS API, XMS.

Options:

- ``from``: a number, short code or sender ID. Without it, Sinch uses the account's default originator.
- ``region``: that of the service plan: ``us`` (the default), ``eu``, ``au``, ``br`` or ``ca``.
- ``receipt_secret`` or ``webhook_secret``, see below. Without either, no receipts are requested or accepted.
- ``feedback=yes``: report to Sinch which codes were typed.
- ``timeout``, ``base_url`` (for a mock or a proxy).

Sinch signs callbacks only if its support has enabled that. Then ``webhook_secret`` is the secret that they
gave you, and unsigned callbacks are refused. Otherwise, choose a ``receipt_secret`` of 16 or more random
characters. The callback URL of each message then holds a token that is good for that message only.

Sinch does not list the texts of a 400. We only read whether one blames ``from`` and nothing else.

The clock of the worker must be right, because Sinch takes a time at which to give up, not a duration.

Sources: developers.sinch.com/docs/sms/api-reference: sms/batches (request, answer, feedback), status-codes
and community.sinch.com/t5/SMS/…/ta-p/14163 (codes), sms/delivery-reports (statuses), sms/webhooks;
sinch 2.3.0 on PyPI: domains/authentication/…/authentication_validation.py (signature). They do not say
whether a repeated callback is signed again.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt, State
from sms.providers import wire
from sms.providers.base import Sms
from sms.providers.callbacks import query_of, require_recent, same
from sms.providers.url import is_yes
from sms.providers.vendor import Outcome, Request, TokenProvider, one_number, outcome_table, state_table
from sms.providers.wire import E164, at, in_base64, parse, word_of

#: Codes whose HTTP status alone would mislead. All other codes of a 403 blame the account.
CODES = outcome_table(refused="illegal_number_type")

#: Words by which a refusal mentions the number, whether or not it also mentions ``from``.
RECIPIENT = re.compile(r"['\"`]to\b|\b(recipient|opted)", re.IGNORECASE)

REGIONS = ("us", "eu", "au", "br", "ca")

#: Seconds after which Sinch gives up anyway, and the latest expire_at that it accepts.
MAX_EXPIRY = 3 * 86_400

#: Seconds: the age at which a signed callback is refused, and the difference between clocks.
MAX_AGE, LEEWAY = 600, 60

#: Headers of a signed callback: signature, nonce, and time in seconds since the epoch.
SIGNED = tuple(f"x-sinch-webhook-signature{end}" for end in ("", "-nonce", "-timestamp"))


class SinchProvider(TokenProvider):
    scheme = "sinch"
    name = "Sinch"
    url_names: ClassVar = {"user": "service_plan_id", "password": "api_token", **TokenProvider.url_names}
    # 404, no such service plan in this region, is one of ``account_statuses``.
    outcomes = CODES
    id_path = "id"
    word_paths = ("code",)
    word_form = r"[a-z_]{1,50}"
    states = state_table(
        sent="Queued Dispatched",
        delivered="Delivered",
        failed="Aborted Cancelled Rejected Deleted Failed Expired",
    )
    receives = True
    inbound_paths = "id", "from", "to", "body"

    def __init__(
        self,
        alias: str,
        *,
        service_plan_id: str,
        api_token: str,
        region: str = "us",
        webhook_secret: str = "",
        feedback: str = "",
        **common: Any,
    ) -> None:
        need = partial(wire.need, alias)
        need(region in REGIONS, f"region= takes {', '.join(REGIONS)}.")
        super().__init__(alias, f"https://{region}.sms.api.sinch.com", **common)
        is_plan = re.fullmatch(r"[\w-]+", service_plan_id, re.ASCII)
        is_token = re.fullmatch(r"[!-~]+", api_token)
        need(
            is_plan and is_token,
            "write sinch://SERVICE_PLAN_ID:API_TOKEN@, both as Sinch's dashboard shows them.",
        )
        need(not (webhook_secret and self.takes_receipts), "give either webhook_secret= or receipt_secret=.")
        self.takes_receipts = self.takes_receipts or bool(webhook_secret)
        self.takes_feedback = is_yes(alias, "feedback", feedback)
        self._webhook_secret = webhook_secret.encode()
        self._url = f"{self.base_url}/xms/v1/{service_plan_id}/batches"
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {api_token}"}

    def build(self, sms: Sms) -> Request:
        to = one_number(sms.to)  # Sinch would take anything else for the id of a group
        message: dict[str, Any] = {"type": "mt_text", "to": [to], "body": sms.body}
        if sender := sms.sender or self.sender:
            message["from"] = sender
        address = sms.callback_url if self._webhook_secret else self.receipt_address(sms)
        if address:
            message |= {"delivery_report": "per_recipient", "callback_url": address}
            message["client_reference"] = sms.id
        if sms.expires_in:
            end = datetime.now(UTC) + timedelta(seconds=min(sms.expires_in, MAX_EXPIRY))
            message["expire_at"] = f"{end:%Y-%m-%dT%H:%M:%S}.{end.microsecond // 1000:03}Z"
        if self.takes_feedback and sms.code:
            message["feedback_enabled"] = True
        return Request(self._url, json.dumps(message), self._headers)

    def unlisted(self, found: Any) -> Outcome:
        text = word_of(at(found, "text"))  # not kept: it may repeat the number
        blames_us = re.search(r"\bfrom\b", text) and not RECIPIENT.search(text)
        return "account" if blames_us else "refused"

    def build_feedback(self, reference: str, provider_message_id: str, *, converted: bool) -> Request | None:
        if not converted:
            return None
        url = f"{self._url}/{quote(provider_message_id, safe='')}/delivery_feedback"
        # An empty list means every recipient; there is one.
        return Request(url, json.dumps({"recipients": []}), self._headers)

    def read_head(self, headers: Mapping[str, str], url: str) -> Mapping[str, str]:
        if not self._webhook_secret:
            return super().read_head(headers, url)
        signature, nonce, timestamp = (headers.get(name, "") for name in SIGNED)
        require_recent(timestamp, LEEWAY, MAX_AGE)
        return query_of(url) | {"signature": signature, "signed": f".{nonce}.{timestamp}"}

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        report = self._opened(head, body)
        word, id = word_of(at(report, "status")).capitalize(), word_of(at(report, "batch_id"))
        if at(report, "type") != "recipient_delivery_report_sms" or not word:
            raise ReceiptRejected("not a receipt of one message")
        told, named = word_of(at(report, "client_reference")), head.get("reference", "")
        # The signature does not cover the URL, and the token does not cover the body.
        reference = told if self._webhook_secret else named
        if not reference or {told, named} - {"", reference}:
            raise ReceiptRejected("the receipt names no message of ours, or two")
        failed = self.states.get(word) is State.FAILED
        return [self.receipt(reference, word, id=id, error=word_of(at(report, "code")) if failed else "")]

    def read_inbound(self, head: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        message = self._opened(head, body)
        if at(message, "type") in ("mo_binary", "mo_media"):
            return []  # not a text
        found, is_text = self.inbound(message), isinstance(at(message, "body"), str)
        if at(message, "type") != "mo_text" or not is_text or not E164.fullmatch(found.phone):
            raise ReceiptRejected("not a text from a user")
        return [found]

    def _opened(self, head: Mapping[str, str], body: bytes) -> Any:
        """The content of a callback that is proved to be Sinch's."""
        if self._webhook_secret:
            text = body + head["signed"].encode(errors="backslashreplace")
            expected = in_base64(hmac.digest(self._webhook_secret, text, "sha256"))
            if not same(head["signature"], expected):
                raise ReceiptRejected("the signature is wrong")
        return parse(body)
