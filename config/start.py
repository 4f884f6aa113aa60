"""Start a process: report faults of settings without a traceback, and exit."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, SystemCheckError

from config import stderr

log = structlog.get_logger("config")


@contextmanager
def plainly() -> Iterator[None]:
    """Exit with code 1 and the text of an error that names a setting and its fix.

    Other exceptions are raised.
    """
    try:
        yield
    except (ImproperlyConfigured, SystemCheckError) as error:
        if not stderr.has_begun():
            raise SystemExit(str(error)) from None
        log.critical(str(error))
        raise SystemExit(1) from None


def check(**options: Any) -> None:
    """Run the system checks, as ``manage.py`` does.

    Log warnings, and raise ``SystemCheckError`` for errors.
    """
    doubts = io.StringIO()
    BaseCommand(stderr=doubts).check(**options)
    if text := doubts.getvalue().strip():
        log.warning(text)
