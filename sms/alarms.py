"""Tell the operator of what an attack makes happen thousands of times a second: once a minute each.

Each kind is told of in one log line and one signal when it happens first, and then at most every
``QUIET`` seconds, with a ``count`` of how often it happened since. The counts are of this process alone:
a refused request must cost no round trip to Redis.
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

#: Kinds that are told apart. Those of further addresses are counted as one.
MOST = 100


@dataclass(frozen=True, slots=True)
class Alarm:
    """The name of a log line, the signal that goes with it, and the logger of its package."""

    event: str
    signal: Signal
    logger: str = "sms"


REJECTED = Alarm("receipt_rejected", signals.receipt_rejected)


@dataclass(slots=True)
class _Count:
    untold: int = 0
    due: float = 0.0  # when it may be told of


_Kind = tuple[Alarm, str, tuple[tuple[str, str], ...]]
_kept: dict[_Kind, _Count] = {}
_lock = threading.Lock()

#: When there is something to tell: looked at without the lock by every request.
_due = math.inf


def note(alarm: Alarm, *, source: str = "", **facts: str) -> None:
    """It happened once more. ``source``: whose doing it was, where that is told apart, as a digest."""
    global _due
    told = tuple(facts.items())
    kind = (alarm, source, told)
    with _lock:
        if kind not in _kept and len(_kept) >= MOST:
            kind = (alarm, "", told)
        count = _kept.setdefault(kind, _Count())
        count.untold += 1
        _due = min(_due, count.due)
    tell_due()


def tell_due() -> None:
    """Tell of what has waited for ``QUIET`` seconds; the last of an attack is told by the next request."""
    global _due
    now = monotonic()
    if now < _due:
        return
    due = []
    with _lock:
        for kind, count in list(_kept.items()):
            if now < count.due:
                continue
            if count.untold:
                due.append((kind, count.untold))
                count.untold, count.due = 0, now + QUIET
            else:
                del _kept[kind]
        _due = min((count.due for count in _kept.values()), default=math.inf)
    for (alarm, source, told), times in due:
        facts = dict(told)
        structlog.get_logger(alarm.logger).warning(
            alarm.event, **facts, **({"source": source} if source else {}), count=times
        )
        alarm.signal.send_robust(Alarm, **facts, count=times)
