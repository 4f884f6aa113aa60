"""API keys: made, digested, and looked up in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence

#: What a key's name may look like.
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

#: Live keys of one name: the one in use, and the one that takes its place.
MOST = 2


class BadKeys(ValueError):
    """API_KEYS cannot be read; the text says what to change."""


def make() -> tuple[str, str]:
    """A fresh key and the digest of it that stands in ``API_KEYS``."""
    key = f"otpost_{secrets.token_urlsafe(32)}"
    return key, digest(key)


def digest(key: str) -> str:
    """SHA-256 as hex. A key has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def parse(text: str) -> dict[str, list[str]]:
    """``name:sha256-hex,…`` → {name: [digest, …]}, two of a name to rotate its key. Raises ``BadKeys``."""
    keys: dict[str, list[str]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = entry.partition(":")
        if not NAME.fullmatch(name) or not _SHA256.fullmatch(value):
            raise BadKeys(
                "API_KEYS must hold name:sha256-hex, comma-separated. `manage.py api_key NAME` makes one."
            )
        keys.setdefault(name, []).append(value)
        if len(keys[name]) > MOST:
            raise BadKeys(
                f"API_KEYS names {name} more than twice. Two keys are enough to change one: remove the older."
            )
    return keys


def owner(key: str, keys: Mapping[str, Sequence[str]]) -> str | None:
    """The name that ``key`` belongs to, None if to nobody. Looks at every entry, whatever it finds."""
    given = digest(key)
    found = [name for name, of in keys.items() for value in of if hmac.compare_digest(given, value)]
    return found[-1] if found else None
