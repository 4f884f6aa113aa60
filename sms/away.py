"""Recognise the errors of Redis that mean "not now". No other module reads error texts of Redis.

The same error can look different:

- Redis 6.2 wraps the error of a command in a script: ``ERR Error running script …: -OOM …``. Later versions
  and Valkey put its word first.
- redis-py turns some words into classes, and cuts them off.
- A pipeline puts its own words before all of it.
"""

from __future__ import annotations

import re
import time

import structlog
from redis import exceptions as redis

from sms.errors import Unavailable

log = structlog.get_logger("sms")

#: The exceptions of Redis; ``unavailable`` tells which are our faults.
ERRORS = (redis.RedisError, OSError)


class Uncopied(redis.ResponseError):
    """The write was done, but fewer replicas than OTPOST_COPIES have it so far."""


#: Each reason, as ``/readyz`` names it, and what a server then does.
REASONS = {
    "away": "does not answer",
    "loading": "is still reading its data from disk",
    "busy": "is held up by a script that takes too long",
    "full": "is full",
    "read_only": "takes no writes: it is a replica, has too few replicas, or cannot write to its disk",
    "copies": "has fewer replicas that keep up than OTPOST_COPIES asks for",
    "password": "refuses the user name or password",
    "database": "has no such database or virtual host",
    "forbidden_commands": "forbids its user a command that Otpost needs, such as EVALSHA",
    "forbidden_keys": "forbids its user the keys that Otpost needs",
    "cluster": "is a cluster, but the setting names it like a single server",
    "cluster_down": "is a cluster that is down: some of its slots have no node that works",
    "moving": "moves our keys to another node of the cluster",
    "no_leader": "takes nothing into its queue, which has no leader",
    "certificate": "shows a certificate that has expired, names another host or comes from an unknown CA",
}

#: redis-py's exception classes for each reason. The first match counts.
_CLASSES: dict[str, type | tuple[type, ...]] = {
    "copies": Uncopied,
    "password": (redis.AuthenticationError, redis.AuthenticationWrongNumberOfArgsError),
    "loading": redis.BusyLoadingError,
    "full": redis.OutOfMemoryError,
    "read_only": (redis.ReadOnlyError, redis.MasterDownError),
    "cluster": (redis.ClusterCrossSlotError, redis.MovedError),
    "cluster_down": redis.ClusterDownError,
    "moving": (redis.AskError, redis.TryAgainError),
    "away": (redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse, OSError),
}

#: Redis's own words for a reason, in errors that have none of these classes.
_WORDS = {
    "full": "OOM",
    "read_only": "READONLY|MASTERDOWN|NOREPLICAS|MISCONF",
    "busy": "BUSY",
    "loading": "LOADING",
    "password": "NOAUTH|WRONGPASS",
}

#: Python's words for a bad certificate, which redis-py repeats. For a sentinel's certificate it drops them.
_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"

#: Texts about a command that an ACL forbids, or that was renamed. From a script they may lack NOPERM.
_FORBIDDEN = re.compile(
    r"NOPERM|ACL failure|the user executing the script can't|unknown (redis )?command", re.IGNORECASE
)

#: Seconds between two log lines of the same reason.
_QUIET = 60.0

#: When each reason was logged last, by server and reason.
_told: dict[tuple[str, str], float] = {}


def reason(error: BaseException) -> str:
    """Which of ``REASONS`` an error stands for; "" if it is a fault of ours."""
    if found := next((name for name, kinds in _CLASSES.items() if isinstance(error, kinds)), ""):
        return "certificate" if found == "away" and _CERTIFICATE in str(error) else found
    if not isinstance(error, redis.ResponseError):
        return ""
    text = str(error)
    if isinstance(error, redis.NoPermissionError) or _FORBIDDEN.search(text):
        return "forbidden_keys" if "access" in text else "forbidden_commands"
    if "DB index is out of range" in text:
        return "database"
    return next((name for name, words in _WORDS.items() if re.search(rf"(^|: -?)({words})\b", text)), "")


def unavailable(error: BaseException, server: str = "") -> BaseException:
    """The exception for an error of Redis: ``Unavailable``, or the error itself if it is a fault of ours.

    ``server``: which of several servers, for the log only.

    Logs each reason except ``away``, at most once a minute, without Redis's words: they may hold a key.
    """
    found = reason(error)
    if not found:
        return error
    now = time.monotonic()
    if found != "away" and now - _told.get((server, found), -_QUIET) >= _QUIET:
        _told[server, found] = now
        which = {"server": server} if server else {}
        log.error("redis_refuses", reason=found, detail=f"Redis {REASONS[found]}.", **which)
    return Unavailable(f"Redis {REASONS[found]}.", reason=found)
