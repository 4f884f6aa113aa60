"""Send due events. Each endpoint has a few threads, which end when nothing is due.

They are outside of Celery's pool, so that receivers that hang do not delay codes. A sweep wakes the first
thread of an endpoint. Each thread that finds an event starts another one, up to CALLS.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from contextlib import suppress

import structlog

from sms.errors import Unavailable
from sms.webhooks import endpoints, store
from sms.webhooks.endpoints import Endpoint
from sms.webhooks.post import Caller
from sms.webhooks.store import Claimed

log = structlog.get_logger("sms")

#: Seconds to wait after the first, second, … failed try. If the try after the last wait fails, the event
#: becomes a dead letter.
DELAYS = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0)

#: Each wait is extended by up to this share, so that events that failed together do not retry together.
JITTER = 0.1

#: Concurrent calls of a worker to one endpoint.
CALLS = 8

#: So many waiting events of an endpoint are logged (includes/event.lua drops from 50,000 on), and the seconds
#: between two such lines.
MANY, QUIET = 40_000, 60.0

_lock = threading.Lock()
_running: Counter[str] = Counter()
_stopped = threading.Event()
_quiet_until: dict[str, float] = {}


def begin() -> None:
    """Send events in this worker from now on."""
    _stopped.clear()


def stop() -> None:
    """Let each thread end after its current call."""
    _stopped.set()


def descriptors() -> int:
    """The most file descriptors that sending takes: one for the receiver and one for Redis in each call."""
    return 2 * CALLS * len(endpoints.configured())


def wake() -> None:
    """Start to send what is due for each endpoint. Raises ``Unavailable``."""
    store.expired()
    for name, count in store.waiting().items():
        if count:
            _start(endpoints.configured()[name])
        if count >= MANY and time.monotonic() >= _quiet_until.get(name, 0.0):
            _quiet_until[name] = time.monotonic() + QUIET
            log.error("events_pile_up", endpoint=name, waiting=count)


def _start(endpoint: Endpoint) -> None:
    """Start another thread for this endpoint, unless it has CALLS."""
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
        while not _stopped.is_set() and (claimed := store.claim(endpoint.name)):
            with suppress(RuntimeError):  # no thread can be started; sms.consumer handles that
                _start(endpoint)
            send(caller, claimed)
    except Unavailable as error:
        log.warning("events_wait", endpoint=endpoint.name, error=error.reason)
    finally:
        caller.close()
        _ended(endpoint)


def send(caller: Caller, claimed: Claimed) -> None:
    """Try to send one event, and record the outcome. On ``Unavailable``, the event is sent again."""
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
