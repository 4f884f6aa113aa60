"""Report floods at most once a minute for each kind.

The first event of a kind is reported at once, by a log line and a signal. Further ones are reported at most
every ``QUIET`` seconds, with their ``count``. Each process counts by itself: a refused request must cost no
round trip.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from time import monotonic

import structlog
from django.dispatch import Signal

from sms import signals

#: Seconds between two reports of one kind.
QUIET = 60.0

#: The number of kinds that are counted separately. Further sources share one count.
MOST = 100


@dataclass(frozen=True, slots=True)
class Alarm:
    event: str  # of the log line
    signal: Signal
    logger: str = "sms"


REJECTED = Alarm("receipt_rejected", signals.receipt_rejected)

_Kind = tuple[Alarm, str, tuple[tuple[str, str], ...]]

#: For each kind: the unreported events, and the time of its next report.
_kept: dict[_Kind, tuple[int, float]] = {}
_lock = threading.Lock()

#: The time of the next report. Most requests only look at this, without the lock.
_due = math.inf


def note(alarm: Alarm, *, source: str = "", **facts: str) -> None:
    """Count one event. ``source``: a digest of its origin, if origins are counted separately."""
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
    """Report what has waited for ``QUIET`` seconds. Any later request reports the end of an attack."""
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
