"""System checks of the SMS settings and the servers. Each finding names the fault and the fix."""

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

#: The tag of checks that ask the servers. Workers run these as they start, other commands only with --deploy.
SERVERS = "servers"

#: Levels of findings, by the letter in their ids.
_LEVELS = {"E": Error, "W": Warning, "I": Info}

Check = Callable[..., list[CheckMessage]]


def finding(id: str, text: str) -> CheckMessage:
    """A finding. Its ``id`` sets its level: sms.E001 is an error, sms.W001 a warning."""
    return _LEVELS[id.partition(".")[2][0]](text, id=id)


def register(*tags: str, deploy: bool = False) -> Callable[[Callable[[], Iterable[CheckMessage]]], Check]:
    """Declare a check that reads settings.

    It finds nothing while a setting has a wrong type or cannot be read, or while a server does not answer.
    Other checks report that.
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
    """The same for a function that yields one text for each fault. The text also names the fix."""
    declare = register(*tags, deploy=deploy)
    return lambda texts: declare(lambda: [finding(id, text) for text in texts()])


def readable(id: str, read: Callable[[], object], *tags: str) -> Check:
    """Declare a check that ``read`` can read its setting. It yields the text of ``ImproperlyConfigured``."""

    @check(id, *tags)
    def texts() -> Iterable[str]:
        try:
            read()
        except ImproperlyConfigured as error:
            yield str(error)

    return texts
