"""Providers that report on a connection of their own: a worker opens it, and closes it when it has drained.

What cannot be recorded now, as Redis is away, the vendor is told to say again; see ``ListeningProvider``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from sms import inbound, receipts, registry
from sms.providers.base import ListeningProvider

T = TypeVar("T")


def begin() -> None:
    """Open what this worker listens to. It returns at once, also where a vendor is away."""
    for alias, provider in _listeners():
        provider.on_receipts = partial(_each, receipts.record, alias)
        provider.on_inbound = partial(_each, inbound.receive, alias)
        provider.open()


def end() -> None:
    """Close it: nothing is sent any more."""
    for _, provider in _listeners():
        provider.close()


def _listeners() -> Iterator[tuple[str, ListeningProvider]]:
    for alias, provider in registry.providers().items():
        if isinstance(provider, ListeningProvider):
            yield alias, provider


def _each(record: Callable[[str, T], object], alias: str, found: list[T]) -> None:
    for one in found:
        record(alias, one)
