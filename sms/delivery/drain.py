"""A worker's task goes on with whatever is due, so that many messages share what Celery asks for one task.

A queue entry is a wake-up: it names a message, but whoever takes it also takes what else is due, codes
before everything. A task ends when nothing is due. It also ends after SLICE if another task waits for its
thread, such as a sweep, one of the project, or another wake-up, which then goes on in its place. A worker
that is told to stop only begins what Celery has given it already: the rest stays due for others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from celery.worker import state

from sms.delivery.run import deliver

#: Seconds after which a task ends if another waits.
SLICE = 2.0

#: The queues of this worker, codes first; a process that is no worker drains none.
_queues: tuple[str, ...] = ()


def begin(queues: Sequence[str]) -> None:
    """From now on tasks drain these queues."""
    global _queues
    _queues = tuple(queues)


def stop() -> None:
    """From now on each task ends with what it has in hand."""
    begin(())


def drain(message_id: str) -> None:
    """Deliver ``message_id``, if it can be claimed, and what else is due."""
    end = time.monotonic() + SLICE
    message = deliver(message_id, _queues)
    if message is None and _queues:  # what came before it this worker could not open, maybe
        message = deliver(message_id)
    while message is not None and _queues and not (time.monotonic() > end and another_waits()):
        message = deliver("", _queues)


def another_waits() -> bool:
    """Whether this worker has taken a task from the broker for which no thread is free."""
    return len(state.reserved_requests) > len(state.active_requests)
