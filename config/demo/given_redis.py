"""A Redis that the demo was given: tried before anything builds on it, and left as it was."""

import threading
from contextlib import suppress

import redis
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from config import tls
from config.addresses import ESCAPES, REDIS, Address, read


def problem_with(url: str, seconds: float = 2.0) -> str | None:
    """What is wrong with the server at `url`, as the end of a sentence; None if it answers PING.

    Takes `seconds` at most, and never repeats the password.
    """
    try:
        address = read(url, "REDIS_URL")
        if address.scheme not in REDIS:
            raise address.malformed()
        client = _client(address)
    except ImproperlyConfigured:
        return f"is not a URL like redis://:password@host:6379/0 {ESCAPES}"
    host, port = address.hosts[0]
    where = f"{address.scheme}://{host or 'localhost'}:{port or 6379}{address.path}"
    if address.scheme == "unix":
        where = f"unix://{address.path}"
    problems: list[str | None] = [f"points to {where}, which does not answer"]
    # Time limits of the client's own would not cover the look-up of the host's name.
    asking = threading.Thread(target=lambda: problems.append(_ask(client, where)), daemon=True)
    asking.start()
    asking.join(seconds)
    return problems[-1]


def wipe(url: str, namespace: str) -> None:
    """Delete the keys of an installation that has ended, and what kombu remembers of its queues."""
    with suppress(RedisError, OSError), _client(read(url, "REDIS_URL")) as client:
        for pattern in (f"{namespace}:*", f"_kombu.binding*.{namespace}:*"):
            for key in client.scan_iter(pattern, count=1000):
                client.unlink(key)
        shared = "_kombu.binding_deadlines"  # one key for the queues of everybody
        for member, _ in client.zscan_iter(shared, f"*{namespace}:*"):
            client.zrem(shared, member)


def _ask(client: redis.Redis, where: str) -> str | None:
    try:
        with client:
            client.ping()
    except AuthenticationError:
        return f"points to {where}, which does not accept the user name or password"
    except (RedisError, OSError, ValueError, TypeError) as error:
        # Its text is left out: it may quote the URL.
        return f"points to {where}, which does not answer ({type(error).__name__})"
    return None


def _client(address: Address) -> redis.Redis:
    return redis.Redis.from_url(address.url, retry=Retry(NoBackoff(), 0), **tls.of_redis(address))
