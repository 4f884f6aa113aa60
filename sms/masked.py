"""Settings that are secret: whoever prints them sees that they are there, and no more.

Django's `diffsettings` and debug page print settings, and so does Celery (see ``sms.shown``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

MASK = "********"


class Masked(str):
    """A string like any other, but not for who prints what holds it: that uses ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        scheme, separator, _ = self.partition("://")
        return repr(f"{scheme}{separator}{MASK}" if separator else MASK)


def masked(value: Any) -> Any:
    """``value`` with every string in it as a ``Masked``; its keys stay as they are."""
    if isinstance(value, str):
        return Masked(value)
    if isinstance(value, Mapping):
        return {key: masked(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(masked, value))
    return value


def mask_settings(*names: str) -> None:
    """Put what stands in Django's settings under these names behind masks."""
    for name in names:
        if hasattr(settings, name):
            setattr(settings, name, masked(getattr(settings, name)))
