"""The place of everything of ours in Redis: who else is there, and what was left elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from sms import conf, mark, names, store
from sms.checks import SERVERS, check

_LOCAL = {"localhost": "127.0.0.1", "::1": "127.0.0.1", None: "127.0.0.1"}


@check("sms.W021", deploy=True)
def nobody_else_clears_it() -> Iterator[str]:
    """``cache.clear()`` empties the whole database of an alias (FLUSHDB), whatever its KEY_PREFIX is."""
    alias = names.cache_alias()
    own = _databases(settings.CACHES.get(alias, {}))
    others = [name for name, entry in settings.CACHES.items() if name != alias and own & _databases(entry)]
    if others:
        text = f"OTPOST_CACHE: {alias!r} shares its database with {', '.join(map(repr, others))}, whose"
    elif alias == "default":
        text = "OTPOST_CACHE is 'default', the cache of the whole project, whose"
    else:
        return
    yield (
        f"{text} clear() deletes codes, limits and messages that wait. Give these a database of their "
        "own: an alias in CACHES with another number at the end of its LOCATION, and its name as "
        "OTPOST_CACHE."
    )


@check("sms.W022", SERVERS, deploy=True)
def nobody_else_is_there() -> Iterator[str]:
    """Two installations in one place take each other's messages, and cannot open them."""
    if mark.is_anothers():
        space = names.namespace().removesuffix(":")
        where = f"under the OTPOST_NAMESPACE {space!r}" if space else "without an OTPOST_NAMESPACE"
        yield (
            f"Another installation, which has none of these SMS_SEAL_KEYS, keeps its messages in this Redis, "
            f"{where}, too. Give each an OTPOST_NAMESPACE of its own, such as shop. If SMS_SEAL_KEYS was "
            "changed in one step, append the former key until its messages have gone."
        )


@check("sms.W023", SERVERS, deploy=True)
def nothing_was_left_behind() -> Iterator[str]:
    """What waits from a version without namespaces nobody sends where KEY_PREFIX gives one now."""
    if conf.get("OTPOST_NAMESPACE") is None and names.namespace() and (waiting := store.left_behind()):
        yield (
            f"Messages ({waiting}) wait in this Redis without the namespace that KEY_PREFIX gives now "
            f"({names.namespace()!r}). If this project wrote them before it was upgraded, set "
            'OTPOST_NAMESPACE = "" and go on with them. If not, set OTPOST_NAMESPACE to the KEY_PREFIX.'
        )


def _databases(entry: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Server and database of each address of an entry in CACHES, empty if they are not Redis."""
    location = entry.get("LOCATION", "")
    addresses = re.split("[;,]", location) if isinstance(location, str) else list(location)
    options = entry.get("OPTIONS", {})
    default = options.get("db", options.get("CONNECTION_POOL_KWARGS", {}).get("db", 0))
    found = set()
    for address in addresses:
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port or 6379
        except ValueError:
            continue  # another check says it
        asked = parse_qs(parts.query).get("db")
        if parts.scheme == "unix":
            found.add((parts.path, asked[0] if asked else str(default)))
        elif parts.scheme in ("redis", "rediss", "valkey", "valkeys"):
            number = asked[0] if asked else parts.path.strip("/") or str(default)
            found.add((f"{_LOCAL.get(host, host)}:{port}", number))
    return found
