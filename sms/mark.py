"""Whose place in Redis this is: a mark by which two installations notice that they share one.

They harm each other because one cannot open what the other sealed. So the mark holds a keyed digest of each
seal key; it survives a rotation, in which every process shares one key with the next. Workers leave it as
they start and with their sweeps; ``sms.checks.place`` reads it.
"""

from __future__ import annotations

import hmac
import time
from contextlib import suppress

import structlog

from sms import conf, names, registry
from sms.errors import Unavailable
from sms.scripts import client

log = structlog.get_logger("sms")

#: Seconds that a mark outlives its last worker.
KEPT = 3600.0

#: Seconds between two marks of one process.
PAUSE = 60.0

_next = 0.0


def keep() -> None:
    """Leave the mark of this installation, at most every PAUSE; log loudly if another's stands.

    Processes that send nothing (memory://) leave none: tests may empty their Redis.
    """
    global _next
    sends = any(provider.scheme != "memory" for provider in registry.providers().values())
    if time.monotonic() < _next or not sends:
        return
    _next = time.monotonic() + PAUSE
    with suppress(Unavailable):
        if is_anothers():  # of two that start together one may overwrite the other's, and is told next time
            log.error("another_installation", namespace=names.namespace())
            return
        with client() as redis:
            redis.set(names.key(names.INSTALLATION), " ".join(_digests()), px=int(KEPT * 1000))


def stands() -> bool:
    """Whether a worker that sends has been here within KEPT. Raises ``Unavailable``."""
    return bool(_found())


def is_anothers() -> bool:
    """Whether the mark was made with none of our seal keys. Raises ``Unavailable``."""
    found = _found()
    return bool(found) and found.isdisjoint(_digests())


def _found() -> set[str]:
    with client() as redis:
        return set((redis.get(names.key(names.INSTALLATION)) or b"").decode().split())


def _digests() -> list[str]:
    keys = (key.encode() if isinstance(key, str) else key for key in conf.get("SMS_SEAL_KEYS"))
    return [hmac.digest(key, b"otpost installation", "sha256")[:8].hex() for key in keys]
