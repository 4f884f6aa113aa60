"""Settings out of the addresses of Redis and the broker: one server, Sentinel, or RabbitMQ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from django.core.exceptions import ImproperlyConfigured
from kombu.transport import get_transport_cls
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelManagedSSLConnection

from config import redis_url, tls
from sms.masked import Masked

#: Seconds. A request must end within 3 s even if a server hangs.
TIMEOUT = 1.0

_REDIS = ("redis", "rediss", "unix")
_SENTINEL = ("redis+sentinel", "rediss+sentinel", "sentinel")
_RABBITMQ = ("amqp", "amqps", "pyamqp")
_SENTINEL_PORT = 26379

_REASON = (
    "cannot work: a script changes several keys in one step, which a cluster keeps in different slots, and "
    "Celery's transport knows no cluster. Use one server, Sentinel "
    "(redis+sentinel://host1,host2,host3/mymaster/0), or RabbitMQ for the queues "
    "(CELERY_BROKER_URL=amqp://…)."
)
_CLUSTER = f"names a Redis Cluster, which {_REASON}"
_SEVERAL = f"names several hosts. As the nodes of a Redis Cluster they {_REASON}"
_LIKE = (
    "must look like redis+sentinel://user:password@host1:26379,host2:26379,host3:26379/mymaster/0 "
    "(rediss+sentinel:// with TLS; ?sentinel_username= and sentinel_password= for the sentinels' own; "
    "characters such as / # ? @ in a password are written %2F %23 %3F %40)."
)


@dataclass(frozen=True)
class _Sentinels:
    """What stands in a redis+sentinel:// URL."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    database: int
    username: str
    password: str
    options: dict[str, str]

    @property
    def client(self) -> dict[str, Any]:
        """How redis-py is to ask the sentinels: one after another, all within TIMEOUT."""
        return {
            "socket_connect_timeout": TIMEOUT / len(self.hosts),
            "socket_timeout": TIMEOUT / len(self.hosts),
            "retry": _once(),
            **self.options,
        }


def cache(url: str, *, connections: int, name: str = "REDIS_URL") -> dict[str, Any]:
    """The entry of CACHES for ``url``. Raises ImproperlyConfigured, without repeating the URL."""
    scheme, url = _scheme(url, name)
    url, secure = tls.read(url, name)
    pool: dict[str, Any] = {"retry": _once(), "max_connections": connections}
    pool |= secure.of_redis if secure else {}
    options: dict[str, Any] = {
        # A script whose answer got lost may have run, so nothing is retried below the caller.
        "SOCKET_CONNECT_TIMEOUT": TIMEOUT,
        "SOCKET_TIMEOUT": TIMEOUT,
        "CONNECTION_POOL_KWARGS": pool,
    }
    if scheme in _SENTINEL:
        found = _sentinels(url, name)
        if secure:
            pool["connection_class"] = SentinelManagedSSLConnection
        options |= {
            "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
            "SENTINELS": list(found.hosts),
            "SENTINEL_KWARGS": found.client | _to_sentinels(secure),
            "USERNAME": found.username,
            "PASSWORD": Masked(found.password),
        }
        url = f"redis://{found.master}/{found.database}"
    elif scheme in _REDIS:
        url = redis_url.read(url, name)
    else:
        raise ImproperlyConfigured(
            f"{name} must begin with redis://, rediss://, unix:// or redis+sentinel://."
        )
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": Masked(url), "OPTIONS": options}


def broker(url: str, *, name: str = "CELERY_BROKER_URL") -> dict[str, Any]:
    """Celery's settings, by name, for a broker at ``url``. Raises ImproperlyConfigured."""
    scheme, url = _scheme(url, name)
    if scheme in _RABBITMQ:
        return _rabbitmq(url, name)
    if scheme not in (*_REDIS, *_SENTINEL):
        _require_transport(scheme, name)
    url, secure = tls.read(url, name)
    # kombu would try anew after 2 s; the caller knows better what to do.
    options: dict[str, Any] = {"max_retries": 0}
    if scheme in _REDIS:
        url = _as_kombu_reads_it(redis_url.read(url, name))
    if scheme.startswith("redis") or scheme in (*_REDIS, *_SENTINEL):
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
    if scheme in _SENTINEL:
        found = _sentinels(url, name)
        options |= {
            "master_name": found.master,
            "sentinel_kwargs": found.client | _to_sentinels(secure),
        }
        # Each with the master's user and database: kombu reads them from the one that it is at.
        secret = f"{quote(found.username, safe='')}:{quote(found.password, safe='')}@"
        url = ";".join(
            f"sentinel://{secret if found.password else ''}{_in_url(host)}:{port}/{found.database}"
            for host, port in found.hosts
        )
    return {
        **_address(url),
        "CELERY_BROKER_CONNECTION_TIMEOUT": TIMEOUT,
        "CELERY_BROKER_TRANSPORT_OPTIONS": options,
        "CELERY_BROKER_USE_SSL": secure.of_redis if secure else False,
    }


def _require_transport(scheme: str, name: str) -> None:
    """Refuse what kombu does not know, or lacks a package for; it would say so in a traceback."""
    try:
        get_transport_cls(scheme.partition("+")[0])
    except (KeyError, ImportError):
        raise ImproperlyConfigured(
            f"{name} must begin with redis://, rediss://, unix://, redis+sentinel://, amqp:// or amqps://."
        ) from None


def _to_sentinels(secure: tls.Tls | None) -> dict[str, Any]:
    return {"ssl": True, **secure.of_redis} if secure else {}


def _address(url: str) -> dict[str, str]:
    # Celery itself prefers what it finds in the environment's CELERY_BROKER_URL, where it cannot read
    # redis+sentinel://; these two it asks first.
    return {f"CELERY_BROKER_{name}": Masked(url) for name in ("URL", "READ_URL", "WRITE_URL")}


def _as_kombu_reads_it(url: str) -> str:
    """It knows another scheme for a socket, and none of redis-py's options."""
    address, _, query = url.partition("?")
    if not address.startswith("unix://"):
        return address
    options = dict(parse_qsl(query, keep_blank_values=True))
    database = urlencode({"virtual_host": options["db"]}) if "db" in options else ""
    return address.replace("unix", "redis+socket", 1) + (f"?{database}" if database else "")


def _rabbitmq(url: str, name: str) -> dict[str, Any]:
    # Not where a ";" belongs to a password, which an "@" follows.
    scheme = url.partition("://")[0]
    nodes = [
        node if "://" in node else f"{scheme}://{node}"  # a further one may leave it out
        for node in re.split(r";(?![^/]*@)", url)
    ]
    read = [tls.read(_rabbitmq_node(node, name), name) for node in nodes]
    secure = read[0][1]
    if any(other != secure for _, other in read):
        raise ImproperlyConfigured(
            f"{name}: either each node has TLS (amqps://), and the same ssl_…=, or none."
        )
    return {
        **_address(";".join(node for node, _ in read)),
        "CELERY_BROKER_USE_SSL": secure.of_amqp if secure else False,
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


def _rabbitmq_node(url: str, name: str) -> str:
    scheme, _, rest = url.partition("://")
    secret, host, tail = redis_url.split(rest)
    if "@" in tail or not redis_url.HOST.fullmatch(host):
        raise ImproperlyConfigured(
            f"{name} must look like amqp://user:password@host:5672/vhost (characters such as / # ? @ in a "
            "password are written %2F %23 %3F %40)."
        )
    return f"{scheme.lower()}://{secret}{host}{tail}"


def _scheme(url: str, name: str) -> tuple[str, str]:
    """The scheme, and ``url`` with it in lower case: kombu reads it in any, and verifies nothing then."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator:
        raise ImproperlyConfigured(f"{name} is no URL: it must look like redis://:password@host:6379/0.")
    if "cluster" in scheme:
        raise ImproperlyConfigured(f"{name} {_CLUSTER}")
    if "sentinel" in scheme and scheme not in _SENTINEL:
        raise ImproperlyConfigured(f"{name} {_LIKE}")
    hosts = rest.partition("/")[0].rpartition("@")[2]
    if scheme in _RABBITMQ:
        if "," in hosts:
            raise ImproperlyConfigured(f"{name} names several hosts; that is written amqp://…;amqp://…")
    elif scheme in _REDIS:
        if re.search("[?&]cluster", rest, re.IGNORECASE):
            raise ImproperlyConfigured(f"{name} {_CLUSTER}")
        if re.search("[,;]", hosts) or re.search(r";[\w+]*://", rest):
            raise ImproperlyConfigured(f"{name} {_SEVERAL}")
    return scheme, f"{scheme}://{rest}"


def _sentinels(url: str, name: str) -> _Sentinels:
    # By hand: to urlsplit an address in brackets has to be the only one.
    authority, _, rest = url.partition("://")[2].partition("/")
    path, _, query = rest.partition("?")
    userinfo, _, hosts = authority.rpartition("@")
    username, _, password = userinfo.partition(":")
    master, _, database = path.partition("/")
    try:
        if not re.fullmatch(r"\d*", database):
            raise ValueError
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        found = _Sentinels(
            hosts=tuple(_host(host) for host in hosts.split(",")),
            master=master,
            database=int(database or 0),
            username=unquote(username),
            password=unquote(password),
            options={key.removeprefix("sentinel_"): Masked(value) for key, value in options.items()},
        )
    except ValueError:
        raise ImproperlyConfigured(f"{name} {_LIKE}") from None
    known = options.keys() <= {"sentinel_username", "sentinel_password"}
    if not known or not re.fullmatch(r"[\w.-]+", master) or "#" in url:
        raise ImproperlyConfigured(f"{name} {_LIKE}")
    return found


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or not re.fullmatch(r"[\w.-]+|[0-9a-f:.]+", parts.hostname):
        raise ValueError
    return parts.hostname, parts.port or _SENTINEL_PORT


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _once() -> Retry:
    return Retry(NoBackoff(), 0)
