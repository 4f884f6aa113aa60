"""Secret settings that print as asterisks.

Django's `diffsettings` and debug page print settings. Celery's `inspect conf` shows them to anyone who may
write to the broker. It masks by name, but does not expect the prefix ``CELERY_`` in names of brokers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

MASK = "********"

#: Celery itself masks the passwords in these settings.
_ADDRESSES = ("broker_url", "broker_read_url", "broker_write_url")


class Masked(str):
    """A normal string with a masked ``repr``. Containers print their items by ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        scheme, separator, _ = self.partition("://")
        return repr(f"{scheme}{separator}{MASK}" if separator else MASK)


def masked(value: Any, change: Callable[[str], Any] = Masked) -> Any:
    """``value`` with every text in it passed through ``change``. Keys stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: masked(part, change) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(masked(part, change) for part in value)
    return value


def mask_settings(*names: str) -> None:
    """Mask the Django settings of these names."""
    for name in names:
        if hasattr(settings, name):
            setattr(settings, name, masked(getattr(settings, name)))


def mask_what_celery_shows() -> None:
    """Make Celery hide each ``Masked``, and each password in a URL. Everything else stays as it was."""
    from celery.app import utils as _utils

    utils: Any = _utils
    theirs = utils.filter_hidden_settings

    def shown(text: str) -> str:
        return MASK if isinstance(text, Masked) else utils.sanitize_url(text, mask=MASK)

    def hidden(conf: Mapping[str, Any]) -> Any:
        return theirs({k: value if k in _ADDRESSES else masked(value, shown) for k, value in conf.items()})

    utils.filter_hidden_settings = hidden
