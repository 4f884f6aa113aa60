"""Make API keys, digest them, and look them up in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence

#: The form of a key's name.
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

#: How many keys one name may have: the current one and its replacement.
MOST = 2


class BadKeys(ValueError):
    """API_KEYS is malformed. The text says what to change."""


def make() -> tuple[str, str]:
    """A new random key, and its digest for ``API_KEYS``."""
    key = f"otpost_{secrets.token_urlsafe(32)}"
    return key, digest(key)


def digest(key: str) -> str:
    """SHA-256 as hex. A key has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def parse(text: str) -> dict[str, list[str]]:
    """Parse ``name:sha256-hex,…`` into {name: [digest, …]}. Raises ``BadKeys``."""
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
                f"API_KEYS names {name} more than twice. Rotating a key takes two. Remove the older ones."
            )
    return keys


def owner(key: str, keys: Mapping[str, Sequence[str]]) -> str | None:
    """The name that owns ``key``, None if it is unknown. Compares every entry, to take constant time."""
    given = digest(key)
    found = [name for name, of in keys.items() for value in of if hmac.compare_digest(given, value)]
    return found[-1] if found else None
