"""How a process that cannot start says so: what is wrong with a setting, and no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import SystemCheckError


@contextmanager
def plainly() -> Iterator[None]:
    """End the process with code 1 and the text of what names a setting and its mend. All else is raised."""
    try:
        yield
    except (ImproperlyConfigured, SystemCheckError) as error:
        raise SystemExit(str(error)) from None
