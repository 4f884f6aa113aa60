"""``clickatell://:API_KEY@?from=12025550100&receipt_secret=SECRET``: Clickatell's One API.

The key is that of an SMS integration.

Options:

- ``from``: the number of a two-way integration. A one-way integration needs none.
- ``receipt_secret``: 16 or more random characters. Without it, receipts and inbound messages are refused.
- ``validity=yes``: also send ``validityPeriod`` (minutes, rounded up). Clickatell documents it only for its
  older APIs.
- ``temporary`` (the next alias is asked) and ``permanent`` (the number or the text is refused): error codes
  that mean this, separated by spaces. They override our own table.
- ``timeout``, ``base_url`` (for a mock or a proxy).

Clickatell signs nothing, so its callback URLs hold a token made from ``receipt_secret``. Set them once in its
portal, one for message status and one for replies. Receipts return ``clientMessageId``, which is our
reference. Clickatell documents this field for callbacks only, not for sending.

Sources: docs.clickatell.com/channels/one-api (errors table, message status table), clickatell.com/developers/
api-documentation/one-api-send-plain-text-message and …/one-api-received-message-callback,
guides.clickatell.com, WhatsApp and SMS One API, customer callbacks.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.base import Sms
from sms.providers.url import BadProviderURL, is_yes
from sms.providers.vendor import Outcome, Request, TokenProvider, outcome_table, state_table
from sms.providers.wire import at, parse

#: Error codes of the whole request, or of its one message.
CODES = outcome_table(
    # 24, 100 too long; 25 number; 27 not on this channel; 40 characters.
    refused="24 25 27 40 100",
    opted_out="26",
    # 18, 19 internal; 43 too fast, with HTTP 400.
    temporary="18 19 43",
    # 1 key; 2 account not active; 3 integration not active; 7 our IP address; 20 balance; 21 to 23 our
    # request. 28 sandbox; 38, 39 channel; 41, 42 our URL; 44, 45 sender; 46 demo has ended.
    account="1 2 3 7 20 21 22 23 28 38 39 41 42 44 45 46",
    # 101 no two-way messages there; 110, 111 rules of the USA.
    country="101 110 111",
)

#: Any other refusal. Another alias should try: a refusal would end a code whose number may be good, and
#: blaming the account would let one odd number close the alias for everybody.
UNLISTED: Outcome = "temporary"


class ClickatellProvider(TokenProvider):
    scheme = "clickatell"
    name = "Clickatell"
    set_in_console = True
    url_names: ClassVar = {"password": "api_key", **TokenProvider.url_names}
    id_path = "messages.0.apiMessageId"
    word_paths = "messages.0.error.code", "error.code"
    # We read the words. The numbers beside them mean other things in Clickatell's older APIs.
    states = state_table(
        sent="QUEUED SCHEDULED SENT_TO_SUPPLIER",
        delivered="DEVICE_ACK READ",
        failed="EXPIRED STOPPED_BY_USER STOPPED_BY_ADMIN DELIVERY_FAILURE INSUFFICIENT_ACCOUNT_BALANCE "
        "VOLUME_LIMIT VOLUME_LIMIT_DAILY VOLUME_LIMIT_MONTHLY RECIPIENT_DOES_NOT_EXIST ROUTING_ERROR",
    )
    receives = True
    inbound_paths = "messageId", "from", "to", "content"

    def __init__(
        self,
        alias: str,
        *,
        api_key: str,
        validity: str = "",
        temporary: str = "",
        permanent: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, "https://platform.clickatell.com", **common)
        if not re.fullmatch(r"[!-~]+", api_key):
            raise BadProviderURL(f"{alias}: the API key must be printable ASCII.")
        if not re.fullmatch(r"[0-9 ]*", temporary + permanent):
            raise BadProviderURL(f"{alias}: temporary= and permanent= take Clickatell's error numbers.")
        self.outcomes = CODES | outcome_table(temporary=temporary, refused=permanent)
        self._tells_validity = is_yes(alias, "validity", validity)
        self._headers = {"Authorization": api_key, "Content-Type": "application/json"}

    def build(self, sms: Sms) -> Request:
        message: dict[str, Any] = {
            "channel": "sms",
            "to": sms.to.removeprefix("+"),
            "content": sms.body,
            "clientMessageId": sms.id,
        }
        if sender := sms.sender or self.sender:
            message["from"] = sender.removeprefix("+")
        if self._tells_validity and sms.expires_in:
            # Rounded down, a code of 119 s would lose half its life.
            message["validityPeriod"] = math.ceil(sms.expires_in / 60)
        return Request(f"{self.base_url}/v1/message", json.dumps({"messages": [message]}), self._headers)

    def unlisted(self, found: Any) -> Outcome:
        return UNLISTED

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        meaning = super().outcome(status, word, found)
        if meaning != "accepted":
            return meaning
        accepted = at(found, "messages.0.accepted")
        if accepted is True:
            return "accepted"
        return self.outcomes.get(word, UNLISTED) if accepted is False or word else "unknown"

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        """Receipts without a reference are skipped: other programs may send by the same integration."""
        return [
            self.receipt(
                str(each["clientMessageId"]),
                str(each.get("status", "")),
                id=str(each.get("messageId", "")),
                error=str(each.get("statusCode", "")),
            )
            for each in _events(body, "messageStatusUpdate")
            if each.get("clientMessageId")
        ]

    def read_inbound(self, head: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        texts = _events(body, "moText")
        return [self.inbound(text) for text in texts if str(text.get("channel")).strip() == "sms"]


def _events(body: bytes, kind: str) -> list[dict[str, Any]]:
    """The events of one kind in a callback, which may hold others."""
    event = at(parse(body), "event")
    found = event.get(kind) or [] if isinstance(event, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ReceiptRejected("the callback cannot be read")
    return found
