"""``plivo://AUTH_ID:AUTH_TOKEN@?from=%2B15005550006``: Plivo.

Options:

- ``from`` (a number or sender ID) or ``powerpack`` (its UUID).
- ``log``: what Plivo keeps of a message: ``number_only`` (the default), ``content_only``, ``true`` or
  ``false``.
- ``timeout``, ``base_url`` (for a mock or a proxy).

Callbacks must have signature V3. Plivo's pages on messaging describe V2, which covers neither query nor body,
so it is not accepted. Only public code shows that messaging is signed by V3 as well. V3 covers no time: a
genuine callback can be replayed, but not changed.

The reason of a refusal is a text that repeats the number, so we keep only the HTTP status as its code. Plivo
does not list these texts. We only read whether one mentions our sender.

Sources: plivo.com/docs/messaging/api/messages (request, answer, callbacks), .../messaging/api/response
(statuses), .../faq/messaging/messaging-api (expiry); plivo 4.63.0 on PyPI: utils/signature_v3.py (signature),
rest/client.py (a 403 to a message is about its country).
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs, urlsplit

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers import wire
from sms.providers.base import Reply, Sms
from sms.providers.callbacks import references_in, same
from sms.providers.vendor import Outcome, Request, VendorProvider, one_number, outcome_table, state_table
from sms.providers.wire import E164, at, basic, in_base64, word_of

#: Seconds that Plivo lets a message wait: the range of message_expiry.
MIN_EXPIRY, MAX_EXPIRY = 5, 10_799

#: Words by which a refusal mentions our sender.
SOURCE = re.compile(r"\b(src|source|sender|powerpack(_uuid)?)\b", re.IGNORECASE)

#: Values of ``log=``.
LOGS = ("true", "false", "content_only", "number_only")

#: Headers with signatures, by the token of the sending account and by that of its main account.
SIGNATURES, NONCE = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3"), "x-plivo-signature-v3-nonce"


#: The error of a receipt for a number that has opted out of this sender.
OPTED_OUT = "200"


class Head(NamedTuple):
    signatures: list[str]
    nonce: str


class PlivoProvider(VendorProvider):
    scheme = "plivo"
    name = "Plivo"
    url_names: ClassVar = {"user": "auth_id", "password": "auth_token", **VendorProvider.url_names}
    # 404, no such account, is one of ``account_statuses``.
    outcomes = outcome_table(country="403")
    id_path = "message_uuid.0"
    states = state_table(sent="queued sent", delivered="delivered read", failed="undelivered failed rejected")
    takes_receipts = True
    receipt_option = "auth_token"
    receives = True
    tells_prices = True
    # Plivo would send a Message element in the answer to the user.
    inbound_reply = Reply("<Response/>", "application/xml")

    def __init__(
        self,
        alias: str,
        *,
        auth_id: str,
        auth_token: str,
        powerpack: str = "",
        log: str = "number_only",
        **common: Any,
    ) -> None:
        super().__init__(alias, "https://api.plivo.com", **common)
        need = partial(wire.need, alias)
        is_id = re.fullmatch(r"(MA|SA)[A-Za-z0-9]{18}", auth_id)
        need(is_id, "write plivo://AUTH_ID:AUTH_TOKEN@. The Auth ID is MA or SA and 18 more letters.")
        is_token = re.fullmatch(r"[!-~]+", auth_token)
        need(is_token, "the auth token must be printable ASCII without spaces.")
        need(bool(self.sender) != bool(powerpack), "give either from= or powerpack=.")
        is_sender = re.fullmatch(r"(\+?[0-9]{1,14}|[A-Za-z0-9]{1,11})?", self.sender)
        need(is_sender, "from= takes at most 14 digits, or at most 11 letters and digits.")
        need(log in LOGS, f"log= takes {', '.join(LOGS)}.")
        self._from = {"src": self.sender} if self.sender else {"powerpack_uuid": powerpack}
        self._log = log
        self._auth_token = auth_token.encode()
        self._url = f"{self.base_url}/v1/Account/{auth_id}/Message/"
        authorization = basic(auth_id, auth_token)
        self._headers = {"Content-Type": "application/json", "Authorization": authorization}

    def build(self, sms: Sms) -> Request:
        sender = {"src": sms.sender} if sms.sender else self._from
        to = one_number(sms.to)  # Plivo splits this at < and sends to each part
        message: dict[str, Any] = {"dst": to, "text": sms.body, "type": "sms", "log": self._log, **sender}
        if sms.callback_url:
            message |= {"url": sms.callback_url, "method": "POST"}
        if sms.expires_in:
            message["message_expiry"] = max(MIN_EXPIRY, min(int(sms.expires_in), MAX_EXPIRY))
        return Request(self._url, json.dumps(message), self._headers)

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        meaning = super().outcome(status, word, found)
        # Plivo lists an invalid number this way if a request has several numbers and some are good.
        nobody = at(found, "invalid_number") and not at(found, "message_uuid")
        return "refused" if meaning == "accepted" and nobody else meaning

    def unlisted(self, found: Any) -> Outcome:
        text = word_of(at(found, "error"))  # not kept: it may repeat the number
        # A text that also mentions the number, such as "src and dst are the same", does not blame the
        # account.
        blames_us = SOURCE.search(text) and not re.search(r"\bdst\b", text, re.IGNORECASE)
        return "account" if blames_us else "refused"

    def read_head(self, headers: Mapping[str, str], url: str) -> Head:
        # An account with several tokens sends several signatures.
        given = [each.strip() for name in SIGNATURES for each in headers.get(name, "").split(",")]
        signatures, nonce = [each for each in given if each], headers.get(NONCE, "")
        if not signatures or not nonce:
            raise ReceiptRejected("there is no signature V3")
        return Head(signatures, nonce)

    def read_receipts(self, head: Head, body: bytes, url: str) -> list[Receipt]:
        fields = self._signed(head, body, url)
        references = references_in(url)
        word, error = fields.get("Status", ""), fields.get("ErrorCode", "")
        if len(references) != 1 or not word:
            raise ReceiptRejected("not a receipt of one message")
        id = fields.get("ParentMessageUUID") or fields.get("MessageUUID", "")
        opted_out = fields.get("To", "") if error == OPTED_OUT else ""
        error = "" if error == "000" else error
        return [self.receipt(references[0], word, id=id, error=error, opted_out=opted_out)]

    def read_inbound(self, head: Head, body: bytes, url: str) -> list[Inbound]:
        fields = self._signed(head, body, url)
        phone, id = "+" + fields.get("From", "").removeprefix("+"), fields.get("MessageUUID", "")
        if not E164.fullmatch(phone) or not id or "Text" not in fields:
            raise ReceiptRejected("not a message from a user")
        return [Inbound(id, phone, fields.get("To", ""), fields["Text"])]

    def _signed(self, head: Head, body: bytes, url: str) -> dict[str, str]:
        """The fields of a form that Plivo signed together with the URL."""
        parts = urlsplit(url)
        try:
            form = parse_qs(body.decode(), keep_blank_values=True)
        except ValueError:
            raise ReceiptRejected("the body is not a form") from None
        query = _joined(parse_qs(parts.query, keep_blank_values=True), "=", "&")
        address = parts._replace(query="", fragment="").geturl() + "?" + query + ("." if query else "")
        text = f"{address}{_joined(form, '', '')}.{head.nonce}".encode(errors="backslashreplace")
        expected = in_base64(hmac.digest(self._auth_token, text, "sha256"))
        if not any(same(given, expected) for given in head.signatures):
            raise ReceiptRejected("the signature is wrong")
        return {name: values[0] for name, values in form.items()}


def _joined(fields: Mapping[str, list[str]], equals: str, ampersand: str) -> str:
    """Fields in the form that is signed: decoded, and sorted by name and value."""
    pairs = (f"{name}{equals}{value}" for name in sorted(fields) for value in sorted(fields[name]))
    return ampersand.join(pairs)
