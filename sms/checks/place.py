"""Our place in Redis: who else is there, and what was left elsewhere.

Two installations that share a place harm each other because one cannot open what the other sealed. So workers
leave a mark as they start and with their sweeps, of a keyed digest of each seal key; it survives a rotation,
in which every process shares one key with the next.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import structlog
from django.conf import settings
from redis.connection import parse_url

from sms import conf, names, registry, store
from sms.checks import SERVERS, check
from sms.errors import Unavailable
from sms.scripts import client

log = structlog.get_logger("sms")

#: Seconds that a mark outlives its last worker, and those between two marks of one process.
KEPT, PAUSE = 3600.0, 60.0

_next_mark = 0.0


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
    if _is_anothers():
        space = names.namespace().removesuffix(":")
        where = f"under the OTPOST_NAMESPACE {space!r}" if space else "without an OTPOST_NAMESPACE"
        yield (
            f"Another installation, which has none of these SMS_SEAL_KEYS, keeps its messages in this Redis, "
            f"{where}, too. Give each an OTPOST_NAMESPACE of its own, such as shop. If SMS_SEAL_KEYS was "
            "changed in one step, append the former key until its messages have gone."
        )


@check("sms.W023", SERVERS, deploy=True)
def nothing_was_left_behind() -> Iterator[str]:
    """Messages of a version without namespaces, which nobody sends where KEY_PREFIX gives one now."""
    if conf.get("OTPOST_NAMESPACE") is not None or not names.namespace() or names.in_cluster():
        return
    if waiting := store.left_behind():
        yield (
            f"Messages ({waiting}) wait in this Redis without the namespace that KEY_PREFIX gives now "
            f"({names.namespace()!r}). If this project wrote them before it was upgraded, set "
            'OTPOST_NAMESPACE = "" and go on with them. If not, set OTPOST_NAMESPACE to the KEY_PREFIX.'
        )


def _databases(entry: Mapping[str, Any]) -> set[tuple[str, int]]:
    """Server and database of each address of an entry in CACHES, empty if they are not Redis."""
    location, options = entry.get("LOCATION", ""), entry.get("OPTIONS", {})
    default = options.get("db", options.get("CONNECTION_POOL_KWARGS", {}).get("db", 0))
    addresses = location if isinstance(location, list | tuple) else re.split("[;,]", str(location))
    found = set()
    for address in addresses:
        with suppress(ValueError):  # no Redis, or another check says what is wrong
            parts = parse_url(re.sub("^valkey", "redis", address))  # type: ignore[no-untyped-call]
            host = re.sub("^(localhost|::1)$", "127.0.0.1", parts.get("host", "localhost"))
            server = parts.get("path") or f"{host}:{parts.get('port', 6379)}"
            found.add((server, int(parts.get("db", default))))
    return found


def leave_mark() -> None:
    """Mark this place as ours, at most every PAUSE; log loudly if another's mark stands.

    Processes that send nothing (memory://) leave none: tests may empty their Redis.
    """
    global _next_mark
    sends = any(provider.scheme != "memory" for provider in registry.providers().values())
    if time.monotonic() < _next_mark or not sends:
        return
    _next_mark = time.monotonic() + PAUSE
    with suppress(Unavailable):
        if _is_anothers():  # of two that start together one may overwrite the other's, and is told next time
            log.error("another_installation", namespace=names.namespace())
            return
        with client() as redis:
            redis.set(names.key(names.INSTALLATION), " ".join(_digests()), px=int(KEPT * 1000))


def mark() -> set[str]:
    """The mark of whatever worker has been here within KEPT. Raises ``Unavailable``."""
    with client() as redis:
        return set((redis.get(names.key(names.INSTALLATION)) or b"").decode().split())


def _is_anothers() -> bool:
    found = mark()
    return bool(found) and found.isdisjoint(_digests())


def _digests() -> list[str]:
    keys = (key.encode() if isinstance(key, str) else key for key in conf.get("SMS_SEAL_KEYS"))
    return [hmac.digest(key, b"otpost installation", "sha256")[:8].hex() for key in keys]
