"""Where everything of ours stands in Redis: the cache's alias, the namespace, the names of the keys.

    <namespace>sms:message:<id>      hash    state, times, counts; kept MESSAGE_RECORD_HOURS
    <namespace>sms:body:<id>         string  the sealed number and text; gone when the message is settled
    <namespace>sms:leases:<queue>    sorted set  id → when anybody may claim the message (ms)
    <namespace>sms:sweep:<queue>     string  a sweep of this queue is under way in the broker
    <namespace>sms:beat              string  when beat asked for a sweep last (ms)
    <namespace>sms:swept             string  when a worker ran a sweep last (ms)
    <namespace>sms:unswept:<queue>   string  since when sweeps of it are asked for and none is run (ms)
    <namespace>sms:away:<part>       string  since when a part is away (ms); see sms.signs
    <namespace>sms:waiting:<queue>   sorted set  id → since when it waits for its first call (ms): since it
                                     was accepted; if its alias held it back, or no worker could open
                                     it, from when it comes back
    <namespace>sms:drained:<queue>:<second>  string  how many of these calls began in that second
    <namespace>sms:drain:<queue>     string  how many a second began when it was measured last
    <namespace>sms:started:<queue>   string  when a worker started last (ms), if that was a moment ago
    <namespace>sms:dead              sorted set  id → when all of its rounds had failed (ms)
    <namespace>sms:health:<alias>    hash    outcomes of a window, the breaker; see includes/breaker.lua
    <namespace>sms:health:<alias>:<country>  hash  the same for what concerns one country alone
    <namespace>sms:rate:<alias>      string  when its next call may begin (ms)
    <namespace>sms:line:<alias>:<queue>  sorted set  message → when it was told to come back (ms)
    <namespace>sms:theirs:<alias>:<id>  string  our id of the message that the vendor calls <id>; until the
                                     answer of the call is written down, a receipt that came before (JSON)
    <namespace>sms:polls:<alias>     sorted set  id → when the vendor is asked what became of it (ms)
    <namespace>sms:feedback:<alias>  sorted set  id → when the vendor is told whether its code was typed (ms)
    <namespace>sms:revokes:<alias>   sorted set  id → since when the vendor is to take it back (ms)
    <namespace>sms:optouts:<alias>:<key>  sorted set  digest of a number that has opted out of this alias →
                                     until when that is kept (ms); <key>: what made it, see sms.optouts
    <namespace>sms:helped:<alias>:<digest>  string  HELP was answered within the last hour
    <namespace>sms:tally:<family>:all, …:day:<n>, …:hour:<n>  hash  counters; see sms.tally
    <namespace>sms:tally:<family>:fresh  set  hours of which there is …:fresh:<n>, a hash of counters that are
                                     not added to the others yet
    <namespace>sms:arrival:<alias>:<country>  hash  how long receipts take; see includes/learn_arrival.lua
    <namespace>sms:learning:<n>      hash    what the codes of five minutes came to; see sms.learning
    <namespace>sms:story:<id>        list    the steps of a message; see sms.history
    <namespace>sms:found-by:<what>:<value>  list  ids, the latest first; <what>: number (by a keyed digest),
                                     reference, verification, api-key (its name); see sms.history
    <namespace>sms:webhooks:due:<endpoint>  sorted set  tries, event (JSON) → when it is sent (ms)
    <namespace>sms:webhooks:dead:<endpoint>  sorted set  why, event (JSON) → when it was given up (ms)
    <namespace>sms:webhooks:late:<endpoint>  sorted set  id of an event once a try failed → its own time (ms)
    <namespace>sms:webhooks:error:<endpoint>  string  when a call failed last (ms), and a word for what broke
    <namespace>sms:webhooks:end      sorted set  verification → when its code dies (ms), where that is told
    <namespace>sms:webhooks:told     hash    verification → what is told of it then (JSON)
    <namespace>sms:webhooks:quiet:<reason>:<country>  string  that the guard refuses was told a moment ago
    <namespace>sms:installation      string  whose place this is; see sms.checks.place
    <namespace>sms:next-channel      sorted set  verification → when somebody looks whether its code goes by
                                     another channel (ms); see next.lua of otp
    <namespace>sms:probe             string  written and removed at once; see sms.probe

Some fields have names that are older than our words, as the version before reads them: ``hold_until`` of a
health hash is when the vendor said to retry, ``turn`` of a message the alias in whose line it has waited, and
``attempts`` how often it was claimed. ``calls`` are its attempts.

The names of otp stand in otp.names. Python and Lua get every key from ``key``, so that two installations can
share a database. In a Redis Cluster the namespace stands in a hash tag, ``{<namespace>c0}``, which keeps all
keys of an installation in one slot.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf

#: The CONNECTION_FACTORY of a cache that is a Redis Cluster.
CLUSTER = "sms.cluster.ConnectionFactory"

#: What a namespace may be: no character has a meaning in a pattern of Redis, Lua or RabbitMQ.
_NAMESPACE = re.compile(r"[A-Za-z0-9_.:-]{0,64}", re.ASCII)

_families: list[str] = []


def family(name: str) -> str:
    """Declare that keys which begin with ``name`` are ours: ``sms.testing.reset`` deletes these alone."""
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

#: What scripts build keys from, by its name there.
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
    """How an alias does; with a country, in what concerns that alone. As health_key_of in Lua."""
    return key(HEALTH + alias + ("" if country is None else f":{country}"))


def line(alias: str, queue: str) -> str:
    """Who waits in a queue for the rate of an alias. As line_key_of in Lua."""
    return key(f"{LINE}{alias}:{queue}")


def key(name: str) -> str:
    """``name`` of a key in Redis, behind what stands before all of them."""
    return prefix() + name


def queue(name: str) -> str:
    """``name`` of a queue at the broker, such as ``otp``, behind the namespace."""
    return namespace() + name


@conf.cached
def slot() -> tuple[str, ...]:
    """In a cluster a key that holds nothing and leads every script to the slot of all others. While the slot
    moves, no node runs a script with a key that it has not; the keys that scripts make up it cannot know.
    Elsewhere none.
    """
    return (key(""),) if in_cluster() else ()


@conf.cached
def prefix() -> str:
    """What stands before every key: the namespace, in a cluster inside the hash tag."""
    return f"{{{namespace()}c0}}" if in_cluster() else namespace()


@conf.cached
def in_cluster() -> bool:
    """Whether CACHES says that Redis is a cluster."""
    options = settings.CACHES.get(cache_alias(), {}).get("OPTIONS", {})
    return bool(options.get("CONNECTION_FACTORY") == CLUSTER)


def families() -> tuple[str, ...]:
    """What our keys begin with."""
    return tuple(map(key, _families))


@conf.cached
def namespace() -> str:
    """``OTPOST_NAMESPACE`` and a colon, "" if there is none. Raises ``ImproperlyConfigured``."""
    found, setting, mend = conf.get("OTPOST_NAMESPACE"), "OTPOST_NAMESPACE", ""
    if found is None:
        found = settings.CACHES.get(cache_alias(), {}).get("KEY_PREFIX", "")
        setting = f"The KEY_PREFIX of CACHES[{cache_alias()!r}]"
        mend = " Set OTPOST_NAMESPACE, which comes before it."
    if not isinstance(found, str) or not _NAMESPACE.fullmatch(found):
        raise ImproperlyConfigured(
            f"{setting} must be at most 64 letters, digits and _ . : -, such as shop.{mend}"
        )
    return f"{found}:" if found else ""


def cache_alias() -> str:
    """``OTPOST_CACHE``: the alias of CACHES behind which everything stands."""
    return str(conf.get("OTPOST_CACHE"))


def store_setting() -> str:
    """The setting that leads to Redis: REDIS_URL, in a project its cache."""
    return "REDIS_URL" if hasattr(settings, "REDIS_URL") else f"CACHES[{cache_alias()!r}]"


def broker_setting() -> str:
    """The setting that leads to the broker."""
    return "CELERY_BROKER_URL" + (" (without one, REDIS_URL)" if hasattr(settings, "REDIS_URL") else "")
