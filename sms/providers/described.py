"""Describe each vendor from its file, for ``manage.py providers``, docs/providers.md and docs/vendors."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from sms.providers import provider_classes
from sms.providers.base import ListeningProvider, Provider
from sms.providers.url import options_of

#: The options that every vendor takes.
COMMON = ("from", "timeout", "base_url", "ssl_ca_certs")


class Described(NamedTuple):
    """One vendor."""

    scheme: str
    url: str  # an example
    summary: str  # one line
    text: str  # the docstring of its file
    options: tuple[str, ...]  # their names in the URL
    can: tuple[str, ...]


def vendors() -> Iterator[Described]:
    """Every vendor with a file of its own, in the order of their schemes."""
    for scheme, cls in sorted(provider_classes().items()):
        text = inspect.cleandoc(sys.modules[cls.__module__].__doc__ or "")
        found = re.match(r"``([^`]+)``:\s*((?:.+\n?)+)", text)
        if found and found[1].partition("://")[0] == scheme:
            summary = re.split(r"\.(?:\s|$)", " ".join(found[2].split()))[0]
            yield Described(scheme, found[1], summary, text, tuple(_options(cls)), tuple(abilities(cls)))


def abilities(cls: type[Provider]) -> Iterator[str]:
    """Its features, in words. Some need certain options."""
    options = options_of(cls)
    if issubclass(cls, ListeningProvider):
        yield from ("receipts", "inbound")
    if "template" in options:
        yield "templates"
    elif cls.needs_code:
        yield "only codes"
    if _has_own(cls, "parse_receipts", "read_receipts"):
        yield "receipts"
    if _has_own(cls, "look_up", "build_look_up"):
        yield "receipts by poll"
    if _has_own(cls, "parse_inbound", "read_inbound"):
        yield "inbound"
    if cls.repeats_safely:
        yield "repeats safely"
    if _has_own(cls, "feed_back", "build_feedback"):
        yield "feedback"
    if cls.revokes:
        yield "revokes"
    if cls.tells_prices:
        yield "prices"


def _has_own(cls: type[Provider], *methods: str) -> bool:
    """Whether one of these methods is defined outside the base classes."""
    own = [
        base for base in cls.__mro__ if base.__module__ not in ("sms.providers.base", "sms.providers.vendor")
    ]
    return any(method in vars(base) for base in own for method in methods)


def _options(cls: type[Provider]) -> Iterator[str]:
    elsewhere = {"user", "password", "host", "path"}
    called = {option: name for name, option in cls.url_names.items()}
    for option in options_of(cls):
        name = called.get(option, option)
        if name not in elsewhere and name not in COMMON:
            yield name
