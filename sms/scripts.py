"""Run Lua scripts in Redis: one atomic step, one round trip, one error when the server is away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django_redis import get_redis_connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

#: What redis-py raises when the server is away, full, or a replica: worth a later try.
AWAY = (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError)


class Script:
    """A Lua script beside the module that calls it.

    Called, it runs on the server behind the default cache of django-redis. It takes a connection of the raw
    client's pool and speaks EVALSHA on it: redis-py's own way to a script costs as much time as
    the server takes to run one. It never tries twice, as a script whose answer got lost may have run.
    """

    def __init__(self, path: Path) -> None:
        self._text = path.read_text()
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: tuple[str, ...], values: Iterable[Any]) -> Any:
        """The answer of the script, bytes where it is text. Raises what redis-py raises."""
        pool: Any = get_redis_connection().connection_pool
        connection = pool.get_connection()
        try:
            connection.send_command("EVALSHA", self._sha, len(keys), *keys, *values)
            try:
                return connection.read_response()
            except NoScriptError:  # the server was restarted, or never saw it
                connection.send_command("SCRIPT LOAD", self._text)
                connection.read_response()
                connection.send_command("EVALSHA", self._sha, len(keys), *keys, *values)
                return connection.read_response()
        except ResponseError as error:
            # Words that redis-py has no class for: the disk of the AOF is full, a script hangs, …
            if str(error).startswith(("MISCONF", "BUSY", "MASTERDOWN")):
                raise RedisConnectionError(str(error)) from error
            raise
        finally:
            pool.release(connection)
