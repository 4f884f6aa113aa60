"""Wake somebody for what the broker, a worker or a restart lost: every message that is due, and nobody takes.

A sweep travels through the queue that it sweeps. What was published before it has been taken from
the queue by the time it runs, so a message of that age that is still due is lost, or late. A task that is
woken takes whatever is due, so a few entries are enough for any number: a backlog is not multiplied.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task

from sms import broker, names, store
from sms.checks import place
from sms.webhooks import endpoints

log = structlog.get_logger("sms")

#: At most so many entries a sweep: as long as something is due, each second so many more tasks drain.
LIMIT = 20


class SweepTask(Task):  # type: ignore[type-arg]  # Celery's Task takes no type arguments at run time
    """Publishes a sweep only while none is under way: many beats, or hours without a worker, add no more."""

    def apply_async(self, *args: Any, **options: Any) -> Any:
        ((queue,), *_) = args
        events = queue == store.EVENTS_QUEUE
        if events and not endpoints.configured():
            return None
        cutoff = store.ask_for_sweep(queue)
        if cutoff is None or (events and broker.room(queue) == 0):  # maybe no worker takes it
            return None
        # Not beat's own producer: where nothing is tried again, it never leaves a connection that broke.
        with broker.producer() as producer:
            return super().apply_async(
                (queue, cutoff), queue=names.queue(queue), **options | {"producer": producer}
            )


def sweep(queue: str, cutoff: int) -> int:
    """Wake somebody for what was due in ``queue`` before ``cutoff``; returns how many entries that took."""
    place.leave_mark()
    due = store.sweep(queue, cutoff, LIMIT)
    if not due:
        return 0
    room = broker.room(queue)
    for message_id in due if room is None else due[:room]:
        if not broker.publish(message_id, queue):
            break  # the broker is away; the rest comes up again with the next sweeps
    log.info("swept", queue=queue, messages=len(due))
    return len(due)
