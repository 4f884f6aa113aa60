"""Providers that report on their own connection. A worker opens it, and closes it after draining.

If Redis is away, we ask the vendor to repeat a report later; see ``ListeningProvider``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from sms import inbound, receipts, registry
from sms.providers.base import ListeningProvider

T = TypeVar("T")


def begin() -> None:
    """Open the connections of this worker. Returns at once, even if a vendor is away."""
    for alias, provider in _listeners():
        provider.on_receipts = partial(_each, receipts.record, alias)
        provider.on_inbound = partial(_each, inbound.receive, alias)
        provider.open()


def end() -> None:
    """Close the connections. Nothing is sent any more."""
    for _, provider in _listeners():
        provider.close()


def _listeners() -> Iterator[tuple[str, ListeningProvider]]:
    for alias, provider in registry.providers().items():
        if isinstance(provider, ListeningProvider):
            yield alias, provider


def _each(record: Callable[[str, T], object], alias: str, found: list[T]) -> None:
    for one in found:
        record(alias, one)
