"""A server that hangs, as behind a network that takes what it is sent."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def hung(server: Any) -> Iterator[None]:
    """It takes what it is sent, and answers when this is over."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)
