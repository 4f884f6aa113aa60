"""Signs of life of the parts that ``/readyz`` names, as Redis and this process remember them.

A part is away since its last known sign of life: beat requested a sweep, a worker ran one, or a process found
the part well. Whoever finds a part away writes that time to Redis, so that all processes report the same. A
check writes only if something changed. All times are in ms since the epoch, 0 if there is none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from sms import probe, steps
from sms.errors import Unavailable
from sms.names import AWAY, BEAT, SWEPT, UNSWEPT

#: Seconds that beat may be silent before it counts as away. It asks for a sweep once a second.
BEAT_SILENT = 15.0

#: Seconds that signs are remembered. A part that is away for longer may be reported as away since a later
#: time.
REMEMBERED = 30 * 86_400.0

#: Seconds for which sweeps may be requested without being run: three of them, as each is given up after
#: ``sweeper.PENDING``. Calls do not occupy all threads of a worker for as long.
UNSWEPT_FOR = 30.0

#: Parts without which nothing works; ``parts`` has more.
PARTS = ("redis", "broker", "worker", "beat", "sweep")

#: The previous version's value of BEAT, kept for BEAT_SILENT.
_OF_LATE = 1


class Signs(NamedTuple):
    """The signs in Redis."""

    now: int
    beat: int = 0  # last request for a sweep
    swept: int = 0  # last sweep run by a worker
    unswept: int = 0  # first request of some queue that no worker has served since
    away: Mapping[str, int] = {}  # written by processes that found a part away

    def words(self) -> dict[str, str]:
        """The state of beat, and of sweeps. Nobody can judge sweeps while none is requested."""
        if self.now - self.beat > BEAT_SILENT * 1000:
            return {"beat": "away"}
        late = self.unswept and self.now - self.unswept > UNSWEPT_FOR * 1000
        return {"beat": "ok", "sweep": "away" if late else "ok"}


def parts() -> tuple[str, ...]:
    """All parts: PARTS, and further servers."""
    return PARTS + probe.parts()


def read() -> Signs:
    """Read the signs, by doing what a start does. One round trip. Raises ``Unavailable``."""
    # Without receivers, no sweep of events is requested.
    queues = [UNSWEPT + queue for queue in (*steps.QUEUES, steps.EVENTS_QUEUE)]
    known = parts()
    now, beat, swept, *found = probe.redis(BEAT, SWEPT, *queues, *(AWAY + part for part in known))
    unswept, away = found[: len(queues)], found[len(queues) :]
    return Signs(
        now,
        now if beat == _OF_LATE else beat,
        swept,
        min(filter(None, unswept), default=0),
        dict(zip(known, away, strict=True)),
    )


class Memory:
    """When this process last found each part well, or first found it away."""

    def __init__(self) -> None:
        self._found: dict[str, int] = {}

    def since(self, words: Mapping[str, str], signs: Signs | None) -> dict[str, int]:
        """Since when each part is away, of those that are.

        ``words``: the state of each part: ``ok``, ``unknown``, or why it is away. ``signs``: None if Redis
        cannot tell.
        """
        known = signs or Signs(int(time.time() * 1000))
        since, changed = {}, {}
        for part, word in words.items():
            if word == "unknown":
                continue
            if word == "ok":
                self._found[part] = known.now
            else:
                since[part] = self._found[part] = self._last(part, known)
            if since.get(part, 0) != known.away.get(part, 0):
                changed[AWAY + part] = since.get(part, 0)
        if signs and changed:
            with suppress(Unavailable):
                probe.note(changed, REMEMBERED)
        return since

    def _last(self, part: str, known: Signs) -> int:
        """The last sign of life of a part; now if there is none."""
        # Redis knows the exact time for these two.
        if told := {"beat": known.beat, "sweep": known.unswept}.get(part):
            return told
        # A worker that runs a sweep has got it through the broker.
        swept = known.swept if part in ("broker", "worker") else 0
        return max(swept, known.away.get(part, 0), self._found.get(part, 0)) or known.now
