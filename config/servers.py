"""Settings for Redis and the broker from their URLs: one server, Sentinel, Redis Cluster, or RabbitMQ."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from kombu.transport import get_transport_cls
from kombu.transport.pyamqp import SSLTransport
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelManagedSSLConnection

from config.addresses import CLUSTER, NO_QUEUES, RABBITMQ, REDIS, SENTINEL, Address, read, scheme, several
from config.tls import for_amqp
from sms import names
from sms.masked import Masked

#: Seconds. A request must end within 3 s even if a server hangs.
TIMEOUT = 1.0
_TIMEOUTS = ("socket_connect_timeout", "socket_timeout")


class AmqpsTransport(SSLTransport):
    """kombu's transport, but it verifies each certificate against the name of its own node."""

    def establish_connection(self) -> Any:
        client: Any = self.client
        if isinstance(client.ssl, dict) and "server_hostname" in client.ssl:
            client.ssl = client.ssl | {"server_hostname": client.hostname}
        host = client.hostname
        try:
            return super().establish_connection()
        finally:
            client.hostname = host  # kombu replaced localhost by 127.0.0.1, which the certificate may lack


def caches(url: str, *, connections: int) -> tuple[dict[str, Any], str | list[str]]:
    """CACHES and OTPOST_CACHE for ``REDIS_URL``: one server, or several with a ";" between their URLs.

    Each of several servers has its address as its alias. So it keeps its cells whatever its place in the
    list: see ``names.cache_alias``. The first has a second alias, "default", for Django; both share a pool.
    Raises ``ImproperlyConfigured``, without repeating the URL.
    """
    urls = several(url)
    if len(urls) == 1:
        return {"default": cache(url, connections=connections)}, "default"
    found: dict[str, Any] = {}
    for address in map(_store, urls):
        if address.scheme in CLUSTER:
            raise ImproperlyConfigured(
                "REDIS_URL names a Redis Cluster and another server. Name the cluster alone, or only servers "
                "without a cluster."
            )
        if address.name in found:
            more = " Give each group's master a name of its own." if address.master else ""
            raise ImproperlyConfigured(f"REDIS_URL names {address.name} twice. Name each server once.{more}")
        found[address.name] = _entry(address, connections)
    return {"default": next(iter(found.values())), **found}, list(found)


def cache(url: str, *, connections: int) -> dict[str, Any]:
    """The entry of CACHES for one server of ``REDIS_URL``.

    Raises ``ImproperlyConfigured``, without repeating the URL.
    """
    return _entry(_store(url), connections)


def _store(url: str) -> Address:
    if scheme(url, "REDIS_URL") not in (*REDIS, *SENTINEL, *CLUSTER):
        known = "redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"
        raise ImproperlyConfigured(f"REDIS_URL must begin with {known}.")
    return read(url, "REDIS_URL")


def _entry(address: Address, connections: int) -> dict[str, Any]:
    # No retries here: a script whose answer got lost may have run, and only the caller knows what to do.
    pool: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "max_connections": connections, **address.tls}
    options: dict[str, Any] = {
        "SOCKET_CONNECT_TIMEOUT": TIMEOUT,
        "SOCKET_TIMEOUT": TIMEOUT,
        "CONNECTION_POOL_KWARGS": pool,
    }
    location = address.url
    if address.master:
        location = f"redis://{address.master}{address.path}"
        if address.tls:
            pool["connection_class"] = SentinelManagedSSLConnection
        options |= {
            "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
            "SENTINELS": list(address.hosts),
            "SENTINEL_KWARGS": _to_sentinels(address),
            "USERNAME": address.user,
            "PASSWORD": Masked(address.password),
        }
    if address.scheme in CLUSTER:
        location = replace(address, scheme="rediss" if address.tls else "redis").url
        options |= {"CONNECTION_FACTORY": names.CLUSTER, "NODES": list(address.hosts)}
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": Masked(location), "OPTIONS": options}


def broker(url: str) -> dict[str, Any]:
    """Celery's settings for ``CELERY_BROKER_URL``.

    Raises ``ImproperlyConfigured``, without repeating the URL.
    """
    kind = scheme(url, "CELERY_BROKER_URL")
    if kind in RABBITMQ:
        return _rabbitmq(url, kind)
    if kind in CLUSTER:
        raise ImproperlyConfigured(
            f"CELERY_BROKER_URL (without one, REDIS_URL) names a Redis Cluster. {NO_QUEUES}"
        )
    tls: dict[str, Any] = {}
    # Without this, kombu would retry after 2 s. The caller knows better what to do.
    options: dict[str, Any] = {"max_retries": 0}
    if kind.startswith("redis") or kind in (*REDIS, *SENTINEL):
        options |= {
            **dict.fromkeys(_TIMEOUTS, TIMEOUT),
            "health_check_interval": 10,
            # kombu's list of unacknowledged messages costs two round trips each. Our leases are better: what
            # a dead worker had claimed comes back when its lease runs out.
            "ack_emulation": False,
            "priority_steps": [0],  # one list per queue, not four
        }
    if kind in (*REDIS, *SENTINEL):
        first, *more = several(url)
        address = read(first, "CELERY_BROKER_URL")
        if more:
            raise ImproperlyConfigured(
                "CELERY_BROKER_URL (without one, REDIS_URL) names several servers, but the queues must be on "
                "one. Name a RabbitMQ (amqp://…), one Redis server, or its sentinels, in CELERY_BROKER_URL."
            )
        url, tls = _for_kombu(address), address.tls
        if address.master:
            options |= {"master_name": address.master, "sentinel_kwargs": _to_sentinels(address)}
    else:
        try:
            get_transport_cls(kind.partition("+")[0])
        except (KeyError, ImportError):  # kombu does not know this transport, or lacks a package for it
            known = "redis://, rediss://, unix://, redis+sentinel://, amqp:// or amqps://"
            raise ImproperlyConfigured(f"CELERY_BROKER_URL must begin with {known}.") from None
    return {
        **_addresses(url),
        "CELERY_BROKER_CONNECTION_TIMEOUT": TIMEOUT,
        "CELERY_BROKER_TRANSPORT_OPTIONS": options,
        "CELERY_BROKER_USE_SSL": tls or False,
    }


def _for_kombu(address: Address) -> str:
    """The address as a URL for kombu, which knows none of redis-py's options."""
    plain = replace(address, options={})
    if address.master:
        # Each URL has the master's user and database, because kombu reads them from the current one.
        return ";".join(replace(plain, scheme="sentinel", hosts=(host,)).url for host in address.hosts)
    if address.scheme == "unix":
        database = {"virtual_host": address.options["db"]} if "db" in address.options else {}
        return replace(plain, scheme="redis+socket", options=database).url
    return plain.url


def _addresses(url: str) -> dict[str, str]:
    # Celery prefers the variable CELERY_BROKER_URL to the setting of that name, but cannot read
    # redis+sentinel:// in it. The other two settings win over the variable.
    return {f"CELERY_BROKER_{name}": Masked(url) for name in ("URL", "READ_URL", "WRITE_URL")}


def _to_sentinels(address: Address) -> dict[str, Any]:
    """How redis-py is to ask the sentinels: one after another, all within TIMEOUT."""
    return {
        **dict.fromkeys(_TIMEOUTS, TIMEOUT / len(address.hosts)),
        "retry": Retry(NoBackoff(), 0),
        **{name.removeprefix("sentinel_"): Masked(value) for name, value in address.options.items()},
        **({"ssl": True, **address.tls} if address.tls else {}),
    }


def _rabbitmq(url: str, kind: str) -> dict[str, Any]:
    found = re.split(r";(?![^/]*@)", url)  # not inside a password, which an "@" follows
    # Further nodes may leave out the scheme.
    nodes = [read(node if "://" in node else f"{kind}://{node}", "CELERY_BROKER_URL") for node in found]
    tls = nodes[0].tls
    if any(node.tls != tls for node in nodes):
        raise ImproperlyConfigured(
            "CELERY_BROKER_URL: either each node has TLS (amqps://), and the same ssl_…=, or none."
        )
    return {
        **_addresses(";".join(node.url for node in nodes)),
        "CELERY_BROKER_USE_SSL": for_amqp(tls) if tls else False,
        # Each node is tried once, all within 1.5 s, because the caller has already used up a second.
        "CELERY_BROKER_CONNECTION_TIMEOUT": min(TIMEOUT, 1.5 * TIMEOUT / len(nodes)),
        "CELERY_BROKER_TRANSPORT_OPTIONS": {
            "max_retries": len(nodes) - 1,
            "connect_retries_timeout": None,  # each node has its time; one that hangs must not use up all
            "confirm_publish": True,
        },
        # A worker that hears nothing for twice this time switches to another node.
        "CELERY_BROKER_HEARTBEAT": 10,
        # Quorum queues: on several nodes, and written to most disks before an entry is confirmed.
        "CELERY_TASK_DEFAULT_QUEUE_TYPE": "quorum",
        "CELERY_TASK_CREATE_MISSING_QUEUE_TYPE": "quorum",
        "CELERY_WORKER_DETECT_QUORUM_QUEUES": True,  # they do not support global QoS
    }
