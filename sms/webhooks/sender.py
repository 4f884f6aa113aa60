"""Send due events: a few threads for each endpoint, which end when nothing is due.

The threads are not those of Celery's pool, so that hanging receivers delay no code. A sweep starts the first
thread of an endpoint. A thread that finds an event starts another, up to CALLS.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import structlog

from sms.errors import Unavailable
from sms.webhooks import endpoints, store
from sms.webhooks.endpoints import Endpoint
from sms.webhooks.post import Caller
from sms.webhooks.store import Claimed

log = structlog.get_logger("sms")

#: Seconds to wait after the first, second, … failed try. After one more, the event is a dead letter.
DELAYS = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0)

#: Waits are longer by up to this share, so that events that failed together do not return together.
JITTER = 0.1

#: Concurrent calls to one endpoint from one worker.
CALLS = 8

#: Waiting events of an endpoint from which on an error is logged (includes/event.lua drops events at 50,000),
#: and seconds between two such log lines.
MANY, QUIET = 40_000, 60.0

_lock = threading.Lock()
_running: Counter[str] = Counter()
_stopped = threading.Event()
_quiet_until: dict[str, float] = {}


def begin() -> None:
    """Make this worker send from now on."""
    _stopped.clear()


def stop() -> None:
    """Make each thread end with the call that it has in hand."""
    _stopped.set()


def descriptors() -> int:
    """File descriptors that a worker needs at most: each call may hold a connection, and one to Redis."""
    return 2 * CALLS * len(endpoints.configured())


def wake() -> None:
    """Send what is due for each endpoint. Raises ``Unavailable``."""
    store.expired()
    for name, count in store.waiting().items():
        if count:
            _start(endpoints.configured()[name])
        if count >= MANY and time.monotonic() >= _quiet_until.get(name, 0.0):
            _quiet_until[name] = time.monotonic() + QUIET
            log.error("events_pile_up", endpoint=name, waiting=count)


def _start(endpoint: Endpoint) -> None:
    """Start one more thread for this endpoint, unless it has CALLS."""
    with _lock:
        if _running[endpoint.name] >= CALLS:
            return
        _running[endpoint.name] += 1
    try:
        threading.Thread(target=_run, args=(endpoint,), name=f"events-{endpoint.name}").start()
    except BaseException:
        _ended(endpoint)
        raise


def _ended(endpoint: Endpoint) -> None:
    with _lock:
        _running[endpoint.name] -= 1


def _run(endpoint: Endpoint) -> None:
    caller = Caller(endpoint)
    try:
        for claimed in _claims(endpoint.name):
            with suppress(RuntimeError):  # no thread can be started: sms.consumer handles that
                _start(endpoint)
            send(caller, claimed)
    except Unavailable as error:
        log.warning("events_wait", endpoint=endpoint.name, error=error.reason)
    finally:
        caller.close()
        _ended(endpoint)


def _claims(endpoint: str) -> Iterator[Claimed]:
    """Claim events until none is due. Each round takes one of each cell, so none waits for another's."""
    found = True
    while found:
        found = False
        for cell in store.due(endpoint):
            if _stopped.is_set():
                return
            if claimed := store.claim(endpoint, cell):
                found = True
                yield claimed


def send(caller: Caller, claimed: Claimed) -> None:
    """Try once to send an event, and record the outcome. Raises ``Unavailable``: then it is sent again."""
    why, name = caller.post(claimed.event), caller.endpoint.name
    told = {"endpoint": name, "event_id": claimed.event["id"], "type": claimed.event["type"]}
    if not why:
        store.finish(name, claimed, "delivered")
        log.debug("event_delivered", **told)
    elif claimed.tries < len(DELAYS):
        wait = DELAYS[claimed.tries] * (1 + JITTER * secrets.randbelow(1000) / 1000)
        store.finish(name, claimed, "retried", why=why, wait=wait)
        log.warning("event_retried", **told, error=why, tries=claimed.tries + 1)
    else:
        store.finish(name, claimed, "dead", why=why)
        log.error("event_dead", **told, error=why, tries=claimed.tries + 1)
