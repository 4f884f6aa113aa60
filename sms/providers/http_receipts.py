"""The receipts of a gateway that only options describe: JSON or a form; without a secret all are refused.

    receipt_secret=     receipt_secret=K7f…            shared with the gateway, 16 characters or more
    receipt_header=     receipt_header=X-Token         it holds the secret, as it is or after ``Bearer``;
                                                       default Authorization
    receipt_signature=  receipt_signature=X-Sign       instead: it holds the hex HMAC-SHA256 of the body
    receipt_reference=  receipt_reference=client_ref   where {id} comes back; needed with a signature,
                                                       which does not cover the URL
    receipt_state=      receipt_state=status           where the word stands
    sent=, delivered=, failed=                         delivered=DELIVRD READ: what it means, by blanks
    receipt_id=, receipt_error=                        where the gateway's id and error code stand

A call may hold several: receipt_reference=results.*.ref goes through each element of the list, and so does
the number in results.0.ref. The other paths follow it as far as they begin alike.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from sms.errors import ReceiptRejected
from sms.message import Receipt, State
from sms.providers import wire
from sms.providers.vendor import VendorProvider


class HttpReceipts(VendorProvider):
    """The half of ``HttpProvider`` that authenticates and reads them."""

    def __init__(
        self,
        alias: str,
        address: str,
        *,
        receipt_secret: str = "",
        receipt_header: str = "",
        receipt_signature: str = "",
        receipt_reference: str = "",
        receipt_state: str = "",
        receipt_id: str = "",
        receipt_error: str = "",
        sent: str = "",
        delivered: str = "",
        failed: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, address, **common)
        need = partial(wire.need, alias)
        if receipt_secret:
            need(len(receipt_secret) >= 16, "receipt_secret must have 16 characters or more.")
            need(not (receipt_header and receipt_signature), "give receipt_header= or receipt_signature=.")
            need(
                receipt_reference or not receipt_signature,
                "receipt_signature= covers the body alone: receipt_reference= must say where {id} stands.",
            )
            need(receipt_state and delivered.split(), "receipts need receipt_state= and delivered=.")
        self.takes_receipts = bool(receipt_secret)
        self._secret = receipt_secret.encode()
        self._signature = receipt_signature.lower()
        self._token = (receipt_header or "authorization").lower()
        words = wire.read_words(alias, {"sent": sent, "delivered": delivered, "failed": failed})
        self.states = {word: State(name) for word, name in words.items()}
        paths = {
            "reference": receipt_reference,
            "state": receipt_state,
            "id": receipt_id,
            "error": receipt_error,
        }
        self._paths = {name: wire.alike(path, receipt_reference) for name, path in paths.items()}
        several = wire.lists(self._paths["reference"])
        need(
            all(wire.lists(path) in ([], several) for path in self._paths.values()),
            "receipt_state=, receipt_id= and receipt_error= may have a * where receipt_reference= goes "
            "through the same list.",
        )
        self._is_batch = bool(several)

    def read_head(self, headers: Mapping[str, str], url: str) -> str:
        """The signature, where there is to be one."""
        if not self._signature:
            given = headers.get(self._token, "").removeprefix("Bearer ").strip()
            if not hmac.compare_digest(given.encode(errors="backslashreplace"), self._secret):
                raise ReceiptRejected("the secret is wrong")
        elif not headers.get(self._signature):
            raise ReceiptRejected("there is no signature")
        return headers.get(self._signature, "")

    def read_receipts(self, head: str, body: bytes, url: str) -> list[Receipt]:
        """Those of one call that name a message; it is rejected if none does."""
        if self._signature:
            self._check_signature(head, body)
        found = self._content(body)
        if not self._paths["reference"] and wire.holds_several(found, self._paths["state"]):
            raise ReceiptRejected("the call holds several: receipt_reference= must say where {id} stands")
        in_url = parse_qs(urlsplit(url).query).get("reference", [])
        read = [self._one(values, in_url) for values in wire.each(found, self._paths)]
        if not any(read):
            raise ReceiptRejected("the body names no state, or not one message, the URL's")
        return [receipt for receipt in read if receipt]

    def _check_signature(self, signature: str, body: bytes) -> None:
        given = signature.removeprefix("sha256=").lower()
        expected = hmac.new(self._secret, body, hashlib.sha256).hexdigest().encode()
        if not hmac.compare_digest(given.encode(errors="backslashreplace"), expected):
            raise ReceiptRejected("the signature is wrong")

    def _content(self, body: bytes) -> Any:
        if body.lstrip()[:1] in (b"{", b"["):
            return wire.parse(body)
        try:
            pairs = parse_qsl(body.decode())
        except ValueError:
            raise ReceiptRejected("the body is neither JSON nor a form") from None
        names = [name for name, _ in pairs]
        if any(names.count(self._paths[of]) > 1 for of in ("reference", "state")):
            raise ReceiptRejected("the form names a message or a state twice")
        return dict(pairs)

    def _one(self, values: Mapping[str, Any], in_url: list[str]) -> Receipt | None:
        """One receipt; None if it names no state, or not one message."""
        words = {name: wire.word_of(value) for name, value in values.items()}
        # The URL can name one message alone, so of a call that may hold several it says nothing.
        references = set() if self._is_batch else {*in_url}
        if self._paths["reference"]:
            references.add(words["reference"])
        if len(references) != 1 or "" in references or not words["state"]:
            return None
        return self.receipt(references.pop(), words["state"], id=words["id"], error=words["error"])
