"""Bring back what the broker, a worker or a restart lost: every message whose lease ran out.

A sweep travels through the queue that it sweeps. What was published before it has been taken from
the queue by the time it runs, so a message of that age that is still waiting is lost, not late.
That is why a backlog does not make sweeps multiply it: they look only at what was due
when they were published.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task

from sms import broker, mark, names, store

log = structlog.get_logger("sms")

#: At most this many messages a sweep: publishing them takes under a second.
LIMIT = 1000


class SweepTask(Task):  # type: ignore[type-arg]  # Celery's Task takes no type arguments at run time
    """Publishes a sweep only while none is under way, so that any number of beats does no harm
    and an hour without workers does not fill the broker with them.
    """

    def apply_async(self, *args: Any, **options: Any) -> Any:
        ((queue,), *_) = args
        cutoff = store.ask_for_sweep(queue)
        if cutoff is None:
            return None
        # Not beat's own producer: where nothing is tried again, it never leaves a connection that broke.
        with broker.producer() as producer:
            return super().apply_async(
                (queue, cutoff), queue=names.queue(queue), **options | {"producer": producer}
            )


def sweep(queue: str, cutoff: int) -> int:
    """Publish again what was due in ``queue`` before ``cutoff``; returns how many."""
    mark.keep()
    due = store.sweep(queue, cutoff, LIMIT)
    for message_id in due:
        if not broker.publish(message_id, queue):
            break  # the broker is away; the rest comes up again with the next sweeps
    if due:
        log.info("swept", queue=queue, messages=len(due))
    return len(due)
