"""Bring a message back on time after a short wait.

Sweeps come once a second, and queue behind other tasks for seconds. So the worker that made a message wait
publishes its id when the wait is over. If the worker stops or dies before, a sweep does it.
"""

from __future__ import annotations

import os
import threading
import time
from heapq import heappop, heappush

import structlog

from sms import broker, entries

log = structlog.get_logger("sms")


class Wakeups:
    """Ids and queues, by the time at which to publish them, and the thread that does so."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start empty. A child process has neither the thread nor the messages of its parent."""
        self._due: list[tuple[float, str, str]] = []  # a heap
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def publish_in(self, seconds: float, message_id: str, queue: str) -> None:
        """Publish a message after ``seconds``. Returns at once."""
        with self._changed:
            heappush(self._due, (time.monotonic() + seconds, message_id, queue))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="wakeups", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                _, message_id, queue = heappop(self._due)
            try:
                if entries.room(queue) != 0:  # a full queue has enough entries to deliver it
                    broker.publish(message_id, queue)
            except Exception as error:  # the thread must go on; a sweep brings this message back
                log.error("return_failed", message_id=message_id, error=type(error).__name__)


_wakeups = Wakeups()
publish_in = _wakeups.publish_in
os.register_at_fork(after_in_child=_wakeups.forget)
