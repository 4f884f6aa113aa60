"""Wake workers for messages that are due but not taken, because the broker, a worker or a restart lost their
queue entry.

A sweep travels through the queue that it sweeps. By the time it runs, entries published earlier have been
taken. So if an earlier message is still due, its entry was lost or is late. A task that is woken takes
whatever is due. So a few entries are enough for any number of messages in a cell, and a backlog is not
multiplied.
"""

from __future__ import annotations

import json
from typing import Any

import structlog
from celery import Task

from sms import broker, broker_connections, cells, names, signs, steps
from sms.checks import place
from sms.names import BEAT, SWEEP, SWEPT, UNSWEPT, key
from sms.scripts import in_each_cell
from sms.webhooks import endpoints

log = structlog.get_logger("sms")

#: Entries for each sweep, but one for each cell at least. While messages are due, this many more tasks start
#: every second.
LIMIT = 20

#: Seconds for which a pending sweep keeps others from being requested.
PENDING = 10.0

_ASK, _SWEEP = map(steps.script, ("ask", "sweep"))


class SweepTask(Task):  # type: ignore[type-arg]  # Celery's Task takes no type arguments at run time
    """Publishes a sweep only if none is pending. Several beats, or hours without a worker, add no more."""

    def apply_async(self, *args: Any, **options: Any) -> Any:
        ((queue,), *_) = args
        events = queue == steps.EVENTS_QUEUE
        if events and not endpoints.configured():
            return None
        cutoff = request(queue)
        if cutoff is None or (events and broker.room(queue) == 0):  # perhaps no worker takes events
            return None
        # Not beat's own producer: without retries, it never replaces a broken connection.
        with broker_connections.producer() as producer:
            return super().apply_async(
                (queue, cutoff), queue=names.queue(queue), **options | {"producer": producer}
            )


def sweep(queue: str, cutoff: int) -> int:
    """Wake workers for messages of ``queue`` due before ``cutoff`` (ms). Returns how many were due."""
    place.leave_mark()
    due = late(queue, cutoff, LIMIT)
    if not due:
        return 0
    room = broker.room(queue)
    for message_id in due if room is None else due[:room]:
        if not broker.publish(message_id, queue):
            break  # the broker is away; the next sweeps bring the rest
    log.info("swept", queue=queue, messages=len(due))
    return len(due)


def request(queue: str) -> int | None:
    """Request a sweep. Returns the server's time (ms), or None if one is pending. One round trip."""
    args = {"pending": PENDING, "silent": signs.BEAT_SILENT, "remembered": signs.REMEMBERED}
    keys = (key(SWEEP + queue), key(BEAT), key(UNSWEPT + queue))
    cutoff: int | None = _ASK(keys, (json.dumps({name: int(s * 1000) for name, s in args.items()}),))
    return cutoff


def late(queue: str, cutoff: int, most: int) -> list[str]:
    """The ids of the first messages of ``queue`` in each cell that were due before ``cutoff`` (ms); see
    sweep.lua.
    """
    of_each = max(most // len(cells.every()), 1)
    args = {"queue": queue, "cutoff": cutoff, "most": of_each, "remembered": int(signs.REMEMBERED * 1000)}

    def swept(cell: int) -> list[str]:
        # The first two exist only in the hub: ask.lua sets them there.
        keys = (key(SWEEP + queue, cell), key(UNSWEPT + queue, cell), key(SWEPT, cell))
        return [id_.decode() for id_ in _SWEEP(keys, (json.dumps(args),), cell)]

    return in_each_cell(swept)
