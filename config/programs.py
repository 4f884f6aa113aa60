"""Celery's worker and beat, whose direct output becomes log lines or is dropped."""

from __future__ import annotations

import sys
import threading
import traceback
from typing import Any

from celery import platforms
from celery.apps import beat, worker

from config import stderr

_theirs: Any = worker


class Worker(worker.Worker):
    def on_before_init(self, quiet: bool = False, **options: Any) -> None:
        if stderr.has_begun():
            quiet = True  # no banner, because our line `worker_started` replaces it
            _theirs.safe_say = _say  # Celery reports signals by this function
        super().on_before_init(quiet=quiet, **options)

    def install_platform_tweaks(self, worker: Any) -> None:
        super().install_platform_tweaks(worker)
        platforms.signals["SIGUSR1"] = _tell_stacks


class Beat(beat.Beat):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if stderr.has_begun():
            self.quiet = True


def _say(text: str, *_: Any) -> None:
    """Replaces Celery's function, which writes to standard output."""
    stderr.say(text)


def _tell_stacks(*_: Any) -> None:
    """Log the stack of each thread.

    Celery's function would also show local variables, with numbers and codes.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        _theirs.safe_say(f"{names.get(ident)}\n{''.join(traceback.format_stack(frame))}")
