"""Find out whether Redis can do what a start needs, by doing it: a script that writes our keys.

Nothing else shows whether an ACL, a full memory, a full disk or a lost replica is in the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from redis.exceptions import ResponseError

from sms import cells, names, scripts, stand_in
from sms.names import family, key
from sms.scripts import Script, client

#: One key of each kind that scripts write, as an ACL may forbid some. Higher packages add theirs.
KEYS = [family("sms:probe")]

_PROBE = Script(Path(__file__).parent / "lua" / "probe.lua", accepts=True)


#: The server with the hub, and the other nodes of a cluster, as parts of ``/readyz``.
HUB, NODES = "redis", "cells"


class Place(NamedTuple):
    """A server, or a node of a cluster, that has cells."""

    part: str  # of /readyz: HUB, HUB with its number in the setting, or NODES
    setting: str  # with its address
    cell: int  # one that it has
    server: str = ""  # its alias; "" for a node


def parts() -> tuple[str, ...]:
    """The parts of ``/readyz`` besides the first server: further servers, or NODES."""
    if names.in_cluster():
        return (NODES,) if cells.many() else ()
    return tuple(place.part for place in servers()[1:])


def places() -> list[Place]:
    """All places, that of the hub first. A cluster is asked for its nodes. Raises ``Unavailable``."""
    if not (cells.many() and names.in_cluster()):
        return servers()
    found = scripts.nodes(cells.every())
    return [
        Place(NODES if cell else HUB, f"{names.store_setting()} (node {address})", cell)
        for address, cell in found.items()
    ]


def servers() -> list[Place]:
    """The servers that have cells or stand in, that of the hub first; a cluster counts as one."""
    first: dict[str, int] = {}
    for cell in cells.every():
        first.setdefault(names.cache_alias(cell), cell)
    if other := stand_in.other():
        first.setdefault(other, cells.HUB)
    return [
        Place(
            f"{HUB}-{number}" if number > 1 else HUB, names.store_setting(first[alias]), first[alias], alias
        )
        for number, alias in enumerate(names.cache_aliases(), 1)
        if alias in first
    ]


def redis(*reads: str, cell: int = cells.HUB, server: str = "") -> list[int]:
    """The time (ms) of the server that has a cell, then the numbers at these keys, 0 for a missing one.

    One round trip. Raises ``Unavailable``. ``server``: see ``scripts.connection``.
    """
    keys = tuple(key(name, cell) for name in (*reads, *KEYS))
    found: list[int] = _PROBE(keys, (len(reads),), cell, server)
    return found


def note(numbers: Mapping[str, int], seconds: float) -> None:
    """Keep numbers for this many seconds; 0 deletes one. One round trip. Raises ``Unavailable``."""
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        for name, number in numbers.items():
            pipe.set(key(name), number, px=int(seconds * 1000)) if number else pipe.delete(key(name))
        pipe.execute()


def eviction_policy(place: Place) -> str:
    """The eviction policy of a server; "" if it does not say, as managed ones may refuse to."""
    with client(place.cell, place.server) as redis, suppress(ResponseError):
        return str(redis.config_get("maxmemory-policy").get("maxmemory-policy", ""))
    return ""


def is_cluster(place: Place) -> bool:
    """Whether a server is a node of a Redis Cluster; False if it does not say. Raises ``Unavailable``."""
    with client(place.cell, place.server) as redis, suppress(ResponseError):
        return bool(redis.info("cluster").get("cluster_enabled"))
    return False
