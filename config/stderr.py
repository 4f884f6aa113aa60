"""Standard error of web, worker and beat in production: JSON lines, from the first to the last.

Loggers write them once the settings are read. Here is the rest: what comes before, and what no logger gets,
such as a library's warning, an exception that nobody caught, or what is simply printed. In development, and
of a command that somebody typed, all of that stays as Python writes it.

What the interpreter or a library in C says as it crashes passes by: no Python runs any more.
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
    """In place of ``sys.stderr``: one line of all that is printed before an end of line is the last."""

    encoding, errors = "utf-8", "backslashreplace"  # what click looks for

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
    """From now on this process writes JSON lines, unless DEBUG is on."""
    if is_debug():
        return
    sys.stderr = Stderr()
    logging.config.dictConfig(logging_config(json=True, level="INFO"))  # the settings come later
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


def has_begun() -> bool:
    return isinstance(sys.stderr, Stderr)


def say(text: str, *, level: str = "info") -> None:
    """Write a line past every lock, as a handler of signals must: it may have interrupted a logger."""
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
