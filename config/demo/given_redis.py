"""A Redis that the demo was given: tried before anything builds on it, and left as it was."""

from contextlib import suppress

import redis
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from config.addresses import ESCAPES, REDIS, Address, read, scheme


def problem_with(url: str, seconds: float = 2.0) -> str | None:
    """What is wrong with the server at `url`, as the end of a sentence; None if it answers PING.

    Waits for an answer for `seconds` at most, and never repeats the password.
    """
    try:
        if scheme(url, "REDIS_URL") not in REDIS:
            raise ImproperlyConfigured
        address = read(url, "REDIS_URL")
        client = _client(address, seconds)
    except ImproperlyConfigured:
        return f"is not a URL like redis://:password@host:6379/0 ({ESCAPES})"
    host, port = address.hosts[0]
    where = f"{address.scheme}://{host or 'localhost'}:{port or 6379}{address.path}"
    if address.scheme == "unix":
        where = f"unix://{address.path}"
    try:
        with client:
            client.ping()
    except AuthenticationError:
        return f"points to {where}, which does not accept the user name or password"
    except (RedisError, OSError) as error:
        # Its text is left out: it may quote the URL.
        return f"points to {where}, which does not answer ({type(error).__name__})"
    return None


def wipe(url: str, namespace: str) -> None:
    """Delete the keys of an installation that has ended, and what kombu remembers of its queues."""
    with suppress(RedisError, OSError), _client(read(url, "REDIS_URL")) as client:
        for pattern in (f"{namespace}:*", f"_kombu.binding*.{namespace}:*"):
            for key in client.scan_iter(pattern, count=1000):
                client.unlink(key)
        shared = "_kombu.binding_deadlines"  # one key for the queues of everybody
        for member, _ in client.zscan_iter(shared, f"*{namespace}:*"):
            client.zrem(shared, member)


def _client(address: Address, seconds: float = 2.0) -> redis.Redis:
    limits = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    return redis.Redis.from_url(address.url, retry=Retry(NoBackoff(), 0), **limits, **address.tls)
