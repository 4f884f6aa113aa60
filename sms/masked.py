"""Settings that are secret: whoever prints them sees that they are there, and no more.

Django's `diffsettings` and debug page print them. Celery's `inspect conf` shows them to whoever may write to
the broker: it masks by name, and looks for those of brokers without the ``CELERY_`` before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

MASK = "********"

#: Celery masks the passwords of these, under these names.
_ADDRESSES = ("broker_url", "broker_read_url", "broker_write_url")


class Masked(str):
    """A string like any other, but for its ``repr``, which printing what holds it uses."""

    __slots__ = ()

    def __repr__(self) -> str:
        scheme, separator, _ = self.partition("://")
        return repr(f"{scheme}{separator}{MASK}" if separator else MASK)


def masked(value: Any, change: Callable[[str], Any] = Masked) -> Any:
    """``value`` with every text in it as a ``Masked``, or changed otherwise; keys stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: masked(part, change) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(masked(part, change) for part in value)
    return value


def mask_settings(*names: str) -> None:
    """Put what stands in Django's settings under these names behind masks."""
    for name in names:
        if hasattr(settings, name):
            setattr(settings, name, masked(getattr(settings, name)))


def mask_what_celery_shows() -> None:
    """Let Celery show nothing of a ``Masked``, and no password in a URL; all else as it did."""
    from celery.app import utils as _utils

    utils: Any = _utils
    theirs = utils.filter_hidden_settings

    def shown(text: str) -> str:
        return MASK if isinstance(text, Masked) else utils.sanitize_url(text, mask=MASK)

    def hidden(conf: Mapping[str, Any]) -> Any:
        return theirs({k: value if k in _ADDRESSES else masked(value, shown) for k, value in conf.items()})

    utils.filter_hidden_settings = hidden
