"""Where everything of ours stands in Redis: the cache's alias, the namespace, the names of the keys.

    <namespace>sms:message:<id>      hash    state, times, counts; kept MESSAGE_RECORD_HOURS
    <namespace>sms:body:<id>         string  the sealed number and text; gone when the message is settled
    <namespace>sms:leases:<queue>    sorted set  id → when anybody may claim the message (ms)
    <namespace>sms:sweep:<queue>     string  a sweep of this queue is under way in the broker
    <namespace>sms:beat              string  beat has asked for a sweep of late
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
    <namespace>sms:installation      string  whose place this is; see sms.checks.place
    <namespace>sms:probe             string  written and removed at once; see sms.probe

Some fields have names that are older than our words, as the version before reads them: ``hold_until`` of a
health hash is when the vendor said to retry, ``turn`` of a message the alias in whose line it has waited, and
``attempts`` how often it was claimed. ``calls`` are its attempts.

The names of otp stand in otp.names. Python and Lua get every key from ``key``, so that two installations can
share a database.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf

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
BEAT = family("sms:beat")
INSTALLATION = "sms:installation"

#: What scripts build keys from, by its name there.
IN_LUA = {"RECORD": RECORD, "BODY": BODY, "DEAD": DEAD, "LEASES": LEASES, "WAITING": WAITING}
IN_LUA |= {"DRAINED": DRAINED, "DRAIN": DRAIN, "STARTED": STARTED}
IN_LUA |= {"HEALTH": HEALTH, "RATE": RATE, "LINE": LINE}


def health(alias: str, country: str | None = None) -> str:
    """How an alias does; with a country, in what concerns that alone. As health_key_of in Lua."""
    return key(HEALTH + alias + ("" if country is None else f":{country}"))


def line(alias: str, queue: str) -> str:
    """Who waits in a queue for the rate of an alias. As line_key_of in Lua."""
    return key(f"{LINE}{alias}:{queue}")


def key(name: str) -> str:
    """``name``, of a key in Redis or of a queue (``otp``, ``bulk``) at the broker, behind the namespace."""
    return namespace() + name


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
