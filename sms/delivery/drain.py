"""A worker's task goes on with whatever is due, so that many messages share Celery's cost of one task.

A queue entry is a wake-up. It names a message, but its task also delivers what else is due in that message's
cell, codes first. A task ends when nothing is due. It also ends after SLICE if another task waits for its
thread, such as a sweep, a task of the project, or another wake-up, which then goes on in its place. A worker
that is stopping only begins what Celery has given it already. The rest stays due for others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from celery.worker import state

from sms import cells
from sms.delivery.run import deliver

#: Seconds after which a task ends if another waits.
SLICE = 2.0

#: This worker's queues, codes first. A process that is no worker drains none.
_queues: tuple[str, ...] = ()


def begin(queues: Sequence[str]) -> None:
    """Make tasks drain these queues from now on."""
    global _queues
    _queues = tuple(queues)


def stop() -> None:
    """Make each task end with the message that it has in hand."""
    begin(())


def drain(message_id: str) -> None:
    """Deliver ``message_id``, if it can be claimed, and then whatever is due."""
    end = time.monotonic() + SLICE
    message = deliver(message_id, _queues)
    if message is None and _queues:  # perhaps this worker could not open that message
        message = deliver(message_id)
    while message is not None and _queues and not (time.monotonic() > end and another_waits()):
        message = deliver("", _queues, cells.of_id(message.id))


def another_waits() -> bool:
    """Whether this worker has taken a task from the broker and has no free thread for it."""
    return len(state.reserved_requests) > len(state.active_requests)
