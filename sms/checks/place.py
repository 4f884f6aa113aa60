"""Our place in Redis: does anyone else use it, and did an older version leave messages elsewhere?

Two installations that share a place harm each other: neither can open the messages that the other has sealed.
So workers leave a mark in every cell when they start and with their sweeps. It holds a keyed digest of each
seal key. It survives a rotation, because each process shares one key with the next.
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

from sms import cells, conf, names, registry, store
from sms.checks import SERVERS, check
from sms.errors import Unavailable
from sms.scripts import gather

log = structlog.get_logger("sms")

#: In seconds: how long a mark outlives its last worker, and the time between two marks of one process.
KEPT, PAUSE = 3600.0, 60.0

_next_mark = 0.0


@check("sms.W021", deploy=True)
def nobody_else_clears_it() -> Iterator[str]:
    """``cache.clear()`` empties the whole database of an alias (FLUSHDB), even if it has a KEY_PREFIX."""
    for alias in names.cache_aliases():
        own = _databases(settings.CACHES.get(alias, {}))
        others = [
            name for name, entry in settings.CACHES.items() if name != alias and own & _databases(entry)
        ]
        if others:
            text = f"OTPOST_CACHE: {alias!r} shares its database with {', '.join(map(repr, others))}. Their"
        elif alias == "default":
            text = "OTPOST_CACHE is 'default', the cache of the whole project. Its"
        else:
            continue
        yield (
            f"{text} clear() deletes codes, limits and waiting messages. Give Otpost a database of its own: "
            "add an alias to CACHES with another number at the end of its LOCATION, and set OTPOST_CACHE to "
            "that alias."
        )


@check("sms.W022", SERVERS, deploy=True)
def nobody_else_is_there() -> Iterator[str]:
    if _is_anothers():
        space = names.namespace().removesuffix(":")
        where = f"under the OTPOST_NAMESPACE {space!r}" if space else "without an OTPOST_NAMESPACE"
        yield (
            f"Another installation with other SMS_SEAL_KEYS also keeps its messages in this Redis {where}. "
            "Give each installation its own OTPOST_NAMESPACE, such as shop. If you changed SMS_SEAL_KEYS in "
            "one step, append the former key until its messages have gone."
        )


@check("sms.W023", SERVERS, deploy=True)
def nothing_was_left_behind() -> Iterator[str]:
    """A version without namespaces may have left messages. If KEY_PREFIX now sets one, nothing sends them."""
    if conf.get("OTPOST_NAMESPACE") is not None or not names.namespace() or names.in_cluster():
        return
    if waiting := store.left_behind():
        yield (
            f"Messages ({waiting}) wait in this Redis outside the namespace {names.namespace()!r}, which "
            "comes from KEY_PREFIX. If this project wrote them before its upgrade, set OTPOST_NAMESPACE = "
            '"" to send them. If not, set OTPOST_NAMESPACE to the KEY_PREFIX.'
        )


def _databases(entry: Mapping[str, Any]) -> set[tuple[str, int]]:
    """Server and database of each address of an entry in CACHES. Empty if they are not Redis."""
    location, options = entry.get("LOCATION", ""), entry.get("OPTIONS", {})
    default = options.get("db", options.get("CONNECTION_POOL_KWARGS", {}).get("db", 0))
    addresses = location if isinstance(location, list | tuple) else re.split("[;,]", str(location))
    found = set()
    for address in addresses:
        with suppress(ValueError):  # not Redis, or another check reports the fault
            parts = parse_url(re.sub("^valkey", "redis", address))  # type: ignore[no-untyped-call]
            host = re.sub("^(localhost|::1)$", "127.0.0.1", parts.get("host", "localhost"))
            server = parts.get("path") or f"{host}:{parts.get('port', 6379)}"
            found.add((server, int(parts.get("db", default))))
    return found


def leave_mark() -> None:
    """Mark this place as ours, at most once every PAUSE seconds. Log an error if another's mark is there.

    Processes that send nothing (memory://) leave no mark: tests may empty their Redis.
    """
    global _next_mark
    sends = any(provider.scheme != "memory" for provider in registry.providers().values())
    if time.monotonic() < _next_mark or not sends:
        return
    _next_mark = time.monotonic() + PAUSE
    with suppress(Unavailable):
        # If two start together, one may overwrite the other's mark. It then sees this error the next time.
        if _is_anothers():
            log.error("another_installation", namespace=names.namespace())
            return
        mark = " ".join(_digests())
        gather(
            cells.every(),
            lambda pipe, cell: pipe.set(names.key(names.INSTALLATION, cell), mark, px=int(KEPT * 1000)),
        )


def marks() -> list[set[str]]:
    """The marks of workers that were here in the last KEPT seconds, by cell. Raises ``Unavailable``."""
    found = gather(cells.every(), lambda pipe, cell: pipe.get(names.key(names.INSTALLATION, cell)))
    return [set(mark.decode().split()) for (mark,) in found.values() if mark]


def _is_anothers() -> bool:
    return any(mark.isdisjoint(_digests()) for mark in marks())


def _digests() -> list[str]:
    keys = (key.encode() if isinstance(key, str) else key for key in conf.get("SMS_SEAL_KEYS"))
    return [hmac.digest(key, b"otpost installation", "sha256")[:8].hex() for key in keys]
