"""System checks of the SMS settings and of the servers: what is wrong, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

from sms.declared import register
from sms.errors import Unavailable

#: The tag of what asks the servers: workers ask it as they start, other commands with --deploy.
SERVERS = "servers"

#: By the letter of an id.
_LEVELS = {"E": Error, "W": Warning, "I": Info}

Check = Callable[..., list[CheckMessage]]


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
