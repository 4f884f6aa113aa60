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
    <namespace>sms:dead              sorted set  id → when it had failed in every round (ms)
    <namespace>sms:health:<alias>    hash    outcomes of a window, the breaker; see includes/breaker.lua
    <namespace>sms:health:<alias>:<country>  hash  the same for one country alone
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
of an installation in one slot.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf

#: The CONNECTION_FACTORY of a cache that is a Redis Cluster.
CLUSTER = "sms.cluster.ConnectionFactory"

#: Allowed namespaces: no character is special in patterns of Redis, Lua or RabbitMQ.
_NAMESPACE = re.compile(r"[A-Za-z0-9_.:-]{0,64}", re.ASCII)

_families: list[str] = []


def family(name: str) -> str:
    """Declare that keys with this prefix are ours. ``sms.testing.reset`` deletes only these."""
    _families.append(name)
    return name


RECORD, BODY, DEAD = family("sms:message:"), family("sms:body:"), family("sms:dead")
LEASES, SWEEP, WAITING = family("sms:leases:"), family("sms:sweep:"), family("sms:waiting:")
DRAINED, DRAIN, STARTED = family("sms:drained:"), family("sms:drain:"), family("sms:started:")
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
IN_LUA |= {"HEALTH": HEALTH, "RATE": RATE, "LINE": LINE, "OPTOUTS": OPTOUTS}
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


def key(name: str) -> str:
    """The full name of a key in Redis: the prefix and ``name``."""
    return prefix() + name


def queue(name: str) -> str:
    """The full name of a queue at the broker: the namespace and ``name``, such as ``otp``."""
    return namespace() + name


@conf.cached
def slot() -> tuple[str, ...]:
    """In a cluster, a key that holds nothing and routes every script to our slot. Elsewhere empty.

    Scripts build keys that no node can know in advance. But while the slot moves, a node runs no script with
    a declared key that it lacks, so this one keeps scripts from running with half of the keys.
    """
    return (key(""),) if in_cluster() else ()


@conf.cached
def prefix() -> str:
    """The prefix of every key: the namespace, in a cluster inside the hash tag."""
    return f"{{{namespace()}c0}}" if in_cluster() else namespace()


@conf.cached
def in_cluster() -> bool:
    """Whether CACHES says that Redis is a cluster."""
    options = settings.CACHES.get(cache_alias(), {}).get("OPTIONS", {})
    return bool(options.get("CONNECTION_FACTORY") == CLUSTER)


def families() -> tuple[str, ...]:
    """The prefixes of all our keys."""
    return tuple(map(key, _families))


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


def cache_alias() -> str:
    """``OTPOST_CACHE``: the alias in CACHES under which everything is kept."""
    return str(conf.get("OTPOST_CACHE"))


def store_setting() -> str:
    """The setting with the address of Redis: REDIS_URL, or in a project its cache."""
    return "REDIS_URL" if hasattr(settings, "REDIS_URL") else f"CACHES[{cache_alias()!r}]"


def broker_setting() -> str:
    """The setting with the address of the broker."""
    return "CELERY_BROKER_URL" + (" (without one, REDIS_URL)" if hasattr(settings, "REDIS_URL") else "")
