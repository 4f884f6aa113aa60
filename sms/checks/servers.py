"""Checks of Redis and the broker: are they the right servers, is the connection safe, and may we use them?"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import celery
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from redis.connection import SSLConnection

from sms import broker, broker_connections, names, probe, scripts
from sms.checks import SERVERS, check, finding, readable, register
from sms.checks.settings import namespace
from sms.errors import Unavailable

_LOGIN = ". Fix them in the URL. In a password, write / # ? @ as %2F %23 %3F %40."
_DATABASE = ". Name one that it has. Redis has 0 to 15, unless its `databases` says otherwise."
_RIGHTS = ". Give the user the rights listed in docs/readiness.md."
_STARTS = ". Starts answer 503 until you fix that."
_CA = "for a CA of your own, add ssl_ca_certs=/path."
_UNSEEN = (
    ", so some checks were skipped. If the server runs, fix the address. If not, start it and check again."
)

#: The finding about a server that cannot be used, by reason: the id, and the end of the text.
_UNUSABLE = {
    **dict.fromkeys(("away", "loading", "busy", "moving"), ("sms.I001", _UNSEEN)),
    **dict.fromkeys(("full", "read_only", "cluster_down", "no_leader"), ("sms.W020", _STARTS)),
    **dict.fromkeys(("forbidden_commands", "forbidden_keys"), ("sms.E032", _RIGHTS)),
    "certificate": ("sms.W020", f". Fix the certificate; {_CA} Starts answer 503 until then."),
    "password": ("sms.E032", _LOGIN),
    "database": ("sms.E032", _DATABASE),
}

_CLUSTER = "leads to a Redis Cluster (cluster_enabled:1)"

#: Codes and messages live in the Redis behind each cache of django-redis.
cache_is_redis = readable(
    "sms.E020", lambda: [scripts.connection(place.cell, place.server) for place in probe.servers()]
)


@check("sms.E031")
def cache_keeps_bytes() -> Iterator[str]:
    """Sealed messages are bytes. With decode_responses, redis-py would try to read them as text."""
    for place in probe.servers():
        pool = scripts.connection(place.cell, place.server).connection_pool
        if pool.connection_kwargs.get("decode_responses"):
            yield (
                f"CACHES[{place.server!r}] has decode_responses on, so sealed messages "
                "cannot be read. Remove it from CONNECTION_POOL_KWARGS or LOCATION."
            )


@register(SERVERS, deploy=True)
def servers_let_us_in() -> list[CheckMessage]:
    """Faults that only a changed setting fixes: a wrong login, or a URL that Celery cannot read."""
    return [found for found in _findings() if isinstance(found, Error)]


@register(deploy=True)
def servers_answer() -> list[CheckMessage]:
    """Faults that may pass. A server that does not answer is only an info: it may start after the checks."""
    return [found for found in _findings() if not isinstance(found, Error)]


def _findings() -> Iterator[CheckMessage]:
    """Ask each server, and report it by the name of its setting."""
    if namespace():
        return  # without a namespace nothing can be asked; the check of the namespace reports it
    asked: dict[str, Callable[[], object]] = {}
    if not cache_is_redis() and not cache_keeps_bytes():
        asked |= {
            place.setting: partial(probe.redis, cell=place.cell, server=place.server) for place in _places()
        }
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


def _places() -> list[probe.Place]:
    """Every place. A cluster that does not name its nodes counts as one place."""
    try:
        return probe.places()
    except Unavailable:
        return probe.servers()


@check("sms.W002", deploy=True)
def eviction() -> Iterator[str]:
    """A Redis that evicts keys silently loses messages and Celery's queues."""
    for place in _places():
        with suppress(Unavailable):
            policy = probe.eviction_policy(place)
            if policy not in ("noeviction", ""):
                yield (
                    f"{place.setting}: Redis drops keys when it is full. Set its maxmemory-policy, now "
                    f"{policy}, to noeviction."
                )


@check("sms.E007", SERVERS, deploy=True)
def redis_is_a_cluster_by_name() -> Iterator[str]:
    for place in () if names.in_cluster() else probe.servers():
        with suppress(Unavailable):
            if probe.is_cluster(place):
                yield (
                    f"{place.setting} {_CLUSTER}, but is written like a single server. Write "
                    "redis+cluster://host1,host2,host3. For your own project, see docs/cluster.md."
                )


@check("sms.E007", SERVERS, deploy=True)
def broker_is_no_cluster() -> Iterator[str]:
    if broker.is_cluster():
        yield (
            f"CELERY_BROKER_URL {_CLUSTER}. Celery cannot keep queues there. Name a RabbitMQ (amqp://…), one "
            "Redis server or its Sentinels."
        )


@check("sms.W012", Tags.security, deploy=True)
def redis_is_verified() -> Iterator[str]:
    """TLS without verification stops no attacker."""
    for place in probe.servers():
        pool = scripts.connection(place.cell, place.server).connection_pool
        if issubclass(pool.connection_class, SSLConnection):
            fix = f"Remove ssl_cert_reqs= and ssl_check_hostname=; {_CA}"
            yield from _unverified(place.setting, pool.connection_kwargs, fix)


@check("sms.W012", Tags.security, deploy=True)
def broker_is_verified() -> Iterator[str]:
    """By default kombu does not verify the certificate of a Redis."""
    with broker_connections.readable():
        found: Any = celery.current_app.connection_for_write()
        amqp = found.transport.driver_type == "amqp"
    options, fix = found.ssl, f"Add ?ssl_cert_reqs=required to it; {_CA}"
    if amqp and options:
        own = options if isinstance(options, dict) else {}  # for amqps:// the transport sets it to True
        certificate, host = own.get("cert_reqs", ssl.CERT_REQUIRED), "server_hostname" in own
        options = {"ssl_cert_reqs": certificate, "ssl_check_hostname": host}
        fix = 'Set CELERY_BROKER_USE_SSL = {"server_hostname": "its.host.name"}.'
    if isinstance(options, dict):
        yield from _unverified(names.broker_setting(), options, fix)


def _unverified(name: str, options: dict[str, Any], fix: str) -> Iterator[str]:
    if options.get("ssl_cert_reqs", "required") not in ("required", ssl.CERT_REQUIRED):
        what = "the certificate"
    elif not options.get("ssl_check_hostname", True):
        what = "the host name"
    else:
        return
    yield (
        f"{name} uses TLS but does not verify {what}. Anyone on the network path can read the password and "
        f"everything else. {fix}"
    )


@check("sms.W024", deploy=True)
def celery_reads_the_settings() -> Iterator[str]:
    """Without an app of the project's own, Celery uses its defaults: a RabbitMQ on this machine."""
    if not _reads_the_settings():
        yield (
            "CELERY_BROKER_URL is set, but Celery does not read it. Create an app with "
            'config_from_object("django.conf:settings", namespace="CELERY"), and import it in the '
            "__init__.py of your project. See docs/in-django.md."
        )


@check("sms.W011", deploy=True)
def the_consumer_is_ours() -> Iterator[str]:
    """Celery's own consumer may wait up to 30 s after an outage, and ends on an entry that is not a task."""
    from sms.consumer import Consumer

    try:
        found = import_string(str(celery.current_app.conf.worker_consumer).replace(":", "."))
    except ImportError:
        found = object
    if _reads_the_settings() and not issubclass(found, Consumer):  # if not, the check above reports it
        yield (
            'Set CELERY_WORKER_CONSUMER = "sms.consumer:Consumer". With another consumer, a worker may wait '
            "up to 30 s after an outage of its broker, and ends on an entry that is not a task."
        )


def _reads_the_settings() -> bool:
    url = getattr(settings, "CELERY_BROKER_URL", None)
    # Celery first reads the environment variable of that name.
    return not url or bool(os.environ.get("CELERY_BROKER_URL")) or celery.current_app.conf.broker_url == url
