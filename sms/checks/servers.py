"""Redis and the broker: can they work as they are set up and as they answer?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import ImproperlyConfigured

from sms import broker, names, probe, scripts, store
from sms.checks import SERVERS, check, readable
from sms.declared import register
from sms.errors import Unavailable

#: Reasons that end only when somebody changes a setting, and how.
_MEND = {
    "password": "Write those that the server knows; / # ? @ in a password are written %2F %23 %3F %40.",
    "database": "Write one that it has: in Redis 0 to 15, unless its `databases` says otherwise.",
    "forbidden_commands": "Give the user the rights that docs/operations.md names under Readiness.",
    "forbidden_keys": "Give the user the rights that docs/operations.md names under Readiness.",
}

_CLUSTER = (
    "leads to a Redis Cluster (cluster_enabled:1), which cannot work: a script changes several keys in one "
    "step, which a cluster keeps in different slots, and Celery's transport knows no cluster. Use one "
    "server, Sentinel (redis+sentinel://…), or RabbitMQ for the queues (CELERY_BROKER_URL=amqp://…)."
)

#: Codes and messages live behind the cache of django-redis, which hands out Redis itself.
cache_is_redis = readable("sms.E020", scripts.connection)


@check("sms.E031")
def cache_keeps_bytes() -> Iterator[str]:
    """A sealed text is no text."""
    if scripts.connection().connection_pool.connection_kwargs.get("decode_responses"):
        yield (
            f"CACHES[{names.cache_alias()!r}] has decode_responses on, so what is sealed cannot be read. "
            "Take it out of CONNECTION_POOL_KWARGS or LOCATION."
        )


@register(SERVERS, deploy=True)
def servers_let_us_in(**_: Any) -> list[CheckMessage]:
    """What refuses everybody until a setting is changed: a server that does not let us in, a URL that
    Celery, which reads it only now, cannot read.
    """
    found: list[CheckMessage] = []
    for name, error in _failures():
        if isinstance(error, ImproperlyConfigured):
            found.append(Error(str(error), id="sms.E033"))
        elif error.reason in _MEND:
            found.append(Error(f"{name}: {error} {_MEND[error.reason]}", id="sms.E032"))
    return found


@register(deploy=True)
def servers_answer(**_: Any) -> list[CheckMessage]:
    """What only they can tell was not looked at, and whoever reads "no issues" must know that.

    No warning where one does not answer: a check may well run where they are not, or not yet.
    """
    found: list[CheckMessage] = []
    for name, error in _failures():
        if isinstance(error, ImproperlyConfigured):
            continue  # the check above says it
        if error.reason in ("full", "read_only"):
            found.append(Warning(f"{name}: {error} Until that is mended starts answer 503.", id="sms.W020"))
        elif error.reason in ("away", "loading", "busy"):
            said = "nothing answers there" if error.reason == "away" else str(error).rstrip(".")
            found.append(
                Info(
                    f"{name}: {said}, so what only that server can tell was not checked. If it runs, "
                    "mend the address; if not, check again when it does.",
                    id="sms.I001",
                )
            )
    return found


@check("sms.W002", deploy=True)
def eviction() -> Iterator[str]:
    """A Redis that evicts keys loses messages, and Celery's queues, without a word."""
    policy = store.eviction_policy()
    if policy not in ("noeviction", ""):
        yield f"Redis drops keys when it is full (maxmemory-policy {policy}). Set it to noeviction."


@check("sms.E007", SERVERS, deploy=True)
def redis_is_no_cluster() -> Iterator[str]:
    """A node of a Redis Cluster refuses our scripts, or sends us to another one."""
    if store.is_cluster():
        yield f"{names.store_setting()} {_CLUSTER}"


@check("sms.E007", SERVERS, deploy=True)
def broker_is_no_cluster() -> Iterator[str]:
    """kombu's transport does not follow it there."""
    if broker.is_cluster():
        yield f"CELERY_BROKER_URL {_CLUSTER}"


def _failures() -> list[tuple[str, Unavailable | ImproperlyConfigured]]:
    """The servers that cannot be used, each by the name of its setting, and why."""
    found: list[tuple[str, Unavailable | ImproperlyConfigured]] = []
    if not cache_is_redis() and not cache_keeps_bytes():
        try:
            probe.redis()
        except Unavailable as error:
            found.append((names.store_setting(), error))
    try:
        broker.ask()
    except (Unavailable, ImproperlyConfigured) as error:
        found.append((names.broker_setting(), error))
    return found
