"""System checks of where everything of ours stands: the alias of CACHES, the namespace, who else is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

from sms import conf, mark, names, store
from sms.checks import SERVERS
from sms.declared import register
from sms.errors import Unavailable

#: Redis is away, or refuses to be read (a cluster, an ACL): there are checks of these.
_ANOTHER_SAYS_IT = (Unavailable, ImproperlyConfigured, RedisError)

_LOCAL = {"localhost": "127.0.0.1", "::1": "127.0.0.1", None: "127.0.0.1"}


@register()
def the_alias_is_there(**_: Any) -> list[CheckMessage]:
    """OTPOST_CACHE must name an alias of CACHES."""
    alias = names.cache_alias()
    if alias in settings.CACHES:
        return []
    known = ", ".join(sorted(settings.CACHES))
    text = f"OTPOST_CACHE is {alias!r}, which is no alias of CACHES. Write one of: {known}."
    return [Error(text, id="sms.E021")]


@register()
def the_namespace_can_be_written(**_: Any) -> list[CheckMessage]:
    """OTPOST_NAMESPACE, or the KEY_PREFIX in its place, must fit into the names of keys and queues."""
    try:
        names.namespace()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="sms.E022")]
    return []


@register(deploy=True)
def nobody_else_clears_it(**_: Any) -> list[CheckMessage]:
    """``cache.clear()`` empties the whole database of an alias (FLUSHDB), whatever its KEY_PREFIX is."""
    alias = names.cache_alias()
    own = _databases(settings.CACHES.get(alias, {}))
    others = [name for name, entry in settings.CACHES.items() if name != alias and own & _databases(entry)]
    if others:
        text = f"OTPOST_CACHE: {alias!r} shares its database with {', '.join(map(repr, others))}, whose"
    elif alias == "default":
        text = "OTPOST_CACHE is 'default', the cache of the whole project, whose"
    else:
        return []
    return [
        Warning(
            f"{text} clear() deletes codes, limits and messages that wait. Give these a database of their "
            "own: an alias in CACHES with another number at the end of its LOCATION, and its name as "
            "OTPOST_CACHE.",
            id="sms.W021",
        )
    ]


@register(SERVERS, deploy=True)
def nobody_else_is_there(**_: Any) -> list[CheckMessage]:
    """Two installations in one place take each other's messages, and cannot open them."""
    try:
        anothers = mark.is_anothers()
    except _ANOTHER_SAYS_IT:
        return []
    if not anothers:
        return []
    space = names.namespace().removesuffix(":")
    where = f"under the OTPOST_NAMESPACE {space!r}" if space else "without an OTPOST_NAMESPACE"
    return [
        Warning(
            f"Another installation, which has none of these SMS_SEAL_KEYS, keeps its messages in this Redis, "
            f"{where}, too. Give each an OTPOST_NAMESPACE of its own, such as shop. If SMS_SEAL_KEYS was "
            "changed in one step, append the former key until its messages have gone.",
            id="sms.W022",
        )
    ]


@register(SERVERS, deploy=True)
def nothing_was_left_behind(**_: Any) -> list[CheckMessage]:
    """What waits from a version without namespaces nobody sends where KEY_PREFIX gives one now."""
    try:
        if conf.get("OTPOST_NAMESPACE") is not None or not names.namespace():
            return []
        waiting = store.left_behind()
    except _ANOTHER_SAYS_IT:
        return []
    if not waiting:
        return []
    return [
        Warning(
            f"Messages ({waiting}) wait in this Redis without the namespace that KEY_PREFIX gives now "
            f"({names.namespace()!r}). If this project wrote them before it was upgraded, set "
            'OTPOST_NAMESPACE = "" and go on with them. If not, set OTPOST_NAMESPACE to the KEY_PREFIX.',
            id="sms.W023",
        )
    ]


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
