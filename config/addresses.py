"""The URLs of Redis, Sentinel and RabbitMQ, read once, and written so that every library reads them alike.

redis-py, kombu and Celery split URLs each in its own way, and their errors may quote a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, unquote, urlencode

import redis
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

REDIS = ("redis", "rediss", "unix")
SENTINEL = ("redis+sentinel", "rediss+sentinel", "sentinel")
RABBITMQ = ("amqp", "amqps", "pyamqp")

ESCAPES = "(characters such as / # ? @ in a password are written %2F %23 %3F %40)"
_CLUSTER = (
    "cannot work: a script changes several keys in one step, which a cluster keeps in different slots, and "
    "Celery's transport knows no cluster. Use one server, Sentinel "
    "(redis+sentinel://host1,host2,host3/mymaster/0), or RabbitMQ for the queues "
    "(CELERY_BROKER_URL=amqp://…)."
)
_LIKE_SENTINEL = (
    "redis+sentinel://user:password@host1:26379,host2:26379,host3:26379/mymaster/0 "
    "(rediss+sentinel:// with TLS; ?sentinel_username= and sentinel_password= for the sentinels' own; "
    "characters such as / # ? @ in a password are written %2F %23 %3F %40)."
)
_LIKE = {
    **dict.fromkeys(REDIS, f"redis://:password@host:6379/0 or unix:///run/redis.sock?db=0 {ESCAPES}."),
    **dict.fromkeys(SENTINEL, _LIKE_SENTINEL),
    **dict.fromkeys(RABBITMQ, f"amqp://user:password@host:5672/vhost {ESCAPES}."),
}

_HOST = re.compile(r"([\w.-]*|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?")


@dataclass(frozen=True)
class Address:
    """The parts of a URL, not escaped. ``tls``: its options that begin with ssl; ``options``: the others."""

    name: str  # of the setting
    scheme: str
    user: str
    password: str = field(repr=False)
    hosts: tuple[tuple[str, int | None], ...]
    path: str
    options: dict[str, str] = field(repr=False)
    tls: dict[str, str]

    @property
    def url(self) -> str:
        """The URL, with the first host and without ``tls``."""
        host, port = self.hosts[0]
        password = f":{quote(self.password, safe='')}" if self.password else ""
        secret = f"{quote(self.user, safe='')}{password}@" if self.user or password else ""
        where = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
        query = f"?{urlencode(self.options)}" if self.options else ""
        return f"{self.scheme}://{secret}{where}{self.path}{query}"

    def malformed(self) -> ImproperlyConfigured:
        """What to raise of a URL that cannot be read: how it must look."""
        return ImproperlyConfigured(f"{self.name} must look like {_LIKE[self.scheme]}")


def scheme(url: str, name: str) -> str:
    """The scheme, in lower case: kombu reads it in any, and verifies no certificate then."""
    found, separator, _ = url.partition("://")
    found = found.lower()
    if not separator:
        raise ImproperlyConfigured(f"{name} is no URL: it must look like redis://:password@host:6379/0.")
    if "cluster" in found:
        raise ImproperlyConfigured(f"{name} names a Redis Cluster, which {_CLUSTER}")
    if "sentinel" in found and found not in SENTINEL:
        raise ImproperlyConfigured(f"{name} must look like {_LIKE_SENTINEL}")
    return found


def read(url: str, name: str) -> Address:
    """The address of a Redis server, of sentinels, or of one node of a RabbitMQ.

    Raises ``ImproperlyConfigured``, which names the setting ``name`` and repeats nothing of the URL.
    """
    kind = scheme(url, name)
    rest = url.partition("://")[2]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    userinfo, _, hosts = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    path, _, query = tail.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    _refuse_several(kind, name, hosts, tail)
    if len(options) < len(pairs):
        raise ImproperlyConfigured(f"{name} gives an option twice. Give each once.")
    nodes = [_HOST.fullmatch(host) for host in hosts.split(",")]
    found = Address(
        name=name,
        scheme=kind,
        user=unquote(user),
        password=unquote(password),
        hosts=tuple((node[1].strip("[]"), int(node[2]) if node[2] else None) for node in nodes if node),
        path=path,
        tls={option: options.pop(option) for option in list(options) if option.partition("_")[0] == "ssl"},
        options=options,
    )
    # An "@" so late: a "/" or the like in the password has ended the host early.
    late = "@" in (path if kind in SENTINEL else tail)
    if late or "#" in tail or not all(nodes) or any((port or 0) > 65535 for _, port in found.hosts):
        raise found.malformed()
    return _redis(found) if kind in REDIS else found


def _refuse_several(kind: str, name: str, hosts: str, tail: str) -> None:
    if kind in RABBITMQ and "," in hosts:
        raise ImproperlyConfigured(f"{name} names several hosts; that is written amqp://…;amqp://…")
    if kind in REDIS and re.search("[?&]cluster", tail, re.IGNORECASE):
        raise ImproperlyConfigured(f"{name} names a Redis Cluster, which {_CLUSTER}")
    if kind in REDIS and (re.search("[,;]", hosts) or re.search(r";[\w+]*://", tail)):
        several = "names several hosts. As the nodes of a Redis Cluster they"
        raise ImproperlyConfigured(f"{name} {several} {_CLUSTER}")


def _redis(found: Address) -> Address:
    """With user, password and database where every library looks for them."""
    options = dict(found.options)
    user, password = options.pop("username", ""), options.pop("password", "")
    if not found.user and not found.password:
        found = replace(found, user=user, password=password)
    path = found.path
    if found.scheme == "unix":
        if found.hosts != (("", None),) or len(path) < 2:
            raise found.malformed()
    else:
        number = options.pop("db", path.strip("/"))
        if not re.fullmatch(r"\d*", number):
            raise ImproperlyConfigured(
                f"{found.name}: the database must be a number, as in redis://:password@host:6379/0."
            )
        path = f"/{number}" if number else ""
    found = replace(found, path=path, options=options)
    try:
        redis.ConnectionPool.from_url(found.url).make_connection()  # it opens when it is used
    except (ValueError, TypeError, RedisError):
        raise found.malformed() from None
    return found
