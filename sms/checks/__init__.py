"""System checks of the SMS settings and of the servers: what is wrong, and how to mend it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.checks import register as django_register
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

from sms import conf
from sms.errors import Unavailable

#: The tag of what asks the servers: workers ask it as they start, other commands with --deploy.
SERVERS = "servers"

#: By the letter of an id.
_LEVELS = {"E": Error, "W": Warning, "I": Info}

Check = Callable[..., list[CheckMessage]]
_Check = TypeVar("_Check", bound=Callable[..., Sequence[CheckMessage]])


def register(*tags: str, **kwargs: Any) -> Callable[[_Check], _Check]:
    """Django's, for checks that read settings: they are silent while a setting is of a wrong type."""

    def registered(check: _Check) -> _Check:
        @functools.wraps(check)
        def waiting(**given: Any) -> Sequence[CheckMessage]:
            return [] if conf.faults() else check(**given)

        django_register(waiting, *tags, **kwargs)
        return check

    return registered


def finding(id: str, text: str) -> CheckMessage:
    """What a check has found, of the level that ``id`` names: sms.E001 is an error, sms.W001 a warning."""
    return _LEVELS[id.partition(".")[2][0]](text, id=id)


def check(id: str, *tags: str, deploy: bool = False) -> Callable[[Callable[[], Iterable[str]]], Check]:
    """Declare a check: a function that yields a text, with its mend, for each thing that is wrong.

    Where a setting cannot be read or a server does not answer it says nothing: another one does.
    """

    def declare(texts: Callable[[], Iterable[str]]) -> Check:
        def found(**_: Any) -> list[CheckMessage]:
            with suppress(ImproperlyConfigured, Unavailable, RedisError):
                return [finding(id, text) for text in texts()]
            return []

        return register(*tags, deploy=deploy)(found)

    return declare


def readable(id: str, read: Callable[[], object], *tags: str) -> Check:
    """Declare the check that ``read`` can read its setting; its ``ImproperlyConfigured`` is the text."""

    @check(id, *tags)
    def texts() -> Iterable[str]:
        try:
            read()
        except ImproperlyConfigured as error:
            yield str(error)

    return texts
