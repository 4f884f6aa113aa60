"""In production, make web, worker and beat write nothing but JSON lines to standard error.

Once the settings are loaded, loggers write these lines. This module covers what comes before, and what no
logger gets, such as warnings, uncaught exceptions, and prints. In development, and for commands that people
type, Python's own output stays.

It does not cover crashes of the interpreter or of C libraries, when no Python code runs any more.
"""

from __future__ import annotations

import io
import logging.config
import os
import sys
import threading
from typing import Any

import structlog

from config.environment import is_debug
from config.logs import line, logging_config

log = structlog.get_logger("config")


class Stderr(io.TextIOBase):
    """Replaces ``sys.stderr``. Output that ends with a line break becomes one log line, whatever is in it."""

    encoding, errors = "utf-8", "backslashreplace"  # click reads them

    def __init__(self) -> None:
        self._kept = threading.local()

    def write(self, text: str) -> int:
        self._kept.text = getattr(self._kept, "text", "") + text
        if text.endswith("\n"):
            self.flush()
        return len(text)

    def flush(self) -> None:
        text, self._kept.text = getattr(self._kept, "text", ""), ""
        say(text, level="error")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return _fileno()


def begin() -> None:
    """Make this process write JSON lines from now on, unless DEBUG is on."""
    if is_debug():
        return
    sys.stderr = Stderr()
    logging.config.dictConfig(logging_config(json=True, level="INFO"))  # until the settings are loaded
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


def has_begun() -> bool:
    return isinstance(sys.stderr, Stderr)


def say(text: str, *, level: str = "info") -> None:
    """Write a line without locks. Signal handlers need that, since they may have interrupted a logger."""
    if text := text.strip():
        os.write(_fileno(), f"{line(text, level)}\n".encode(errors="backslashreplace"))


def _fileno() -> int:
    return sys.__stderr__.fileno() if sys.__stderr__ else 2


def _uncaught(*error: Any, **facts: str) -> None:
    log.critical("uncaught", exc_info=error, **facts)


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_type is not SystemExit:
        thread = found.thread.name if found.thread else ""
        _uncaught(found.exc_type, found.exc_value, found.exc_traceback, thread=thread)


def _unraisable(found: Any) -> None:
    error = found.exc_type, found.exc_value, found.exc_traceback
    log.error("unraisable", exc_info=error, object=found.object)
