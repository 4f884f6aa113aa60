"""The URL of one Redis server: written so that every library reads it alike, and tried by the demo.

redis-py, kombu and Celery split URLs each in its own way, and their errors may quote a password.
"""

import re
import threading
from contextlib import suppress
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import redis
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

_LIKE = (
    "must look like redis://:password@host:6379/0 or unix:///run/redis.sock?db=0 "
    "(characters such as / # ? @ in a password are written %2F %23 %3F %40)."
)
#: A host as it stands in a URL, and its port.
HOST = re.compile(r"(?:[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")


def read(url: str, name: str) -> str:
    """``url`` with user and password percent-encoded before the host and the database behind it.

    Raises ``ImproperlyConfigured``, which names the setting ``name`` and repeats nothing of the URL.
    """
    like = ImproperlyConfigured(f"{name} {_LIKE}")
    scheme, _, rest = url.partition("://")
    secret, host, tail = split(rest)
    path, _, query = tail.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    user, password = options.pop("username", ""), options.pop("password", "")
    if not secret and (user or password):
        secret = f"{quote(user, safe='')}:{quote(password, safe='')}@"
    # An "@" so late: a "/" or the like in the password has ended the host early.
    if scheme not in ("redis", "rediss", "unix") or "@" in tail or "#" in tail or not HOST.fullmatch(host):
        raise like
    if scheme == "unix":
        if host or len(path) < 2:
            raise like
    else:
        number = options.pop("db", path.strip("/"))
        if not re.fullmatch(r"\d*", number):
            raise ImproperlyConfigured(
                f"{name}: the database must be a number, as in redis://:password@host:6379/0."
            )
        path = f"/{number}" if number else ""
    found = f"{scheme}://{secret}{host}{path}" + (f"?{urlencode(options)}" if options else "")
    try:
        redis.ConnectionPool.from_url(found).make_connection()  # it opens when it is used
    except (ValueError, TypeError, RedisError):
        raise like from None
    return found


def split(rest: str) -> tuple[str, str, str]:
    """What follows ``://``: user and password up to their @, percent-encoded; the host; the rest."""
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    userinfo, at, host = authority.rpartition("@")
    user, colon, password = userinfo.partition(":")
    encoded = f"{quote(unquote(user), safe='')}{colon}{quote(unquote(password), safe='')}{at}"
    return encoded, host, rest[len(authority) :]


def problem_with(url: str, seconds: float = 2.0) -> str | None:
    """What is wrong with the server at `url`, as the end of a sentence; None if it answers PING.

    Takes `seconds` at most, and never repeats the password.
    """
    try:
        url = read(url, "REDIS_URL")
    except ImproperlyConfigured:
        return (
            "is not a URL like redis://:password@host:6379/0 "
            "(characters such as / # ? @ in a password are written %2F %23 %3F %40)"
        )
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.hostname or 'localhost'}:{parts.port or 6379}{parts.path}"
    if parts.scheme == "unix":
        where = f"unix://{parts.path}"
    problems: list[str | None] = [f"points to {where}, which does not answer"]
    # Time limits of the client's own would not cover the look-up of the host's name.
    asking = threading.Thread(target=lambda: problems.append(_ask(url, where)), daemon=True)
    asking.start()
    asking.join(seconds)
    return problems[-1]


def wipe(url: str, namespace: str) -> None:
    """Delete the keys of an installation that has ended, and what kombu remembers of its queues."""
    url = read(url, "REDIS_URL")
    with suppress(RedisError, OSError), redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        for pattern in (f"{namespace}:*", f"_kombu.binding*.{namespace}:*"):
            for key in client.scan_iter(pattern, count=1000):
                client.unlink(key)
        shared = "_kombu.binding_deadlines"  # one key for the queues of everybody
        for member, _ in client.zscan_iter(shared, f"*{namespace}:*"):
            client.zrem(shared, member)


def _ask(url: str, where: str) -> str | None:
    try:
        with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
            client.ping()
    except AuthenticationError:
        return f"points to {where}, which does not accept the user name or password"
    except (RedisError, OSError, ValueError, TypeError) as error:
        # Its text is left out: it may quote the URL.
        return f"points to {where}, which does not answer ({type(error).__name__})"
    return None
