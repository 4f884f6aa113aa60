"""Redis and the broker: can they work as they are set up and as they answer?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from sms import broker, names, probe, scripts, store
from sms.checks import SERVERS, check, finding, readable
from sms.declared import register
from sms.errors import Unavailable

_LOGIN = ". Write those that the server knows; / # ? @ in a password are written %2F %23 %3F %40."
_DATABASE = ". Write one that it has: in Redis 0 to 15, unless its `databases` says otherwise."
_RIGHTS = ". Give the user the rights that docs/operations.md names under Readiness."
_STARTS = ". Until that is mended starts answer 503."
_UNSEEN = (
    ", so what only that server can tell was not checked. If it runs, mend the address; if not, check again "
    "when it does."
)

#: The finding of a server that cannot be used, by the reason, and what follows on the reason.
_SAID = {
    "password": ("sms.E032", _LOGIN),
    "database": ("sms.E032", _DATABASE),
    "forbidden_commands": ("sms.E032", _RIGHTS),
    "forbidden_keys": ("sms.E032", _RIGHTS),
    "full": ("sms.W020", _STARTS),
    "read_only": ("sms.W020", _STARTS),
    "away": ("sms.I001", _UNSEEN),
    "loading": ("sms.I001", _UNSEEN),
    "busy": ("sms.I001", _UNSEEN),
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
    return [found for found in _findings() if isinstance(found, Error)]


@register(deploy=True)
def servers_answer(**_: Any) -> list[CheckMessage]:
    """What only they can tell was not looked at, and whoever reads "no issues" must know that.

    No warning where one does not answer: a check may well run where they are not, or not yet.
    """
    return [found for found in _findings() if not isinstance(found, Error)]


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


def _findings() -> Iterator[CheckMessage]:
    """Ask each server, by the name of its setting."""
    asked: dict[str, Callable[[], object]] = {}
    if not cache_is_redis() and not cache_keeps_bytes():
        asked[names.store_setting()] = probe.redis
    for name, ask in (asked | {names.broker_setting(): broker.ask}).items():
        try:
            ask()
        except ImproperlyConfigured as error:
            yield finding("sms.E033", str(error))
        except Unavailable as error:
            if error.reason in _SAID:
                id, more = _SAID[error.reason]
                said = "nothing answers there" if error.reason == "away" else str(error).rstrip(".")
                yield finding(id, f"{name}: {said}{more}")
