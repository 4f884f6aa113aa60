"""Keys in Redis: the cache's alias, the namespace, and the names of all keys.

    <namespace>sms:message:<id>      hash    state, times, counts; kept MESSAGE_RECORD_HOURS
    <namespace>sms:body:<id>         string  sealed number and text; erased when the message is settled
    <namespace>sms:leases:<queue>    sorted set  id → when any worker may claim the message (ms)
    <namespace>sms:sweep:<queue>     string  a sweep of this queue is pending at the broker
    <namespace>sms:beat              string  beat's last request for a sweep (ms)
    <namespace>sms:swept             string  the last sweep run by a worker (ms)
    <namespace>sms:unswept:<queue>   string  since when sweeps of it are requested and none is run (ms)
    <namespace>sms:away:<part>       string  since when a part is away (ms); see sms.signs
    <namespace>sms:waiting:<queue>   sorted set  id → since when it waits for its first call (ms): since it
                                     was accepted; if its alias holds it back, or no worker can open it,
                                     the time at which it comes back
    <namespace>sms:drained:<queue>:<second>  string  how many first calls began in that second
    <namespace>sms:drain:<queue>     string  first calls a second, when last measured
    <namespace>sms:started:<queue>   string  when a worker last started (ms), kept for a moment
    <namespace>sms:dead              sorted set  id → when the message was last given up (ms)
    <namespace>sms:health:<alias>    hash    outcomes of a window, the breaker; see includes/breaker.lua
    <namespace>sms:health:<alias>:<country>  hash  the same for one country alone
    <namespace>sms:left-out          sorted set  alias or alias:country that is left out → since when (ms);
                                     with cells only, see ``sms.hub``
    <namespace>sms:rate:<alias>      string  when its next call may begin (ms)
    <namespace>sms:line:<alias>:<queue>  sorted set  message → when it was told to come back (ms)
    <namespace>sms:theirs:<alias>:<id>  string  our id for the vendor's <id>; until the answer of the call is
                                     recorded, a receipt that overtook it (JSON)
    <namespace>sms:polls:<alias>     sorted set  id → when to ask the vendor what became of it (ms)
    <namespace>sms:feedback:<alias>  sorted set  id → when to tell the vendor whether its code was typed (ms)
    <namespace>sms:revokes:<alias>   sorted set  id → since when the vendor should take it back (ms)
    <namespace>sms:optouts:<alias>:<key>  sorted set  digest of a number that opted out of this alias → until
                                     when that is kept (ms); <key> made the digest, see sms.optouts
    <namespace>sms:helped:<alias>:<digest>  string  HELP was answered within the last hour
    <namespace>sms:tally:<family>:all, …:day:<n>, …:hour:<n>  hash  counters; see sms.tally
    <namespace>sms:tally:<family>:fresh  set  hours with a hash …:fresh:<n> of counters that are not yet added
                                     to the others
    <namespace>sms:arrival:<alias>:<country>  hash  how long receipts take; see includes/learn_arrival.lua
    <namespace>sms:learning:<n>      hash    codes sent in five minutes, and typed; see sms.learning
    <namespace>sms:story:<id>        list    the steps of a message; see sms.history
    <namespace>sms:found-by:<what>:<value>  list  ids, the latest first; <what>: number (by a keyed digest),
                                     reference, verification, api-key (its name); see sms.history
    <namespace>sms:webhooks:due:<endpoint>  sorted set  tries, event (JSON) → when to send it (ms)
    <namespace>sms:webhooks:dead:<endpoint>  sorted set  why, event (JSON) → when it was given up (ms)
    <namespace>sms:webhooks:late:<endpoint>  sorted set  id of an event that failed once → its time (ms)
    <namespace>sms:webhooks:error:<endpoint>  string  last failed call (ms), and a word for what broke
    <namespace>sms:webhooks:end      sorted set  verification → when its code expires (ms), if events want it
    <namespace>sms:webhooks:told     hash    verification → data of the event at its end (JSON)
    <namespace>sms:webhooks:quiet:<reason>:<country>  string  an event about such a refusal was just sent
    <namespace>sms:installation      string  the installation to which the keys belong; see sms.checks.place
    <namespace>sms:next-channel      sorted set  verification → next look whether its code should go by
                                     another channel (ms); see next.lua of otp
    <namespace>sms:probe             string  written and deleted at once; see sms.probe

Some fields keep older names, because the previous version reads them:

    hold_until   of a health hash: when the vendor said to retry
    turn         of a message: the alias in whose line it has waited
    attempts     of a message: how often it was claimed; its attempts are ``calls``

``otp.names`` has the keys of otp. Python and Lua get every key from ``key``, so that two installations can
share a database. In a Redis Cluster the namespace is in a hash tag, ``{<namespace>c0}``, which keeps all keys
of a cell in one slot. By default there is only cell 0; see ``sms.cells``.
"""

from __future__ import annotations

import hashlib
import re

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf

#: The CONNECTION_FACTORY of a cache that is a Redis Cluster.
CLUSTER = "sms.cluster.ConnectionFactory"

#: Allowed namespaces: no character is special in patterns of Redis, Lua or RabbitMQ.
_NAMESPACE = re.compile(r"[A-Za-z0-9_.:-]{0,64}", re.ASCII)

#: More would not fit into an id, see ``sms.ids``.
MOST_CELLS = 255

_families: list[str] = []


def family(name: str) -> str:
    """Declare that keys with this prefix are ours. ``sms.testing.reset`` deletes only these."""
    _families.append(name)
    return name


RECORD, BODY, DEAD = family("sms:message:"), family("sms:body:"), family("sms:dead")
LEASES, SWEEP, WAITING = family("sms:leases:"), family("sms:sweep:"), family("sms:waiting:")
DRAINED, DRAIN, STARTED = family("sms:drained:"), family("sms:drain:"), family("sms:started:")
LEFT_OUT = family("sms:left-out")
HEALTH, RATE, LINE = family("sms:health:"), family("sms:rate:"), family("sms:line:")
BEAT, SWEPT, UNSWEPT = family("sms:beat"), family("sms:swept"), family("sms:unswept:")
AWAY = family("sms:away:")
THEIRS, POLLS, FEEDBACK = family("sms:theirs:"), family("sms:polls:"), family("sms:feedback:")
REVOKES = family("sms:revokes:")
OPTOUTS, HELPED = family("sms:optouts:"), family("sms:helped:")
NEXT_CHANNEL = family("sms:next-channel")
ARRIVAL = family("sms:arrival:")
TALLY, STORY, FOUND_BY = family("sms:tally:"), family("sms:story:"), family("sms:found-by:")
LEARNING = family("sms:learning:")
WEBHOOKS_DUE, WEBHOOKS_DEAD = family("sms:webhooks:due:"), family("sms:webhooks:dead:")
WEBHOOKS_LATE, WEBHOOKS_ERROR = family("sms:webhooks:late:"), family("sms:webhooks:error:")
VERIFICATIONS_END, VERIFICATIONS_TOLD = family("sms:webhooks:end"), family("sms:webhooks:told")
GUARD_TOLD = family("sms:webhooks:quiet:")
INSTALLATION = "sms:installation"

#: Prefixes of keys for scripts, by their name in Lua.
IN_LUA = {"RECORD": RECORD, "BODY": BODY, "DEAD": DEAD, "LEASES": LEASES, "WAITING": WAITING}
IN_LUA |= {"DRAINED": DRAINED, "DRAIN": DRAIN, "STARTED": STARTED}
IN_LUA |= {"LEFT_OUT": LEFT_OUT, "HEALTH": HEALTH, "RATE": RATE, "LINE": LINE, "OPTOUTS": OPTOUTS}
IN_LUA |= {
    "TALLY": TALLY,
    "STORY": STORY,
    "ARRIVAL": ARRIVAL,
    "NEXT_CHANNEL": NEXT_CHANNEL,
    "LEARNING": LEARNING,
}
IN_LUA |= {"WEBHOOKS_DUE": WEBHOOKS_DUE, "VERIFICATIONS_END": VERIFICATIONS_END}
IN_LUA |= {"VERIFICATIONS_TOLD": VERIFICATIONS_TOLD, "GUARD_TOLD": GUARD_TOLD}
IN_LUA |= {"THEIRS": THEIRS, "POLLS": POLLS, "FEEDBACK": FEEDBACK, "REVOKES": REVOKES}


def health(alias: str, country: str | None = None) -> str:
    """The key of an alias's health; with a country, of its health there. Same as health_key_of in Lua."""
    return key(HEALTH + alias + ("" if country is None else f":{country}"))


def line(alias: str, queue: str) -> str:
    """The key of the messages of a queue that wait for an alias's rate. Same as line_key_of in Lua."""
    return key(f"{LINE}{alias}:{queue}")


def key(name: str, cell: int = 0) -> str:
    """The full name of a key in Redis: the prefix of its cell and ``name``."""
    return prefix(cell) + name


def queue(name: str) -> str:
    """The full name of a queue at the broker: the namespace and ``name``, such as ``otp``."""
    return namespace() + name


@conf.cached
def slot(cell: int = 0) -> tuple[str, ...]:
    """The last key of every script: the prefix of its cell. None if there is one cell and no cluster.

    Scripts build keys that no node of a cluster can know in advance. This one holds nothing, but it leads to
    their slot. While the slot moves, a node runs no script with a declared key that it lacks, so this one
    keeps scripts from running with half of the keys.
    """
    return (key("", cell),) if cell or in_cluster() or in_cells() else ()


@conf.cached
def prefix(cell: int = 0) -> str:
    """The prefix of every key of a cell: the namespace, in a cluster or in cells 1, 2, … with a hash tag."""
    return f"{{{namespace()}c{cell}}}" if cell or in_cluster() else namespace()


@conf.cached
def in_cells() -> bool:
    """Whether there are cells besides cell 0. Raises ``ImproperlyConfigured``."""
    return max(cell_counts()) > 1


@conf.cached
def cell_counts() -> tuple[int, ...]:
    """``REDIS_CELLS``, and ``REDIS_CELLS_BEFORE`` if it is set. Raises ``ImproperlyConfigured``."""
    found = []
    for name in ("REDIS_CELLS", "REDIS_CELLS_BEFORE"):
        count = conf.get(name)
        least = 0 if name == "REDIS_CELLS_BEFORE" else 1
        if isinstance(count, bool) or not isinstance(count, int) or not least <= count <= MOST_CELLS:
            raise ImproperlyConfigured(
                f"{name} must be a whole number from {least} to {MOST_CELLS}, such as 16."
            )
        found.append(count)
    return tuple(found if found[1] else found[:1])


@conf.cached
def in_cluster() -> bool:
    """Whether CACHES says that Redis is a cluster."""
    options = settings.CACHES.get(cache_alias(), {}).get("OPTIONS", {})
    return bool(options.get("CONNECTION_FACTORY") == CLUSTER)


def families(cell: int = 0) -> tuple[str, ...]:
    """The prefixes of all our keys in a cell."""
    return tuple(key(name, cell) for name in _families)


@conf.cached
def namespace() -> str:
    """``OTPOST_NAMESPACE`` and a colon, or "". Raises ``ImproperlyConfigured``."""
    found, setting, fix = conf.get("OTPOST_NAMESPACE"), "OTPOST_NAMESPACE", ""
    if found is None:
        found = settings.CACHES.get(cache_alias(), {}).get("KEY_PREFIX", "")
        setting = f"The KEY_PREFIX of CACHES[{cache_alias()!r}]"
        fix = " Set OTPOST_NAMESPACE, which takes precedence."
    if not isinstance(found, str) or not _NAMESPACE.fullmatch(found):
        raise ImproperlyConfigured(
            f"{setting} must be at most 64 letters, digits and _ . : -, such as shop.{fix}"
        )
    return f"{found}:" if found else ""


@conf.cached
def cache_aliases() -> tuple[str, ...]:
    """``OTPOST_CACHE``: the aliases in CACHES of the servers that keep everything.

    Raises ``ImproperlyConfigured``.
    """
    found = conf.get("OTPOST_CACHE")
    if not found:
        raise ImproperlyConfigured("OTPOST_CACHE is empty. Write an alias of CACHES, such as otpost.")
    return (found,) if isinstance(found, str) else tuple(found)


@conf.cached
def cache_alias(cell: int = 0) -> str:
    """The alias in CACHES of the server that has a cell.

    Cell 0 is on the first server. The others are spread by rendezvous hashing (Thaler and Ravishankar,
    1998): if a server is added or removed, only the cells move that it gains or had.
    """
    aliases = cache_aliases()
    if not cell or len(aliases) == 1:
        return aliases[0]
    return max(aliases, key=lambda alias: hashlib.sha256(f"{alias} {cell}".encode()).digest())


def store_setting(cell: int = 0) -> str:
    """The setting with the address of the Redis that has a cell: REDIS_URL, or in a project its cache."""
    alias = cache_alias(cell)
    if not hasattr(settings, "REDIS_URL"):
        return f"CACHES[{alias!r}]"
    return "REDIS_URL" if len(cache_aliases()) == 1 else f"REDIS_URL ({alias})"


def broker_setting() -> str:
    """The setting with the address of the broker."""
    return "CELERY_BROKER_URL" + (" (without one, REDIS_URL)" if hasattr(settings, "REDIS_URL") else "")
