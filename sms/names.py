"""Where everything of ours stands in Redis: the cache's alias, the namespace, the names of the keys.

    <namespace>sms:message:<id>      hash    state, times, counts; kept MESSAGE_RECORD_HOURS
    <namespace>sms:body:<id>         string  the sealed number and text; gone when the message is settled
    <namespace>sms:leases:<queue>    sorted set  id → from when on anybody may claim the message (ms)
    <namespace>sms:sweep:<queue>     string  a sweep of this queue is under way in the broker
    <namespace>sms:beat              string  beat has asked for a sweep of late
    <namespace>sms:waiting:<queue>   sorted set  id → since when it waits (ms), until its first call begins:
                                     since it was accepted; of one that its alias holds back, and of one
                                     that no worker could open, when it comes back
    <namespace>sms:drained:<queue>:<second>  string  how many of these calls began in that second
    <namespace>sms:drain:<queue>     string  how many a second began when it was measured last
    <namespace>sms:started:<queue>   string  when a worker started last (ms), if that was a moment ago
    <namespace>sms:dead              sorted set  id → when all of its rounds had failed (ms)
    <namespace>sms:health:<alias>    hash    outcomes of a window, the breaker; see includes/breaker.lua
    <namespace>sms:health:<alias>:<country>  hash  the same for what concerns one country alone
    <namespace>sms:rate:<alias>      string  when its next call may begin (ms)
    <namespace>sms:line:<alias>:<queue>  sorted set  message → when it was told to come back (ms)
    <namespace>sms:installation      string  whose place this is; see sms.mark
    <namespace>sms:probe             string  written and removed at once; see sms.probe

The names of otp stand in otp.names. Python and the Lua scripts get every key from ``key``, so that two
installations can share a server and its database.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from sms import conf

#: What a namespace may be written with: nothing that a pattern of Redis, Lua or RabbitMQ reads otherwise.
_NAMESPACE = re.compile(r"[A-Za-z0-9_.:-]{0,64}", re.ASCII)

_families: list[str] = []


def family(name: str) -> str:
    """Declare that keys which begin with ``name`` are ours: ``sms.testing.reset`` deletes these alone."""
    _families.append(name)
    return name


RECORD, BODY = family("sms:message:"), family("sms:body:")
LEASES, SWEEP, WAITING = family("sms:leases:"), family("sms:sweep:"), family("sms:waiting:")
DRAINED, DRAIN, STARTED = family("sms:drained:"), family("sms:drain:"), family("sms:started:")
DEAD = family("sms:dead")
BEAT = family("sms:beat")
HEALTH, RATE, LINE = family("sms:health:"), family("sms:rate:"), family("sms:line:")
INSTALLATION = "sms:installation"

#: Those that scripts put together themselves, each under the name that it has there.
IN_LUA = {
    "RECORD": RECORD,
    "BODY": BODY,
    "LEASES": LEASES,
    "WAITING": WAITING,
    "DRAINED": DRAINED,
    "DRAIN": DRAIN,
    "STARTED": STARTED,
    "DEAD": DEAD,
    "HEALTH": HEALTH,
    "RATE": RATE,
    "LINE": LINE,
}


def key(name: str) -> str:
    """``name`` as it stands in Redis: with the namespace before it."""
    return namespace() + name


def queue(name: str) -> str:
    """The name that a queue (``otp``, ``bulk``) has at the broker."""
    return namespace() + name


def families() -> tuple[str, ...]:
    """The beginnings of all keys of ours."""
    return tuple(map(key, _families))


@lru_cache(maxsize=1)
def namespace() -> str:
    """``OTPOST_NAMESPACE`` and a colon, "" if there is none. Raises ``ImproperlyConfigured``."""
    found = conf.get("OTPOST_NAMESPACE")
    setting, mend = "OTPOST_NAMESPACE", ""
    if found is None:
        alias = cache_alias()
        setting, mend = (
            f"The KEY_PREFIX of CACHES[{alias!r}]",
            " Set OTPOST_NAMESPACE, which comes before it.",
        )
        found = settings.CACHES.get(alias, {}).get("KEY_PREFIX", "")
    if not isinstance(found, str) or not _NAMESPACE.fullmatch(found):
        raise ImproperlyConfigured(
            f"{setting} must be at most 64 letters, digits and _ . : -, such as shop.{mend}"
        )
    return f"{found}:" if found else ""


@lru_cache(maxsize=1)
def cache_alias() -> str:
    """``OTPOST_CACHE``: the alias of CACHES behind which everything stands."""
    alias: str = conf.get("OTPOST_CACHE")
    return alias


def store_setting() -> str:
    """What an operator calls the setting that leads to Redis: REDIS_URL, in a project its cache."""
    return "REDIS_URL" if hasattr(settings, "REDIS_URL") else f"CACHES[{cache_alias()!r}]"


def broker_setting() -> str:
    """The same of the setting that leads to the broker."""
    return "CELERY_BROKER_URL" + (" (without one, REDIS_URL)" if hasattr(settings, "REDIS_URL") else "")


@receiver(setting_changed)
def _read_anew(**_: Any) -> None:
    namespace.cache_clear()
    cache_alias.cache_clear()
