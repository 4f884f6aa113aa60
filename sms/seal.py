"""Encrypt what must not be readable at rest: the number and the text of a message.

It uses Fernet (AES-128-CBC with HMAC-SHA256) from the ``cryptography`` package. Of several keys, the first
one seals and every one unseals. To rotate a key, put a new one first. Drop the old one once the last message
sealed with it has expired.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.core.exceptions import ImproperlyConfigured

from sms import conf


class Unsealable(Exception):
    """The sealed text was made with a key that is not configured here, or was changed."""


def seal(content: dict[str, Any]) -> bytes:
    """Encrypt a small JSON object with the first of ``SMS_SEAL_KEYS``."""
    return _keys().encrypt(json.dumps(content).encode())


def unseal(sealed: bytes) -> dict[str, Any]:
    """The object that ``seal`` was given. Raises ``Unsealable``."""
    try:
        content: dict[str, Any] = json.loads(_keys().decrypt(sealed))
    except InvalidToken:
        raise Unsealable("no key of SMS_SEAL_KEYS opens this") from None
    return content


@conf.cached
def _keys() -> MultiFernet:
    keys = conf.get("SMS_SEAL_KEYS")
    if not keys:
        raise ImproperlyConfigured("SMS_SEAL_KEYS is empty. `manage.py secrets SMS_SEAL_KEYS` prints one.")
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ImproperlyConfigured(
            "SMS_SEAL_KEYS holds something that is no Fernet key (32 bytes, url-safe base64). "
            "`manage.py secrets SMS_SEAL_KEYS` prints one."
        ) from None
