"""Redis and the broker: do we reach the right ones over a safe connection, and can they do what we need?"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import celery
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from redis.connection import SSLConnection

from sms import broker, names, probe, scripts, store
from sms.checks import SERVERS, check, finding, readable, register
from sms.checks.settings import namespace
from sms.errors import Unavailable

_LOGIN = ". Write those that the server knows; / # ? @ in a password are written %2F %23 %3F %40."
_DATABASE = ". Write one that it has: in Redis 0 to 15, unless its `databases` says otherwise."
_RIGHTS = ". Give the user the rights that docs/operations.md names under Readiness."
_STARTS = ". Until that is mended starts answer 503."
_CA = "a CA of your own is named by ssl_ca_certs=/path."
_UNSEEN = (
    ", so what only that server can tell was not checked. If it runs, mend the address; if not, check again "
    "when it does."
)

#: What is found of a server that cannot be used, by the reason: the id, and the end of the text.
_UNUSABLE = {
    **dict.fromkeys(("away", "loading", "busy", "moving"), ("sms.I001", _UNSEEN)),
    **dict.fromkeys(("full", "read_only", "cluster_down", "no_leader"), ("sms.W020", _STARTS)),
    **dict.fromkeys(("forbidden_commands", "forbidden_keys"), ("sms.E032", _RIGHTS)),
    "certificate": ("sms.W020", f". Mend the certificate; {_CA} Until then starts answer 503."),
    "password": ("sms.E032", _LOGIN),
    "database": ("sms.E032", _DATABASE),
}

_CLUSTER = "leads to a Redis Cluster (cluster_enabled:1)"

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
def servers_let_us_in() -> list[CheckMessage]:
    """What refuses everybody until a setting is changed: a login, or a URL that Celery cannot read."""
    return [found for found in _findings() if isinstance(found, Error)]


@register(deploy=True)
def servers_answer() -> list[CheckMessage]:
    """What could not be checked. No warning where nothing answers: a check may run before its servers do."""
    return [found for found in _findings() if not isinstance(found, Error)]


def _findings() -> Iterator[CheckMessage]:
    """Ask each server, by the name of its setting."""
    if namespace():
        return  # nothing can be asked without it, and that check tells so
    asked: dict[str, Callable[[], object]] = {}
    if not cache_is_redis() and not cache_keeps_bytes():
        asked[names.store_setting()] = probe.redis
    for name, ask in (asked | {names.broker_setting(): broker.ask}).items():
        try:
            ask()
        except ImproperlyConfigured as error:
            yield finding("sms.E033", str(error))
        except Unavailable as error:
            if error.reason in _UNUSABLE:
                id, end = _UNUSABLE[error.reason]
                said = "nothing answers there" if error.reason == "away" else str(error).rstrip(".")
                yield finding(id, f"{name}: {said}{end}")


@check("sms.W002", deploy=True)
def eviction() -> Iterator[str]:
    """A Redis that evicts keys loses messages, and Celery's queues, without a word."""
    policy = store.eviction_policy()
    if policy not in ("noeviction", ""):
        yield f"Redis drops keys when it is full (maxmemory-policy {policy}). Set it to noeviction."


@check("sms.E007", SERVERS, deploy=True)
def redis_is_a_cluster_by_name() -> Iterator[str]:
    if store.is_cluster() and not names.in_cluster():
        yield (
            f"{names.store_setting()} {_CLUSTER} as if that were one server. Write it as "
            "redis+cluster://host1,host2,host3; docs/cluster.md says how in a project of your own."
        )


@check("sms.E007", SERVERS, deploy=True)
def broker_is_no_cluster() -> Iterator[str]:
    if broker.is_cluster():
        yield (
            f"CELERY_BROKER_URL {_CLUSTER}, in which Celery cannot keep queues. Name a RabbitMQ (amqp://…), "
            "one Redis server, or its sentinels."
        )


@check("sms.W012", Tags.security, deploy=True)
def redis_is_verified() -> Iterator[str]:
    """TLS that believes anybody keeps nobody out."""
    pool = scripts.connection().connection_pool
    if issubclass(pool.connection_class, SSLConnection):
        mend = f"Leave out ssl_cert_reqs= and ssl_check_hostname=; {_CA}"
        yield from _unverified(names.store_setting(), pool.connection_kwargs, mend)


@check("sms.W012", Tags.security, deploy=True)
def broker_is_verified() -> Iterator[str]:
    """kombu's default for a Redis is to believe anybody."""
    with broker.readable():
        found: Any = celery.current_app.connection_for_write()
        amqp = found.transport.driver_type == "amqp"
    options, mend = found.ssl, f"Add ?ssl_cert_reqs=required to it; {_CA}"
    if amqp and options:
        own = options if isinstance(options, dict) else {}  # for amqps:// the transport has made True of it
        certificate, host = own.get("cert_reqs", ssl.CERT_REQUIRED), "server_hostname" in own
        options = {"ssl_cert_reqs": certificate, "ssl_check_hostname": host}
        mend = 'Say CELERY_BROKER_USE_SSL = {"server_hostname": "its.host.name"}.'
    if isinstance(options, dict):
        yield from _unverified(names.broker_setting(), options, mend)


def _unverified(name: str, options: dict[str, Any], mend: str) -> Iterator[str]:
    if options.get("ssl_cert_reqs", "required") not in ("required", ssl.CERT_REQUIRED):
        what = "no certificate"
    elif not options.get("ssl_check_hostname", True):
        what = "no host name"
    else:
        return
    yield (
        f"{name} has TLS, but {what} of it is verified: whoever stands between may read the password and "
        f"all else. {mend}"
    )


@check("sms.W024", deploy=True)
def celery_reads_the_settings() -> Iterator[str]:
    """Without an app of the project's own Celery has its defaults, and asks a RabbitMQ on this machine."""
    if not _reads_the_settings():
        yield (
            "CELERY_BROKER_URL is set, and Celery does not read it. Make an app with "
            'config_from_object("django.conf:settings", namespace="CELERY"), and import it in the '
            "__init__.py of your project: docs/in-django.md has both."
        )


@check("sms.W011", deploy=True)
def the_consumer_is_ours() -> Iterator[str]:
    """Celery's own stays away for up to 30 s after an outage, and ends on an entry that is no task."""
    from sms.consumer import Consumer

    try:
        found = import_string(str(celery.current_app.conf.worker_consumer).replace(":", "."))
    except ImportError:
        found = object
    if _reads_the_settings() and not issubclass(found, Consumer):  # or the check above says it
        yield (
            'CELERY_WORKER_CONSUMER is not "sms.consumer:Consumer": after an outage of its broker a worker '
            "would stay away for up to 30 s, and an entry that is no task would end it."
        )


def _reads_the_settings() -> bool:
    url = getattr(settings, "CELERY_BROKER_URL", None)
    # Celery reads the environment's variable of that name first.
    return not url or bool(os.environ.get("CELERY_BROKER_URL")) or celery.current_app.conf.broker_url == url
