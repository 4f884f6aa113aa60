"""The queues of events in Redis, one for each endpoint, with its dead letters. Raises ``Unavailable``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic_core import from_json

from sms import ids
from sms.names import (
    IN_LUA,
    SWEEP,
    UNSWEPT,
    WEBHOOKS_DEAD,
    WEBHOOKS_DUE,
    WEBHOOKS_ERROR,
    WEBHOOKS_LATE,
    key,
)
from sms.scripts import INCLUDES, Script, client
from sms.webhooks import endpoints

#: Seconds that a claim lasts: the longest call (connecting and the answer, see ``post``), plus a margin.
LEASE = 30.0

#: Days that dead letters are kept, and how many for each endpoint.
KEPT, MOST_DEAD = 7, 10_000

#: How many expired verifications are announced in one step.
EXPIRED_AT_ONCE = 200

_IN_LUA = IN_LUA | {
    "WEBHOOKS_DEAD": WEBHOOKS_DEAD,
    "WEBHOOKS_LATE": WEBHOOKS_LATE,
    "WEBHOOKS_ERROR": WEBHOOKS_ERROR,
}

Outcome = Literal["delivered", "retried", "dead"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that this thread may send."""

    text: bytes  # as it is in the queue
    tries: int  # so far
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: an event that was given up."""

    endpoint: str
    at: float  # seconds since the epoch
    why: str
    event: dict[str, Any]
    text: bytes


@dataclass(frozen=True, slots=True)
class Queue:
    """The state of an endpoint's queue."""

    waiting: int
    dead: int
    oldest: float  # seconds that the oldest event has waited; 0 if none waits
    next_at: float | None  # the next try, in seconds since the epoch; None if none waits
    error: str  # of the last failed call, a word of ``post``; "" if none failed in KEPT days
    error_at: float | None  # its time, in seconds since the epoch


def _script(name: str, **more: Any) -> Script:
    path = Path(__file__).parent / "lua" / f"{name}.lua"
    return Script(path, includes=(INCLUDES,), keys=_IN_LUA, **more)


_CLAIM = _script("claim", LEASE=int(LEASE * 1000))
_FINISH = _script("finish", KEPT=KEPT * 86_400_000, MOST_DEAD=MOST_DEAD)
_REPLAY = _script("replay", KEPT=KEPT * 86_400_000)
_SWEEP, _RECEIVED = (_script(name, EVENTS=endpoints.in_lua) for name in ("sweep", "received"))


def claim(endpoint: str) -> Claimed | None:
    """Claim the event that has been due longest, for the time of one call. One round trip."""
    text: bytes = _CLAIM((), (endpoint,))
    if not text:
        return None
    tries, _, event = text.partition(b" ")
    return Claimed(text, int(tries), from_json(event))


def finish(endpoint: str, claimed: Claimed, outcome: Outcome, *, why: str = "", wait: float = 0.0) -> bool:
    """Record how a call ended. False if another call has already settled the event.

    ``why``: the error, in the words of ``post``. ``wait``: seconds until the next try.
    """
    event = claimed.text.partition(b" ")[2]
    left = {"delivered": b"", "retried": b"%d " % (claimed.tries + 1), "dead": why.encode() + b" "}[outcome]
    text = left + event if left else b""
    about = (claimed.event[name] for name in ("id", "type", "at"))
    values = (endpoint, claimed.text, *about, outcome, text, why, int(wait * 1000))
    return bool(_FINISH((), values))


def expired() -> None:
    """Write events for verifications that have expired, and allow the next sweep."""
    keys = (key(SWEEP + "events"), key(UNSWEPT + "events"))
    while int(_SWEEP(keys, (EXPIRED_AT_ONCE,))) == EXPIRED_AT_ONCE:
        pass


def received(alias: str, theirs: str, *, country: str, word: str, channel: str) -> None:
    """Write the event for an inbound message.

    ``theirs``: the vendor's id, so that a repetition keeps its id.
    """
    if ";message.received=" not in endpoints.in_lua():
        return
    subject = hashlib.sha256(f"{alias} {theirs}".encode()).hexdigest()[:32] if theirs else ids.new()
    data = {"alias": alias, "country": country, "word": word, "channel": channel}
    _RECEIVED((), (subject, json.dumps(data)))


def queues() -> dict[str, Queue]:
    """The state of each endpoint's queue. One round trip, or none without endpoints."""
    names = list(endpoints.configured())
    if not names:
        return {}
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        pipe.time()
        for name in names:
            pipe.zcard(key(WEBHOOKS_DUE + name))
            pipe.zcard(key(WEBHOOKS_DEAD + name))
            pipe.zrange(key(WEBHOOKS_DUE + name), 0, 0, withscores=True)
            pipe.zrange(key(WEBHOOKS_LATE + name), 0, 0, withscores=True)
            pipe.get(key(WEBHOOKS_ERROR + name))
        (seconds, micro), *found = pipe.execute()
    now, parts = seconds + micro / 1_000_000, len(found) // len(names)
    return {name: _queue(now, found[n * parts :][:parts]) for n, name in enumerate(names)}


def _queue(now: float, found: list[Any]) -> Queue:
    waiting, dead, due, late, error = found
    # An event without a failed call is due since it happened, so one of these two is the oldest.
    since = [at / 1000 for _, at in (*due, *late)] if waiting else []
    at, _, why = (error or b"").decode().partition(" ")
    return Queue(
        waiting,
        dead,
        oldest=max(now - min(since), 0.0) if since else 0.0,
        next_at=due[0][1] / 1000 if due else None,
        error=why,
        error_at=int(at) / 1000 if at else None,
    )


def waiting() -> dict[str, int]:
    """How many events wait for each endpoint."""
    return {name: queue.waiting for name, queue in queues().items()}


def dead_letters(endpoint: str, limit: int = 0) -> Iterator[Letter]:
    """Dead letters, the latest first. ``limit``: at most so many; 0 for all."""
    with client() as redis:
        found = redis.zrevrange(key(WEBHOOKS_DEAD + endpoint), 0, limit - 1, withscores=True)
    for text, at in found:
        why, _, event = text.partition(b" ")
        yield Letter(endpoint, at / 1000, why.decode(), from_json(event), text)


def replay(letter: Letter) -> bool:
    """Send a dead letter again, with all its tries. False if it is no longer there."""
    event = b"0 " + letter.text.partition(b" ")[2]
    return bool(_REPLAY((), (letter.endpoint, letter.text, event)))
