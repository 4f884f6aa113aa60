"""When Redis cannot do now what we ask of it: the one place that reads its errors.

The same trouble reads differently: Redis 6.2 wraps what a command in a script met (``ERR Error running
script …: -OOM …``), later ones and Valkey put that word first; redis-py has classes for some words, which
it then cuts off, and none for others; a pipeline puts its own words before all of it.
"""

from __future__ import annotations

import re
import time

import structlog
from redis import exceptions as redis

from sms.errors import Unavailable

log = structlog.get_logger("sms")

#: What Redis may raise; ``unavailable`` tells which of it is ours.
ERRORS = (redis.RedisError, OSError)

#: Each reason, as ``/readyz`` names it, and what a server then does.
REASONS = {
    "away": "does not answer",
    "loading": "is still reading its data from disk",
    "busy": "is held up by a script that takes too long",
    "full": "is full",
    "read_only": "takes no writes: it is a replica, has too few replicas, or cannot write to its disk",
    "password": "refuses the user name or password",
    "database": "has no such database or virtual host",
    "forbidden_commands": "forbids its user a command that we need, such as EVALSHA",
    "forbidden_keys": "forbids its user the keys that we need",
    "cluster": "is a cluster",
}

#: redis-py's classes; the nearest base of an error counts.
_CLASSES: dict[type, str] = {
    redis.AuthenticationError: "password",
    redis.AuthenticationWrongNumberOfArgsError: "password",
    redis.BusyLoadingError: "loading",
    redis.OutOfMemoryError: "full",
    redis.ReadOnlyError: "read_only",
    redis.MasterDownError: "read_only",
    redis.ClusterDownError: "cluster",
    redis.ClusterCrossSlotError: "cluster",
    redis.MovedError: "cluster",
    redis.ConnectionError: "away",
    redis.TimeoutError: "away",
    redis.InvalidResponse: "away",
    OSError: "away",
}

#: The words of all others, at the beginning or after what a script or a pipeline put before it.
_WORDS = {
    "OOM": "full",
    "READONLY": "read_only",
    "MASTERDOWN": "read_only",
    "NOREPLICAS": "read_only",
    "MISCONF": "read_only",
    "BUSY": "busy",
    "LOADING": "loading",
    "NOAUTH": "password",
    "WRONGPASS": "password",
}
_WORD = re.compile(rf"(?:^|: -?)({'|'.join(_WORDS)})\b")

#: What an ACL, or a command that was renamed away, is called inside a script; the word is missing there.
_FORBIDDEN = re.compile(
    r"NOPERM|ACL failure|the user executing the script can't|unknown (redis )?command", re.IGNORECASE
)

#: Seconds between two log lines of the same reason.
_QUIET = 60.0

_told: dict[str, float] = {}


def reason(error: BaseException) -> str:
    """Which of ``REASONS`` an error stands for, "" for one that waiting does not mend."""
    if found := next((_CLASSES[kind] for kind in type(error).__mro__ if kind in _CLASSES), ""):
        return found
    text = str(error)
    if not isinstance(error, redis.ResponseError):
        return ""
    if isinstance(error, redis.NoPermissionError) or _FORBIDDEN.search(text):
        return "forbidden_keys" if "access" in text else "forbidden_commands"
    if "DB index is out of range" in text:
        return "database"
    word = _WORD.search(text)
    return _WORDS[word[1]] if word else ""


def unavailable(error: BaseException) -> BaseException:
    """What to raise for an error of Redis: ``Unavailable``, or the error itself if it is a fault of ours.

    Logged once a minute unless it is only away, without Redis's own words: they may hold a key.
    """
    found = reason(error)
    if not found:
        return error
    now = time.monotonic()
    if found != "away" and now - _told.get(found, -_QUIET) >= _QUIET:
        _told[found] = now
        log.error("redis_refuses", reason=found, detail=f"Redis {REASONS[found]}.")
    return Unavailable(f"Redis {REASONS[found]}.", reason=found)
