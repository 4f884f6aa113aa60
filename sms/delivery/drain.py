"""A worker's task goes on with whatever is due, so that many messages share what Celery asks for one task.

A queue entry is a wake-up: it names a message, but whoever takes it also takes what else is due, codes
before everything. A task ends when nothing is due, and after SLICE, as sweeps and the project's own tasks
want a thread as well; then it wakes another one. A worker that is told to stop begins with nothing more:
the rest stays due for others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sms import broker, wake
from sms.delivery.run import deliver

#: Seconds after which a task begins with no further message.
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
    while message is not None and _queues:
        if time.monotonic() > end:
            # More may be due. Any entry wakes: that of a message that is done claims nothing but what is due.
            if wake.room(message.queue):
                broker.publish(message.id, message.queue)
            return
        message = deliver("", _queues)
