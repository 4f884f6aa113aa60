"""What Celery shows of a project's settings: `inspect conf` shows all, to whoever may write to the broker.

It masks by the names of settings, and looks for those of brokers without the ``CELERY_`` before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.app import utils as _utils

from sms.masked import MASK, Masked

utils: Any = _utils

#: Celery masks the passwords of these, under these names.
_ADDRESSES = ("broker_url", "broker_read_url", "broker_write_url")

_theirs: Any = utils.filter_hidden_settings


def mask() -> None:
    """Let it show nothing of a ``Masked``, and no password in a URL; all else as it did."""
    utils.filter_hidden_settings = _filter


def _filter(conf: Mapping[str, Any]) -> Any:
    return _theirs({name: value if name in _ADDRESSES else _shown(value) for name, value in conf.items()})


def _shown(value: Any) -> Any:
    if isinstance(value, Masked):
        return MASK
    if isinstance(value, str):
        return utils.sanitize_url(value, mask=MASK)
    if isinstance(value, Mapping):
        return {key: _shown(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_shown, value))
    return value
