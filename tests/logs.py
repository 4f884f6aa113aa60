"""Tests that configure the logging of their own process give it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def kept() -> Iterator[None]:
    """Undo in the end what a call of ``structlog.configure`` did within it."""
    ours = structlog.get_config()
    try:
        yield
    finally:
        structlog.configure(**ours)
