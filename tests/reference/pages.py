"""Every page by its name, and what they are written with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.reference import api, commands, errors, metrics, settings, signals
from tests.reference.words import FOLDER

__all__ = ["FOLDER", "PAGES"]

PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "errors.md": errors.page,
    "http-api.md": api.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
    "signals.md": signals.page,
}
