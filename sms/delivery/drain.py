"""Let one task of a worker deliver everything that is due, so that many messages share Celery's cost of a
task.

A queue entry is a wake-up. It names a message, but its task goes on with other due messages, codes first. A
task ends when nothing is due. It also ends after SLICE if another task waits for its thread, such as a sweep,
a task of the project, or another wake-up, which then goes on. A worker that must stop only begins what Celery
has already given it. The rest stays due for others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from celery.worker import state

from sms.delivery.run import deliver

#: Seconds after which a task ends if another waits.
SLICE = 2.0

#: The queues of this worker, codes first. Empty in other processes.
_queues: tuple[str, ...] = ()


def begin(queues: Sequence[str]) -> None:
    """Let tasks drain these queues from now on."""
    global _queues
    _queues = tuple(queues)


def stop() -> None:
    """Let each task end after its current message."""
    begin(())


def drain(message_id: str) -> None:
    """Deliver ``message_id``, if it can be claimed, and whatever else is due."""
    end = time.monotonic() + SLICE
    message = deliver(message_id, _queues)
    if message is None and _queues:  # the queues may have offered a message that this worker cannot unseal
        message = deliver(message_id)
    while message is not None and _queues and not (time.monotonic() > end and another_waits()):
        message = deliver("", _queues)


def another_waits() -> bool:
    """Whether this worker has taken a task from the broker for which no thread is free."""
    return len(state.reserved_requests) > len(state.active_requests)
