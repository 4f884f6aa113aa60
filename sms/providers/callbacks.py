"""What the callbacks of several vendors share: their proof and its age, and where they name a message."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl, urlsplit

from sms.errors import ReceiptRejected


def signature_in(headers: Mapping[str, str], name: str) -> str:
    """The header that signs a callback. Raises ``ReceiptRejected`` where it is missing."""
    if not headers.get(name):
        raise ReceiptRejected("there is no signature")
    return headers[name]


def same(given: str, expected: str) -> bool:
    """Whether a proof is the right one. To say so takes as long however much of it is right."""
    return hmac.compare_digest(given.encode(errors="backslashreplace"), expected.encode())


def require_recent(moment: str | float, leeway: float, max_age: float = 0.0) -> None:
    """Refuse what was signed at another time than now. ``moment``: when it was (seconds since the epoch).
    ``leeway``: seconds by which clocks may differ; ``max_age``: those for which a vendor repeats a callback
    as it was. Raises ``ReceiptRejected``.
    """
    try:
        age = time.time() - float(moment)
    except ValueError:
        raise ReceiptRejected("there is no time of a signature") from None
    if not -leeway <= age <= max_age + leeway:  # "not a number" is neither
        raise ReceiptRejected("the signature is too old, or of the future")


def query_of(url: str) -> dict[str, str]:
    """The fields of the address that a vendor has called."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def references_in(url: str) -> list[str]:
    """Our ids of messages in an address: there should be one."""
    try:
        return parse_qs(urlsplit(url).query).get("reference", [])
    except ValueError:
        return []


def require_address_of(reference: str, url: str) -> None:
    """Refuse a receipt that came to the address of another message. For those whose signature covers the body
    alone. Raises ``ReceiptRejected``.
    """
    if references_in(url) not in ([], [reference]):
        raise ReceiptRejected("the address names another message than the receipt")


def form(body: bytes, *needed: str) -> Mapping[str, str]:
    """The fields of a form that a vendor posted. Raises ``ReceiptRejected`` where one of ``needed`` lacks."""
    try:
        fields = dict(parse_qsl(body.decode("utf-8-sig"), keep_blank_values=True))
    except ValueError:
        raise ReceiptRejected("the body is no form") from None
    if missing := next((name for name in needed if not fields.get(name)), ""):
        raise ReceiptRejected(f"the form has no {missing}")
    return fields
