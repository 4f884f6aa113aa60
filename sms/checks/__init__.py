"""System checks of the SMS settings and of the servers: what is wrong, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import django.core.checks
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

from sms import conf
from sms.errors import Unavailable

#: The tag of what asks the servers: workers ask it as they start, other commands with --deploy.
SERVERS = "servers"

#: By the letter of an id.
_LEVELS = {"E": Error, "W": Warning, "I": Info}

Check = Callable[..., list[CheckMessage]]


def finding(id: str, text: str) -> CheckMessage:
    """What a check has found, of the level that ``id`` names: sms.E001 is an error, sms.W001 a warning."""
    return _LEVELS[id.partition(".")[2][0]](text, id=id)


def register(*tags: str, deploy: bool = False) -> Callable[[Callable[[], Iterable[CheckMessage]]], Check]:
    """Declare a check that reads settings. It says nothing while one is of a wrong type or cannot be read, or
    a server does not answer: another check does.
    """

    def declare(findings: Callable[[], Iterable[CheckMessage]]) -> Check:
        @django.core.checks.register(*tags, deploy=deploy)
        def found(**_: Any) -> list[CheckMessage]:
            with suppress(ImproperlyConfigured, Unavailable, RedisError):
                return [] if conf.faults() else list(findings())
            return []

        return found

    return declare


def check(id: str, *tags: str, deploy: bool = False) -> Callable[[Callable[[], Iterable[str]]], Check]:
    """The same for a function that yields a text, with its mend, for each thing that is wrong."""
    declare = register(*tags, deploy=deploy)
    return lambda texts: declare(lambda: [finding(id, text) for text in texts()])


def readable(id: str, read: Callable[[], object], *tags: str) -> Check:
    """Declare the check that ``read`` can read its setting; its ``ImproperlyConfigured`` is the text."""

    @check(id, *tags)
    def texts() -> Iterable[str]:
        try:
            read()
        except ImproperlyConfigured as error:
            yield str(error)

    return texts
