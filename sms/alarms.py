"""Tell the operator of what an attack makes happen thousands of times a second: once a minute each.

A kind is told by a log line and a signal when it first happens, then every ``QUIET`` seconds at most, with
a ``count`` of how often since. Each process counts alone: a refused request must cost no round trip.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from time import monotonic

import structlog
from django.dispatch import Signal

from sms import signals

#: Seconds between two lines of one kind.
QUIET = 60.0

#: Kinds that are told apart; further addresses count as one.
MOST = 100


@dataclass(frozen=True, slots=True)
class Alarm:
    event: str  # of the log line
    signal: Signal
    logger: str = "sms"


REJECTED = Alarm("receipt_rejected", signals.receipt_rejected)

_Kind = tuple[Alarm, str, tuple[tuple[str, str], ...]]

#: How often each has happened untold, and when it may be told.
_kept: dict[_Kind, tuple[int, float]] = {}
_lock = threading.Lock()

#: When the next one may be told: all that most requests look at, without the lock.
_due = math.inf


def note(alarm: Alarm, *, source: str = "", **facts: str) -> None:
    """It happened once more. ``source``: a digest of who did it, where that is told apart."""
    global _due
    told = tuple(facts.items())
    with _lock:
        kind = (alarm, source, told)
        if kind not in _kept and len(_kept) >= MOST:
            kind = (alarm, "", told)
        untold, due = _kept.get(kind, (0, 0.0))
        _kept[kind] = untold + 1, due
        _due = min(_due, due)
    tell_due()


def tell_due() -> None:
    """Tell what has waited for ``QUIET`` seconds; the next request tells the last of an attack."""
    global _due
    now = monotonic()
    if now < _due:
        return
    with _lock:
        ripe = {kind: untold for kind, (untold, due) in _kept.items() if now >= due}
        for kind, untold in ripe.items():
            if untold:
                _kept[kind] = 0, now + QUIET
            else:
                del _kept[kind]
        _due = min((due for _, due in _kept.values()), default=math.inf)
    for (alarm, source, told), count in ripe.items():
        if count:
            facts = {**dict(told), "count": count}
            more = {"source": source} if source else {}
            structlog.get_logger(alarm.logger).warning(alarm.event, **facts, **more)
            alarm.signal.send_robust(Alarm, **facts)
