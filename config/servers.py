"""Settings out of the addresses of Redis and the broker: one server, Sentinel, or RabbitMQ."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from kombu.transport import get_transport_cls
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelManagedSSLConnection

from config import tls
from config.addresses import RABBITMQ, REDIS, SENTINEL, Address, read, scheme
from sms.masked import Masked

#: Seconds. A request must end within 3 s even if a server hangs.
TIMEOUT = 1.0

_SENTINEL_PORT = 26379


def cache(url: str, *, connections: int, name: str = "REDIS_URL") -> dict[str, Any]:
    """The entry of CACHES for ``url``. Raises ImproperlyConfigured, without repeating the URL."""
    if scheme(url, name) not in (*REDIS, *SENTINEL):
        raise ImproperlyConfigured(
            f"{name} must begin with redis://, rediss://, unix:// or redis+sentinel://."
        )
    address = read(url, name)
    secure = tls.of_redis(address)
    pool: dict[str, Any] = {"retry": _once(), "max_connections": connections, **secure}
    options: dict[str, Any] = {
        # A script whose answer got lost may have run, so nothing is retried below the caller.
        "SOCKET_CONNECT_TIMEOUT": TIMEOUT,
        "SOCKET_TIMEOUT": TIMEOUT,
        "CONNECTION_POOL_KWARGS": pool,
    }
    location = address.url
    if address.scheme in SENTINEL:
        master, address = _sentinels(address)
        location = f"redis://{master}{address.path}"
        if secure:
            pool["connection_class"] = SentinelManagedSSLConnection
        options |= {
            "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
            "SENTINELS": list(address.hosts),
            "SENTINEL_KWARGS": _to_sentinels(address),
            "USERNAME": address.user,
            "PASSWORD": Masked(address.password),
        }
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": Masked(location), "OPTIONS": options}


def broker(url: str, *, name: str = "CELERY_BROKER_URL") -> dict[str, Any]:
    """Celery's settings, by name, for a broker at ``url``. Raises ImproperlyConfigured."""
    kind = scheme(url, name)
    if kind in RABBITMQ:
        return _rabbitmq(url, name)
    # kombu would try anew after 2 s; the caller knows better what to do.
    options: dict[str, Any] = {"max_retries": 0}
    if kind.startswith("redis") or kind in (*REDIS, *SENTINEL):
        options |= {
            "socket_connect_timeout": TIMEOUT,
            "socket_timeout": TIMEOUT,
            "health_check_interval": 10,
            # kombu's own book of what is unacknowledged costs two round trips per message, and knows
            # less than our leases: what a dead worker had taken comes back when its lease runs out.
            "ack_emulation": False,
            # One list per queue, not four: we have no priorities.
            "priority_steps": [0],
        }
    secure = {}
    if kind in (*REDIS, *SENTINEL):
        address = read(url, name)
        secure = tls.of_redis(address)
        if kind in SENTINEL:
            master, address = _sentinels(address)
            options |= {"master_name": master, "sentinel_kwargs": _to_sentinels(address)}
            # Each with the master's user and database: kombu reads them from the one that it is at.
            one = replace(address, scheme="sentinel", options={})
            url = ";".join(replace(one, hosts=(host,)).url for host in address.hosts)
        elif kind == "unix":  # kombu has other words for it, and for the database
            database = {"virtual_host": address.options["db"]} if "db" in address.options else {}
            url = replace(address, scheme="redis+socket", options=database).url
        else:  # it knows none of redis-py's options
            url = replace(address, options={}).url
    else:
        _require_transport(kind, name)
    return {
        **_addresses(url),
        "CELERY_BROKER_CONNECTION_TIMEOUT": TIMEOUT,
        "CELERY_BROKER_TRANSPORT_OPTIONS": options,
        "CELERY_BROKER_USE_SSL": secure or False,
    }


def _require_transport(kind: str, name: str) -> None:
    """Refuse what kombu does not know, or lacks a package for; it would say so in a traceback."""
    try:
        get_transport_cls(kind.partition("+")[0])
    except (KeyError, ImportError):
        raise ImproperlyConfigured(
            f"{name} must begin with redis://, rediss://, unix://, redis+sentinel://, amqp:// or amqps://."
        ) from None


def _addresses(url: str) -> dict[str, str]:
    # Celery itself prefers what it finds in the environment's CELERY_BROKER_URL, where it cannot read
    # redis+sentinel://; these two it asks first.
    return {f"CELERY_BROKER_{name}": Masked(url) for name in ("URL", "READ_URL", "WRITE_URL")}


def _sentinels(address: Address) -> tuple[str, Address]:
    """The name that they know the master by; ``address`` with all ports, and the database for its path."""
    found = re.fullmatch(r"/([\w.-]+)(?:/(\d*))?", address.path)
    known = address.options.keys() <= {"sentinel_username", "sentinel_password"}
    if not found or not known or not all(host for host, _ in address.hosts):
        raise address.malformed()
    hosts = tuple((host, port or _SENTINEL_PORT) for host, port in address.hosts)
    return found[1], replace(address, hosts=hosts, path=f"/{int(found[2] or 0)}")


def _to_sentinels(address: Address) -> dict[str, Any]:
    """How redis-py is to ask the sentinels: one after another, all within TIMEOUT."""
    secure = tls.of_redis(address)
    return {
        "socket_connect_timeout": TIMEOUT / len(address.hosts),
        "socket_timeout": TIMEOUT / len(address.hosts),
        "retry": _once(),
        **{name.removeprefix("sentinel_"): Masked(value) for name, value in address.options.items()},
        **({"ssl": True, **secure} if secure else {}),
    }


def _rabbitmq(url: str, name: str) -> dict[str, Any]:
    # Not where a ";" belongs to a password, which an "@" follows.
    kind = url.partition("://")[0]
    nodes = [
        read(node if "://" in node else f"{kind}://{node}", name)  # a further one may leave it out
        for node in re.split(r";(?![^/]*@)", url)
    ]
    secure, *others = map(tls.of_redis, nodes)
    if any(other != secure for other in others):
        raise ImproperlyConfigured(
            f"{name}: either each node has TLS (amqps://), and the same ssl_…=, or none."
        )
    return {
        **_addresses(";".join(node.url for node in nodes)),
        "CELERY_BROKER_USE_SSL": tls.of_rabbitmq(secure) if secure else False,
        # Each node is tried once, all within 1.5 s: what asks first has used up a second by then.
        "CELERY_BROKER_CONNECTION_TIMEOUT": min(TIMEOUT, 1.5 * TIMEOUT / len(nodes)),
        "CELERY_BROKER_TRANSPORT_OPTIONS": {"max_retries": len(nodes) - 1, "confirm_publish": True},
        # A worker that hears nothing for twice as many seconds goes to another node.
        "CELERY_BROKER_HEARTBEAT": 10,
        # Queues that live on several nodes, written to the disks of most before they are confirmed.
        "CELERY_TASK_DEFAULT_QUEUE_TYPE": "quorum",
        "CELERY_TASK_CREATE_MISSING_QUEUE_TYPE": "quorum",
        "CELERY_WORKER_DETECT_QUORUM_QUEUES": True,  # they know no prefetch limit for a whole channel
    }


def _once() -> Retry:
    return Retry(NoBackoff(), 0)
