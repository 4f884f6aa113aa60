"""Keyed digests of phone numbers. A number has a different digest for each use."""

from __future__ import annotations

import hmac
from collections.abc import Iterable


def digest(key: bytes, text: str) -> bytes:
    """32 bytes that stand for ``text``."""
    return hmac.digest(key, text.encode(errors="backslashreplace"), "sha256")


def derive_all(secrets: Iterable[bytes], use: str) -> list[bytes]:
    """The keys for one use, in the order of the secrets. An empty secret gives no key."""
    return [digest(secret, use) for secret in dict.fromkeys(secrets) if secret]
