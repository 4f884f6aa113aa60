"""``messagebird://:ACCESS_KEY@?from=Shop&signing_key=KEY``: MessageBird, which is Bird's older SMS API.

Options:

- ``from``: a number, or a sender ID of at most 11 characters.
- ``signing_key``: the key in the account's developer settings that signs callbacks. Without it, no receipts
  are requested or accepted.
- ``timeout``, ``base_url`` (for a mock or a proxy).

MessageBird reports by GET, with the recipient's number in the query. Let no proxy in front of us log queries.

Sources: developers.messagebird.com/api/sms-messaging (request, answer, statuses), .../api (errors),
.../docs/verify-http-requests (signature); messagebird 2.2.0 on PyPI: request_validator.py. They do not give
the range of ``validity``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import jwt

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.base import Reply, Sms
from sms.providers.callbacks import form, references_in, same
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, VendorProvider, one_number, outcome_table, state_table
from sms.providers.wire import E164, at, elements

#: Error codes whose HTTP status alone would mislead.
CODES = outcome_table(
    temporary="99",  # trouble at MessageBird
    # 2 access key; 20 not found; 25 no balance; 98 no such API.
    account="2 20 25 98",
)

#: Parameters that come from our configuration. A refusal that names one blames the account.
OURS = ("access_key", "originator", "reportUrl", "reference")

#: Seconds that clocks may differ.
LEEWAY = 60


#: The error of a receipt for a number that has opted out of this sender.
OPTED_OUT = "103"


class MessageBirdProvider(VendorProvider):
    scheme = "messagebird"
    name = "MessageBird"
    url_names: ClassVar = {"password": "access_key", **VendorProvider.url_names}
    outcomes = CODES
    id_path = "id"
    word_paths = ("errors.0.code",)
    states = state_table(
        sent="scheduled sent buffered", delivered="delivered", failed="expired delivery_failed"
    )
    receipt_option = "signing_key"
    receipt_reply = Reply("OK")
    inbound_reply = Reply("OK")
    receives = True

    def __init__(
        self, alias: str, *, access_key: str, sender: str, signing_key: str = "", **common: Any
    ) -> None:
        super().__init__(alias, "https://rest.messagebird.com", sender=sender, **common)
        if not re.fullmatch(r"\+?[0-9]{1,15}|.{1,11}", sender):
            raise BadProviderURL(f"{alias}: from= takes a number, or a sender ID of at most 11 characters.")
        if not re.fullmatch(r"[!-~]+", access_key):
            raise BadProviderURL(f"{alias}: the access key must be printable ASCII without spaces.")
        self.takes_receipts = bool(signing_key)
        self._signing_key = signing_key
        self._url = f"{self.base_url}/messages"
        self._headers = {"Content-Type": "application/json", "Authorization": f"AccessKey {access_key}"}

    def build(self, sms: Sms) -> Request:
        message: dict[str, Any] = {
            # MessageBird splits this at commas and sends to each part.
            "recipients": [one_number(sms.to).removeprefix("+")],
            "originator": (sms.sender or self.sender).removeprefix("+"),
            "body": sms.body,
            "datacoding": "auto",
        }
        if sms.callback_url and self.takes_receipts:
            # MessageBird adds its own query with the reference, and only reports messages that have one.
            message |= {"reference": sms.id, "reportUrl": sms.callback_url.partition("?")[0]}
        if sms.expires_in:
            message["validity"] = max(1, int(sms.expires_in))
        return Request(self._url, json.dumps(message), self._headers)

    def unlisted(self, found: Any) -> Outcome:
        blames_us = any(at(each, "parameter") in OURS for each in elements(at(found, "errors")))
        return "account" if blames_us else "refused"

    def read_head(self, headers: Mapping[str, str], url: str) -> dict[str, Any]:
        """The claims of the signed token: digests of the URL and of the body."""
        try:
            claims: dict[str, Any] = jwt.decode(
                headers.get("messagebird-signature-jwt", ""),
                self._signing_key,
                algorithms=["HS256", "HS384", "HS512"],
                issuer="MessageBird",
                options={"require": ["iss", "nbf", "exp", "url_hash"], "verify_iat": False},
                leeway=LEEWAY,
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise ReceiptRejected("the signature is wrong") from None
        if not _is_digest_of(url.encode(errors="backslashreplace"), claims["url_hash"]):
            raise ReceiptRejected("the signature is for another URL")
        return claims

    def read_receipts(self, head: Mapping[str, Any], body: bytes, url: str) -> list[Receipt]:
        _check(head, body)
        fields = parse_qs(urlsplit(url).query)
        references = references_in(url)
        word, id, error = (fields.get(name, [""])[0] for name in ("status", "id", "statusErrorCode"))
        if len(references) != 1 or not word:
            raise ReceiptRejected("not a receipt of one message")
        opted_out = fields.get("recipient", [""])[0] if error == OPTED_OUT else ""
        error = "" if error == "0" else error
        return [self.receipt(references[0], word, id=id, error=error, opted_out=opted_out)]

    def read_inbound(self, head: Mapping[str, Any], body: bytes, url: str) -> list[Inbound]:
        _check(head, body)
        fields = form(body)
        phone = "+" + fields.get("originator", "").removeprefix("+")
        # The fields of a short code have other names.
        id, text = fields.get("id") or fields.get("mid", ""), fields.get("body") or fields.get("message", "")
        sender = fields.get("recipient") or fields.get("shortcode", "")
        if not E164.fullmatch(phone) or not id:
            raise ReceiptRejected("not a message from a user")
        return [Inbound(id, phone, sender, text)]


def _check(claims: Mapping[str, Any], body: bytes) -> None:
    """Refuse a body other than the one that was signed. An empty body has no digest."""
    digest = claims.get("payload_hash")
    if bool(digest) != bool(body) or (body and not _is_digest_of(body, digest)):
        raise ReceiptRejected("the signature is for another body")


def _is_digest_of(content: bytes, digest: object) -> bool:
    return same(str(digest), hashlib.sha256(content).hexdigest())
