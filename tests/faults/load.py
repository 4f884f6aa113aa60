"""A steady stream of starts over HTTP, and what was answered to each."""

from __future__ import annotations

import http.client
import threading
import time
import zlib
from dataclasses import dataclass

from otp import digests
from tests.faults.stack import Stack

#: So many requests may wait for their answer at once; a web that hangs gets no more than these.
CALLERS = 24


def phone(n: int) -> str:
    """The ``n``-th of the valid numbers that tell the messages of a test apart."""
    return f"+1202{200 + n // 10_000}{n % 10_000:04d}"


@dataclass(frozen=True, slots=True)
class Start:
    """One request. Times are of ``time.monotonic``; ``status`` 0: there was no answer."""

    phone: str
    begun: float
    answered: float
    status: int
    id: str = ""

    @property
    def accepted(self) -> bool:
        return self.status == 202

    def cell(self, count: int) -> int:
        """The cell of its phone if there are so many."""
        return zlib.crc32(digests.of_phone(self.phone, "login")[0].encode()) % count + 1


class Load:
    """Starts a verification for a new number ``rate`` times a second, until it is stopped."""

    def __init__(self, stack: Stack, rate: float) -> None:
        self.starts: list[Start] = []
        self.problems: list[str] = []
        self._stack, self._rate = stack, rate
        self._lock = threading.Lock()
        self._count = 0
        self._due = time.monotonic()
        self._stopped = threading.Event()
        self._callers = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]
        for caller in self._callers:
            caller.start()

    def stop(self) -> None:
        """No new request; returns when each has its answer."""
        self._stopped.set()
        for caller in self._callers:
            caller.join()

    def _call(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                number, self._count = phone(self._count), self._count + 1
                # Calls missed while all callers waited are not made up.
                due = self._due = max(self._due + 1 / self._rate, time.monotonic() - 1)
            if not self._stopped.wait(max(0.0, due - time.monotonic())):
                self.starts.append(self._start(number))

    def _asks(self, number: str) -> dict[str, str]:
        """The body of a start."""
        return {"phone": number}

    def _start(self, number: str) -> Start:
        begun = time.monotonic()
        try:
            status, body, _ = self._stack.call("POST", "/v1/verifications", self._asks(number))
        except (OSError, http.client.HTTPException, ValueError):
            return Start(number, begun, time.monotonic(), 0)
        return Start(number, begun, time.monotonic(), status, body.get("id", ""))
