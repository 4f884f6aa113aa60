"""Helpers to authenticate and read the callbacks of vendors."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl, urlsplit

from sms.errors import ReceiptRejected


def signature_in(headers: Mapping[str, str], name: str) -> str:
    """The header with the signature of a callback. Raises ``ReceiptRejected`` if it is missing."""
    if not headers.get(name):
        raise ReceiptRejected("there is no signature")
    return headers[name]


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode(errors="backslashreplace"), expected.encode())


def require_recent(moment: str | float, leeway: float, max_age: float = 0.0) -> None:
    """Refuse a signature that is too old, or from the future. Raises ``ReceiptRejected``.

    ``moment``: when it was made, in seconds since the epoch. ``leeway``: seconds by which clocks may differ.
    ``max_age``: seconds for which the vendor repeats a callback with the same signature.
    """
    try:
        age = time.time() - float(moment)
    except ValueError:
        raise ReceiptRejected("the signature has no time") from None
    if not -leeway <= age <= max_age + leeway:  # false for NaN, too
        raise ReceiptRejected("the signature is too old, or from the future")


def query_of(url: str) -> dict[str, str]:
    """The query fields of the URL that a vendor called."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def references_in(url: str) -> list[str]:
    """The message ids in a callback URL. There should be exactly one."""
    try:
        return parse_qs(urlsplit(url).query).get("reference", [])
    except ValueError:
        return []


def require_address_of(reference: str, url: str) -> None:
    """Refuse a receipt that came to the URL of another message. Raises ``ReceiptRejected``.

    For vendors whose signature covers only the body.
    """
    if references_in(url) not in ([], [reference]):
        raise ReceiptRejected("the URL names another message than the receipt")


def form(body: bytes, *needed: str) -> Mapping[str, str]:
    """The fields of a form that a vendor posted.

    Raises ``ReceiptRejected`` if one of ``needed`` is missing.
    """
    try:
        fields = dict(parse_qsl(body.decode("utf-8-sig"), keep_blank_values=True))
    except ValueError:
        raise ReceiptRejected("the body is not a form") from None
    if missing := next((name for name in needed if not fields.get(name)), ""):
        raise ReceiptRejected(f"the form has no {missing}")
    return fields
