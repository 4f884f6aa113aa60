"""Receipts and inbound messages of a gateway that options describe. They come as JSON or as a form.

    receipt_secret=     receipt_secret=K7f…            shared with the gateway, 16 characters or more;
                                                       without it, every callback is refused
    receipt_header=     receipt_header=X-Token         the header with the secret, as it is or after
                                                       ``Bearer``; default Authorization
    receipt_signature=  receipt_signature=X-Sign       or a header with the hex HMAC-SHA256 of the body
    receipt_reference=  receipt_reference=client_ref   path of the {id} that comes back; required with a
                                                       signature, which does not cover the URL
    receipt_state=      receipt_state=status           path of the word for the state
    sent=, delivered=, failed=                         its words, with spaces: delivered=DELIVRD READ
    receipt_id=, receipt_error=                        paths of the gateway's id and error code

    inbound_from=, inbound_text=, inbound_id=
                        inbound_from=msisdn            paths of the user's number, the text and the
                                                       gateway's id; authenticated like a receipt
    inbound_to=         inbound_to=shortcode           path of our sender; default from=

A callback may hold several receipts: receipt_reference=results.*.ref visits each element of the list, and so
does the index in results.0.ref. The other paths follow it as far as they begin in the same way. inbound_from=
does the same for inbound messages.
"""

from __future__ import annotations

import hmac
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt, State
from sms.providers import wire
from sms.providers.callbacks import references_in, same, signature_in
from sms.providers.vendor import VendorProvider


class HttpReceipts(VendorProvider):
    """The half of ``HttpProvider`` that authenticates and reads callbacks."""

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
        inbound_from: str = "",
        inbound_text: str = "",
        inbound_id: str = "",
        inbound_to: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, address, **common)
        need = partial(wire.need, alias)
        if receipt_secret:
            need(len(receipt_secret) >= 16, "receipt_secret must have 16 characters or more.")
            need(not (receipt_header and receipt_signature), "give receipt_header= or receipt_signature=.")
        if receipt_secret and (receipt_state or not inbound_from):  # else only inbound messages come
            need(
                receipt_reference or not receipt_signature,
                "receipt_signature= covers only the body, so receipt_reference= must say where {id} is.",
            )
            need(receipt_state and delivered.split(), "receipts need receipt_state= and delivered=.")
        self.takes_receipts = bool(receipt_secret)
        self._secret = receipt_secret
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
        self._inbound = self._read_inbound_paths(inbound_from, inbound_text, inbound_id, inbound_to)
        self.receives = bool(self._inbound) and self.takes_receipts

    def _read_inbound_paths(self, phone: str, text: str, id: str, to: str) -> Mapping[str, str]:
        """The paths by the fields of an ``Inbound``. Empty if no inbound messages are handed over."""
        need = partial(wire.need, self.alias)
        if not phone:
            need(not (text or id or to), "inbound_from= must say where the number of the user is.")
            return {}
        need(text and id, "inbound_from= needs inbound_text= and inbound_id=.")
        paths = {"phone": phone, "text": text, "id": id, "sender": to}
        found = {name: wire.alike(path, phone) for name, path in paths.items()}
        several = wire.lists(found["phone"])
        need(
            all(wire.lists(path) in ([], several) for path in found.values()),
            "inbound_text=, inbound_id= and inbound_to= may have a * where inbound_from= goes through the "
            "same list.",
        )
        return found

    def read_head(self, headers: Mapping[str, str], url: str) -> str:
        """The signature, if signatures are configured. A wrong secret is refused here."""
        if not self._signature:
            given = re.sub("^bearer +", "", headers.get(self._token, "").strip(), flags=re.IGNORECASE)
            if not same(given, self._secret):
                raise ReceiptRejected("the secret is wrong")
            return ""
        return signature_in(headers, self._signature)

    def read_receipts(self, head: str, body: bytes, url: str) -> list[Receipt]:
        """The receipts that name a message. The callback is rejected if none does."""
        if self._signature:
            self._check_signature(head, body)
        found = self._content(body, self._paths["reference"], self._paths["state"])
        if not self._paths["reference"] and wire.holds_several(found, self._paths["state"]):
            raise ReceiptRejected("the callback holds several: receipt_reference= must say where {id} is")
        in_url = references_in(url)
        read = [self._one(values, in_url) for values in wire.each(found, self._paths)]
        if not any(read):
            raise ReceiptRejected("the body names no state, or not one message, the URL's")
        return [receipt for receipt in read if receipt]

    def read_inbound(self, head: str, body: bytes, url: str) -> list[Inbound]:
        """The messages that name their sender. The callback is rejected if none does."""
        if self._signature:
            self._check_signature(head, body)
        found = self._content(body, self._inbound["phone"], self._inbound["text"])
        read = [
            {name: wire.word_of(value) for name, value in values.items()}
            for values in wire.each(found, self._inbound)
        ]
        if not any(words["phone"] for words in read):
            raise ReceiptRejected("the body does not say who sent it")
        return [
            Inbound(words["id"], words["phone"], words["sender"] or self.sender, words["text"])
            for words in read
            if words["phone"]
        ]

    def _check_signature(self, signature: str, body: bytes) -> None:
        expected = hmac.digest(self._secret.encode(), body, "sha256").hex()
        if not same(signature.removeprefix("sha256=").lower(), expected):
            raise ReceiptRejected("the signature is wrong")

    def _content(self, body: bytes, *once: str) -> Any:
        """The parsed body. ``once``: names that a form must not hold twice."""
        body = body.removeprefix(BOM_UTF8).lstrip()
        if body[:1] in (b"{", b"["):
            return wire.parse(body)
        try:
            pairs = parse_qsl(body.decode())
        except ValueError:
            raise ReceiptRejected("the body is neither JSON nor a form") from None
        names = [name for name, _ in pairs]
        if any(names.count(name) > 1 for name in once):
            raise ReceiptRejected("the form has a field twice")
        return dict(pairs)

    def _one(self, values: Mapping[str, Any], in_url: list[str]) -> Receipt | None:
        """One receipt; None if it has no state, or does not name exactly one message."""
        words = {name: wire.word_of(value) for name, value in values.items()}
        # The URL names a single message, so it does not count for a callback that may hold several.
        references = set() if self._is_batch else {*in_url}
        if self._paths["reference"]:
            references.add(words["reference"])
        if len(references) != 1 or "" in references or not words["state"]:
            return None
        return self.receipt(references.pop(), words["state"], id=words["id"], error=words["error"])
