"""Does the Redis server of a URL answer? Asked before the demo builds on it."""

import threading
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

_SCHEMES = ("redis", "rediss", "unix")


def problem_with(url: str, seconds: float = 2.0) -> str | None:
    """What is wrong with the server at `url`, as the end of a sentence; None if it answers PING.

    Takes `seconds` at most, and never repeats the password.
    """
    where = _without_secrets(url)
    if where is None:
        return (
            "is not a URL like redis://:password@host:6379/0 "
            "(characters such as / # ? @ in a password are written %2F %23 %3F %40)"
        )
    problems: list[str | None] = [f"points to {where}, which does not answer"]
    # Time limits of the client's own would not cover the look-up of the host's name.
    asking = threading.Thread(target=lambda: problems.append(_ask(url, where)), daemon=True)
    asking.start()
    asking.join(seconds)
    return problems[-1]


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


def _without_secrets(url: str) -> str | None:
    """Scheme, host, port and database of `url`; None for what cannot be read as such a URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or 6379
    except ValueError:
        return None
    # An unescaped "/" in a password ends the host early and would show the rest as a path.
    if parts.scheme not in _SCHEMES or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return None
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    return f"{parts.scheme}://{host}:{port}{parts.path}"
