"""``bulksms://TOKEN_ID:TOKEN_SECRET@?from=Shop&receipt_secret=SECRET``: BulkSMS's JSON API.

Options:

- ``from``: a number or sender ID. Without it, BulkSMS uses the account's default.
- ``receipt_secret``: 16 or more random characters. Without it, receipts and inbound messages are refused.
- ``temporary`` (the next alias is asked), ``refused`` (the number or the text is refused) and ``account``
  (your account is refused): words that mean this, separated by spaces. They override our own table. A word
  is the end of a problem's type (``bad-request``) or a status (``FAILED.NOT_SENT``).
- ``timeout``, ``base_url`` (for a mock or a proxy).

BulkSMS does not accept a callback URL per message. Set its webhooks once in its web app, one for SENT
messages and one for RECEIVED ones. Each has its own URL, with a token in it because BulkSMS signs nothing.
Receipts name a message by the id of BulkSMS.

Each attempt has a ``deduplication-id``, by which BulkSMS de-duplicates for about 12 hours. It has only 31
bits, so a new message can collide with another one. The answer then shows the other message, and ours counts
as not taken.

BulkSMS documents few types of problems. For any other type, the HTTP status decides. Messages have no time to
live, so a text may arrive after its code has expired.

Sources: bulksms.com/developer/json/v1 (its OpenAPI file: request, answers, statuses, webhooks),
bulksms.com/developer/webhooks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from sms.errors import ReceiptRejected, TemporaryFailure
from sms.message import Inbound, Receipt
from sms.providers.base import Sms
from sms.providers.vendor import Outcome, Request, TokenProvider, outcome_table, state_table
from sms.providers.wire import at, basic, parse, read_words, word_of

#: Words whose HTTP status alone would mislead.
WORDS = outcome_table(
    refused="FAILED.HANDSET_ERROR",
    opted_out="FAILED.BLOCKED",  # the user has said STOP
    account="insufficient-credits",
    temporary="FAILED.EXPIRED FAILED.NOT_SENT",  # NOT_SENT: no route; another vendor may have one
)

#: Status types of a message that BulkSMS has accepted.
TAKEN = frozenset({"ACCEPTED", "SCHEDULED", "SENT", "DELIVERED"})

#: Parts of a long text. The default of BulkSMS is 3. We have limited the length before.
MAX_PARTS = 99


#: The error of a receipt for a number that has opted out of this sender.
OPTED_OUT = "BLOCKED"


class BulkSmsProvider(TokenProvider):
    scheme = "bulksms"
    name = "BulkSMS"
    url_names: ClassVar = {"user": "token_id", "password": "token_secret", **TokenProvider.url_names}
    id_path = "0.id"
    repeats_safely = True
    refers_by_own_id = True
    set_in_console = True
    receives = True
    inbound_paths = "id", "from", "to", "body"
    states = state_table(sent="ACCEPTED SCHEDULED SENT", delivered="DELIVERED", failed="FAILED")

    def __init__(
        self,
        alias: str,
        *,
        token_id: str,
        token_secret: str,
        temporary: str = "",
        refused: str = "",
        account: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, "https://api.bulksms.com", **common)
        words = read_words(alias, {"temporary": temporary, "refused": refused, "account": account})
        self.outcomes = WORDS | words  # type: ignore[assignment]  # read_words gives words as str
        self._url = f"{self.base_url}/v1/messages"
        self._headers = {
            "Authorization": basic(token_id, token_secret),
            "Content-Type": "application/json",
        }

    def build(self, sms: Sms) -> Request:
        message = {"to": sms.to, "body": sms.body, "longMessageMaxParts": MAX_PARTS}
        if sender := sms.sender or self.sender:
            message["from"] = sender
        # Otherwise characters outside GSM-7 arrive as question marks.
        query: dict[str, Any] = {"auto-unicode": "true"}
        if sms.key:
            query["deduplication-id"] = int(_digest(sms)[:8], 16) & 0x7FFFFFFF
            message["userSuppliedId"] = _digest(sms)[:20]
        return Request(f"{self._url}?{urlencode(query)}", json.dumps([message]), self._headers)

    def word_in(self, found: Any) -> str:
        """The status of a message, or the end of a problem's type. Its detail may repeat the number."""
        word = word_of(at(found, "0.status.id")) or word_of(at(found, "type")).rpartition("#")[2]
        return word if re.fullmatch(r"[A-Za-z][A-Za-z._-]{1,59}", word) else ""

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        """A message can fail even though it was created."""
        meaning = super().outcome(status, word, found)
        if meaning == "accepted" and at(found, "0"):
            taken = word_of(at(found, "0.status.type")) in TAKEN
            return self.outcomes.get(word) or ("accepted" if taken else "unknown")
        return meaning

    def id_for(self, sms: Sms, found: Any) -> str:
        number, id = word_of(at(found, "0.to")), word_of(at(found, "0.userSuppliedId"))
        if (
            sms.key
            and id not in ("", _digest(sms)[:20])
            and number.lstrip("+") not in ("", sms.to.lstrip("+"))
        ):
            raise TemporaryFailure("another message has its deduplication-id", code="deduplication-id")
        return super().id_for(sms, found)

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        return [self._receipt(message) for message in _messages(body, "SENT")]

    def read_inbound(self, head: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        return [self.inbound(message) for message in _messages(body, "RECEIVED")]

    def _receipt(self, message: Any) -> Receipt:
        word, id = word_of(at(message, "status.type")), word_of(at(message, "id"))
        if not word or not id:
            raise ReceiptRejected("the receipt names no state, or no message")
        error = word_of(at(message, "status.subtype"))
        opted_out = word_of(at(message, "to")) if error == OPTED_OUT else ""
        return self.receipt("", word, id=id, error=error, opted_out=opted_out)


def _messages(body: bytes, kind: str) -> list[Any]:
    """The messages of a callback. BulkSMS tests a URL with an empty list."""
    found = parse(body)
    if not isinstance(found, list):
        raise ReceiptRejected("the body is not a list of messages")
    if any(at(message, "type") != kind for message in found):
        raise ReceiptRejected(f"not all are {kind}: the webhook has the URL of another one")
    return found


def _digest(sms: Sms) -> str:
    return hashlib.sha256(sms.key.encode()).hexdigest()
