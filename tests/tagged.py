"""A client for tests that look at keys: in a cluster it leaves out their hash tag."""

from __future__ import annotations

from typing import Any

from django_redis import get_redis_connection
from redis import Redis
from redis.client import Pipeline

from sms import names

#: How our keys begin, and what stands before them.
OURS = ("otp:", "sms:", "http:")
TAG = "{c0}"


def tagged(args: tuple[Any, ...]) -> list[Any]:
    """A command with the tag before each of our keys; no value begins as they do."""
    return [_tagged(arg) for arg in args]


def _tagged(arg: Any) -> Any:
    if isinstance(arg, bytes):
        return TAG.encode() + arg if arg.startswith(tuple(map(str.encode, OURS))) else arg
    return TAG + arg if isinstance(arg, str) and arg.startswith(OURS) else arg


def untagged(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return answer.removeprefix(TAG.encode())
    return [untagged(part) for part in answer] if isinstance(answer, list) else answer


class TaggedPipeline(Pipeline):
    def execute_command(self, *args: Any, **options: Any) -> Any:
        return super().execute_command(*tagged(args), **options)


def looking() -> Any:
    """A client for the server, or cluster, that the cache of now is at."""
    found: Any = get_redis_connection()
    return Tagged(connection_pool=found.connection_pool) if names.in_cluster() else found


class Tagged(Redis):
    """Reads and writes our keys by their names alone."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        found = super().execute_command(*tagged(args), **options)
        if args[0] == "KEYS":
            return untagged(found)
        return (found[0], untagged(found[1])) if args[0] == "SCAN" else found

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        return TaggedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
