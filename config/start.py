"""How a process begins: what is wrong with a setting keeps it from that, and is said without a traceback."""

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
    """End the process with code 1 and the text of what names a setting and its mend. All else is raised."""
    try:
        yield
    except (ImproperlyConfigured, SystemCheckError) as error:
        if not stderr.has_begun():
            raise SystemExit(str(error)) from None
        log.critical(str(error))
        raise SystemExit(1) from None


def check(**options: Any) -> None:
    """Raise ``SystemCheckError`` for what cannot work, as ``manage.py`` does by itself; log what may not."""
    doubts = io.StringIO()
    BaseCommand(stderr=doubts).check(**options)
    if text := doubts.getvalue().strip():
        log.warning(text)
