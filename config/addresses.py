"""Parse the URLs of Redis (a server, Sentinel, a cluster) and RabbitMQ, and normalise them for every library.

redis-py, kombu and Celery each split URLs in their own way, and their errors may quote a password. A URL that
cannot work raises ``ImproperlyConfigured``, which names the setting and repeats nothing of the URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import redis
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

from config import tls

REDIS = ("redis", "rediss", "unix")
SENTINEL = ("redis+sentinel", "rediss+sentinel", "sentinel")
CLUSTER = ("redis+cluster", "rediss+cluster")
RABBITMQ = ("amqp", "amqps", "pyamqp")
_WITH_TLS = {
    **{"redis": "rediss", "unix": "rediss", "redis+sentinel": "rediss+sentinel"},
    **{"sentinel": "rediss+sentinel", "amqp": "amqps", "pyamqp": "amqps"},
    "redis+cluster": "rediss+cluster",
}

ESCAPES = "in a password, write / # ? @ as %2F %23 %3F %40"
_LIKE_CLUSTER = (
    "redis+cluster://user:password@host1:6379,host2:6379,host3:6379 (rediss+cluster:// with TLS; its only "
    f"database is 0; {ESCAPES})."
)
_LIKE_SEVERAL = "Write several servers as redis://:password@host1:6379/0;redis://:password@host2:6379/0."
_LIKE_SENTINEL = (
    "redis+sentinel://user:password@host1:26379,host2:26379,host3:26379/mymaster/0 (rediss+sentinel:// with "
    f"TLS; ?sentinel_username= and sentinel_password= for the sentinels' own login; {ESCAPES})."
)
#: Celery's transport does not support clusters.
NO_QUEUES = (
    "Celery cannot keep queues in a Redis Cluster. Name a RabbitMQ (amqp://…), one Redis server, or its "
    "sentinels, in CELERY_BROKER_URL."
)
_LIKE = {
    **dict.fromkeys(REDIS, f"redis://:password@host:6379/0 or unix:///run/redis.sock?db=0 ({ESCAPES})."),
    **dict.fromkeys(SENTINEL, _LIKE_SENTINEL),
    **dict.fromkeys(CLUSTER, _LIKE_CLUSTER),
    **dict.fromkeys(RABBITMQ, f"amqp://user:password@host:5672/vhost ({ESCAPES})."),
}

_URL = re.compile(r"[^:]*://(?:([^:/?#]*)(?::([^/?#]*))?@)?([^@/?#]*)([^?#]*)(?:\?([^#]*))?")
_HOST = re.compile(r"([\w.-]*|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?")
_MASTER = re.compile(r"/([\w.-]+)(?:/(\d*))?")

#: Between two URLs. A password may hold a ";", but no "/" and so no scheme.
_NEXT = re.compile(r"\s*;\s*(?=[\w+]+://)")


@dataclass
class Address:
    """The parts of a URL, unescaped. ``tls``: arguments for redis-py, {} without TLS."""

    scheme: str
    user: str
    password: str = field(repr=False)
    hosts: tuple[tuple[str, int | None], ...]
    path: str
    options: dict[str, str] = field(repr=False)  # except those of TLS
    tls: dict[str, Any]
    master: str = ""  # the name of the master, for Sentinel

    @property
    def url(self) -> str:
        """The URL, with the first host and without ``tls``."""
        host, port = self.hosts[0]
        password = f":{quote(self.password, safe='')}" if self.password else ""
        secret = f"{quote(self.user, safe='')}{password}@" if self.user or password else ""
        where = _bracketed(host) + (f":{port}" if port is not None else "")
        query = f"?{urlencode(self.options)}" if self.options else ""
        return f"{self.scheme}://{secret}{where}{self.path}{query}"

    @property
    def name(self) -> str:
        """The server and database, without user and password. Every spelling of a place has the same name."""
        if self.scheme == "unix":
            return f"{self.path}/{self.options.get('db', '0')}"
        host, port = self.hosts[0]
        where = f"{_bracketed(host or 'localhost').lower()}:{port or 6379}"
        return f"{self.master or where}/{int(self.path.strip('/') or 0)}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def scheme(url: str, name: str) -> str:
    """The scheme in lower case. kombu accepts upper case too, but then verifies no certificate."""
    found, separator, _ = url.partition("://")
    found = found.lower()
    if not separator:
        raise ImproperlyConfigured(f"{name} is not a URL. It must look like redis://:password@host:6379/0.")
    if "cluster" in found and found not in CLUSTER:
        raise ImproperlyConfigured(f"{name} must look like {_LIKE_CLUSTER}")
    if "sentinel" in found and found not in SENTINEL:
        raise ImproperlyConfigured(f"{name} must look like {_LIKE_SENTINEL}")
    return found


def several(url: str) -> list[str]:
    """The URLs that a ";" separates."""
    return _NEXT.split(url)


def read(url: str, name: str) -> Address:
    """Parse the URL of a Redis server, of sentinels, of a cluster's nodes, or of one node of RabbitMQ.

    ``name``: the setting, for errors.
    """
    kind = scheme(url, name)
    try:
        found = _parts(url, name, kind)
        if kind in REDIS:
            _place_as_redis_py_does(found, name)
        elif kind in SENTINEL:
            _place_master(found)
        elif kind in CLUSTER:
            _place_nodes(found)
    except (ValueError, TypeError, RedisError):
        raise ImproperlyConfigured(f"{name} must look like {_LIKE[kind]}") from None
    found.tls = _tls(kind, found.tls, name)
    return found


def _parts(url: str, name: str, kind: str) -> Address:
    user, password, hosts, path, query = _matched(_URL, url).groups("")
    if kind in RABBITMQ and "," in hosts:
        raise ImproperlyConfigured(f"{name} names several hosts. Write them as amqp://…;amqp://…")
    if kind in REDIS and re.search("[?&]cluster", f"{path}?{query}", re.IGNORECASE):
        raise _unlike_a_cluster(name, "names a Redis Cluster")
    if kind in REDIS and (re.search("[,;]", hosts) or re.search(r";[\w+]*://", f"{path}?{query}")):
        raise _unlike_a_cluster(name, "names several hosts")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ImproperlyConfigured(f"{name} gives an option twice. Give each once.")
    nodes = [_matched(_HOST, host).groups() for host in hosts.split(",")]
    # An "@" this late means that a "/" or the like in the password has ended the host early.
    late = "@" in path or ("@" in query and kind not in SENTINEL)
    if late or any(int(port or 0) > 65535 for _, port in nodes):
        raise ValueError
    return Address(
        scheme=kind,
        user=unquote(user),
        password=unquote(password),
        hosts=tuple((host.strip("[]"), int(port) if port else None) for host, port in nodes),
        path=path,
        tls={option: options.pop(option) for option in list(options) if option.partition("_")[0] == "ssl"},
        options=options,
    )


def _unlike_a_cluster(name: str, said: str) -> ImproperlyConfigured:
    written = f"{_LIKE_SEVERAL} Write the nodes of a Redis Cluster as {_LIKE_CLUSTER}"
    return ImproperlyConfigured(f"{name} {said}. {NO_QUEUES if name == 'CELERY_BROKER_URL' else written}")


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    if match := pattern.fullmatch(text):
        return match
    raise ValueError


def _place_as_redis_py_does(found: Address, name: str) -> None:
    """Set user, password and database as redis-py reads them, which is where every library expects them."""
    user, password = (found.options.pop(option, "") for option in ("username", "password"))
    found.user, found.password = found.user or user, found.password or password
    if found.scheme == "unix":
        if found.hosts != (("", None),) or len(found.path) < 2:
            raise ValueError
    else:
        number = found.options.pop("db", found.path.strip("/"))
        if not re.fullmatch(r"\d*", number):
            like = "redis://:password@host:6379/0"
            raise ImproperlyConfigured(f"{name}: the database must be a number, as in {like}.")
        found.path = f"/{number}" if number else ""
    redis.ConnectionPool.from_url(found.url).make_connection()  # checks the options; does not connect yet


def _place_master(found: Address) -> None:
    """Set the name of the master, all ports, and the database as the path."""
    found.master, database = _matched(_MASTER, found.path).groups("0")
    known = found.options.keys() <= {"sentinel_username", "sentinel_password"}
    if not known or not all(host for host, _ in found.hosts):
        raise ValueError
    found.hosts = tuple((host, port or 26379) for host, port in found.hosts)
    found.path = f"/{int(database or 0)}"


def _place_nodes(found: Address) -> None:
    """Set all ports. A cluster has only one database."""
    if found.path not in ("", "/", "/0") or found.options or not all(host for host, _ in found.hosts):
        raise ValueError
    found.hosts = tuple((host, port or 6379) for host, port in found.hosts)
    found.path = ""


def _tls(kind: str, said: dict[str, str], name: str) -> dict[str, Any]:
    """The options of TLS as arguments for redis-py; {} for a scheme without TLS."""
    if begin := _WITH_TLS.get(kind):
        if said:
            raise ImproperlyConfigured(f"{name} has {min(said)}=, but no TLS. Begin it with {begin}://.")
        return {}
    return tls.read(said, name)
