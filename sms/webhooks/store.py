"""The queues of events in Redis, and dead letters: one of each for each endpoint and cell. Raises
``Unavailable``.

An event stays in the cell in which it happened (see ``sms.cells``), also as a dead letter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic_core import from_json

from sms import cells, ids, names
from sms.cells import HUB
from sms.names import (
    IN_LUA,
    SWEEP,
    UNSWEPT,
    VERIFICATIONS_END,
    WEBHOOKS_DEAD,
    WEBHOOKS_DUE,
    WEBHOOKS_ERROR,
    WEBHOOKS_LATE,
    key,
)
from sms.scripts import INCLUDES, Script, gather
from sms.webhooks import endpoints

#: Seconds that a claim holds: the longest call (connecting and answer, see ``post``), and a margin.
LEASE = 30.0

#: Days to keep dead letters, and how many of one endpoint. Each cell keeps its share.
KEPT, MOST_DEAD = 7, 10_000

#: Expired verifications to handle in one step.
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

    text: bytes  # as in the queue
    tries: int  # before this one
    event: dict[str, Any]
    cell: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: an event that was given up."""

    endpoint: str
    at: float  # seconds since the epoch
    why: str
    event: dict[str, Any]
    text: bytes
    cell: int


@dataclass(frozen=True, slots=True)
class Queue:
    """The state of an endpoint's queue."""

    waiting: int
    dead: int
    oldest: float  # age in seconds of the oldest event; 0: none waits
    next_at: float | None  # next try, seconds since the epoch; None: none waits
    error: str  # of the last failed call, a word of ``post``; "" if none failed in KEPT days
    error_at: float | None  # when that was, seconds since the epoch


def _script(name: str, **more: Any) -> Script:
    path = Path(__file__).parent / "lua" / f"{name}.lua"
    return Script(path, includes=(INCLUDES,), keys=_IN_LUA, **more)


_CLAIM = _script("claim", LEASE=int(LEASE * 1000))
_FINISH = _script("finish", KEPT=KEPT * 86_400_000, MOST_DEAD=lambda: MOST_DEAD // max(names.cell_counts()))
_REPLAY = _script("replay", KEPT=KEPT * 86_400_000)
_SWEEP, _RECEIVED = (_script(name, **endpoints.FOR_LUA) for name in ("sweep", "received"))


def due(endpoint: str) -> Sequence[int]:
    """The cells in which ``claim`` may find an event, the one with the oldest first. One round trip for each
    server; none if there is only the hub, where a claim costs no more than this.
    """
    return _due(WEBHOOKS_DUE + endpoint, cells.every()) if cells.many() else (HUB,)


def _due(name: str, among: Iterable[int]) -> list[int]:
    """The cells in whose sorted set the first entry is due, by its time. Leaves out cells that are away."""

    def put(pipe: Any, cell: int) -> None:
        pipe.time()
        pipe.zrange(key(name, cell), 0, 0, withscores=True)

    first = {}
    for cell, ((seconds, micro), head) in gather(among, put, partly=True).items():
        if head and head[0][1] <= seconds * 1000 + micro / 1000:
            first[cell] = head[0][1]
    return sorted(first, key=first.__getitem__)


def claim(endpoint: str, cell: int = HUB) -> Claimed | None:
    """Claim the event of a cell that has been due for longest, for one call. One round trip."""
    text: bytes = _CLAIM((), (endpoint,), cell)
    if not text:
        return None
    tries, _, event = text.partition(b" ")
    return Claimed(text, int(tries), from_json(event), cell)


def finish(endpoint: str, claimed: Claimed, outcome: Outcome, *, why: str = "", wait: float = 0.0) -> bool:
    """Record how a call ended. False if the claim ran out and another call has ended it.

    ``why``: what broke, as ``post`` says it. ``wait``: seconds until the next try.
    """
    event = claimed.text.partition(b" ")[2]
    left = {"delivered": b"", "retried": b"%d " % (claimed.tries + 1), "dead": why.encode() + b" "}[outcome]
    text = left + event if left else b""
    about = (claimed.event[name] for name in ("id", "type", "at"))
    values = (endpoint, claimed.text, *about, outcome, text, why, int(wait * 1000))
    return bool(_FINISH((), values, claimed.cell))


def expired() -> None:
    """Send the events of expired verifications, and let the next sweep be requested."""
    for cell in (HUB, *_due(VERIFICATIONS_END, cells.every()[1:])):
        keys = (key(SWEEP + "events", cell), key(UNSWEPT + "events", cell))  # only the hub has them
        while int(_SWEEP(keys, (EXPIRED_AT_ONCE,), cell)) == EXPIRED_AT_ONCE:
            pass


def received(alias: str, theirs: str, *, country: str, word: str, channel: str) -> None:
    """Send an event about a message from a user. ``theirs``: the vendor's id, which gives repeats one id."""
    if ";message.received=" not in endpoints.in_lua():
        return
    subject = hashlib.sha256(f"{alias} {theirs}".encode()).hexdigest()[:32] if theirs else ids.new()
    data = {"alias": alias, "country": country, "word": word, "channel": channel}
    _RECEIVED((), (subject, json.dumps(data)), cells.of_digest(subject))


def queues() -> dict[str, Queue]:
    """Waiting events and dead letters of each endpoint.

    One round trip for each server; none without endpoints.
    """
    known = list(endpoints.configured())
    if not known:
        return {}

    def put(pipe: Any, cell: int) -> None:
        pipe.time()
        for name in known:
            pipe.zcard(key(WEBHOOKS_DUE + name, cell))
            pipe.zcard(key(WEBHOOKS_DEAD + name, cell))
            pipe.zrange(key(WEBHOOKS_DUE + name, cell), 0, 0, withscores=True)
            pipe.zrange(key(WEBHOOKS_LATE + name, cell), 0, 0, withscores=True)
            pipe.get(key(WEBHOOKS_ERROR + name, cell))

    answers = gather(cells.every(), put).values()
    return {name: _added_up([_queue(n, found) for found in answers]) for n, name in enumerate(known)}


def _queue(number: int, found: Sequence[Any]) -> Queue:
    """The queue of an endpoint in one cell. ``number``: of the endpoint."""
    (seconds, micro), *parts = found
    waiting, dead, due, late, error = parts[number * 5 :][:5]
    # An event without a failed call is due since it happened. So the oldest is the first of one of these two.
    since = [at / 1000 for _, at in (*due, *late)] if waiting else []
    at, _, why = (error or b"").decode().partition(" ")
    return Queue(
        waiting,
        dead,
        oldest=max(seconds + micro / 1_000_000 - min(since), 0.0) if since else 0.0,
        next_at=due[0][1] / 1000 if due else None,
        error=why,
        error_at=int(at) / 1000 if at else None,
    )


def _added_up(queues: Sequence[Queue]) -> Queue:
    """The queue of an endpoint as a whole. ``queues``: what each cell has of it."""
    last = max(queues, key=lambda queue: queue.error_at or 0.0)
    return Queue(
        sum(queue.waiting for queue in queues),
        sum(queue.dead for queue in queues),
        oldest=max(queue.oldest for queue in queues),
        next_at=min((queue.next_at for queue in queues if queue.next_at is not None), default=None),
        error=last.error,
        error_at=last.error_at,
    )


def waiting() -> dict[str, int]:
    """The number of waiting events of each endpoint, without cells that are away.

    One round trip for each server.
    """
    known = list(endpoints.configured())

    def put(pipe: Any, cell: int) -> None:
        for name in known:
            pipe.zcard(key(WEBHOOKS_DUE + name, cell))

    counts = gather(cells.every(), put, partly=True).values()
    return {name: sum(found) for name, *found in zip(known, *counts, strict=True)}


def dead_letters(endpoint: str, limit: int = 0) -> list[Letter]:
    """Dead letters, the latest first. ``limit``: at most this many; 0: all."""

    def put(pipe: Any, cell: int) -> None:
        pipe.zrevrange(key(WEBHOOKS_DEAD + endpoint, cell), 0, limit - 1, withscores=True)

    found = [
        _letter(endpoint, cell, text, at)
        for cell, (entries,) in gather(cells.every(), put).items()
        for text, at in entries
    ]
    return sorted(found, key=lambda letter: -letter.at)[: limit or None]


def _letter(endpoint: str, cell: int, text: bytes, at: float) -> Letter:
    why, _, event = text.partition(b" ")
    return Letter(endpoint, at / 1000, why.decode(), from_json(event), text, cell)


def replay(letter: Letter) -> bool:
    """Send a dead letter again, with all its tries. False if it is gone."""
    event = b"0 " + letter.text.partition(b" ")[2]
    return bool(_REPLAY((), (letter.endpoint, letter.text, event), letter.cell))
