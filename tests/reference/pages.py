"""Every page and picture by its place in ``docs``, and what writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.reference import api, commands, errors, metrics, pictures, python, settings, signals, vendors

PAGES: Mapping[str, Callable[[], str]] = {
    "reference/commands.md": commands.page,
    "reference/errors.md": errors.page,
    "reference/http-api.md": api.page,
    "reference/metrics.md": metrics.page,
    "reference/python.md": python.page,
    "reference/settings.md": settings.page,
    "reference/signals.md": signals.page,
    "providers.md": vendors.providers_page,
    **vendors.pages(),
    **pictures.PICTURES,
}
