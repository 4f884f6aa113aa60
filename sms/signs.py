"""Signs of life: what Redis and this process remember of the parts that ``/readyz`` names.

A part is away since its last sign of life that anybody knows of: beat asked for a sweep, a worker ran one, a
process found the part well. Who finds it away leaves that time in Redis, so that all say the same; a question
writes only where something has changed. All times are in ms since the epoch, 0 where there is none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from sms import probe, store
from sms.errors import Unavailable
from sms.names import AWAY, BEAT, SWEPT, UNSWEPT

#: How long sweeps may be asked for that nobody runs, in seconds: three of them, as each is given up after
#: ``store.SWEEP_PENDING``. Calls do not hold all threads of a worker for as long.
UNSWEPT_FOR = 30.0

PARTS = ("redis", "broker", "worker", "beat", "sweep")

#: What the version before this one keeps under BEAT, for ``store.BEAT_SILENT``.
_OF_LATE = 1


class Signs(NamedTuple):
    """What Redis knows."""

    now: int
    beat: int = 0  # it asked for a sweep last
    swept: int = 0  # a worker ran one last
    unswept: int = 0  # the first that was asked for in some queue, and that nobody has run
    away: Mapping[str, int] = {}  # what processes left about the parts

    def words(self) -> dict[str, str]:
        """The state of beat and of the sweeps. Without beat, the state of the sweeps is not known."""
        if self.now - self.beat > store.BEAT_SILENT * 1000:
            return {"beat": "away"}
        late = self.unswept and self.now - self.unswept > UNSWEPT_FOR * 1000
        return {"beat": "ok", "sweep": "away" if late else "ok"}


def read() -> Signs:
    """Ask Redis, by doing what a start does. Raises ``Unavailable``. One round trip."""
    # Nobody asks for a sweep of events where nobody is told of them.
    queues = [UNSWEPT + queue for queue in (*store.QUEUES, store.EVENTS_QUEUE)]
    parts = [AWAY + part for part in PARTS]
    now, beat, swept, *found = probe.redis(BEAT, SWEPT, *queues, *parts)
    unswept, away = found[: len(queues)], found[len(queues) :]
    return Signs(
        now,
        now if beat == _OF_LATE else beat,
        swept,
        min(filter(None, unswept), default=0),
        dict(zip(PARTS, away, strict=True)),
    )


class Memory:
    """When this process found each part well last, or away first."""

    def __init__(self) -> None:
        self._found: dict[str, int] = {}

    def since(self, words: Mapping[str, str], signs: Signs | None) -> dict[str, int]:
        """Since when each part is away that is known to be. ``words``: how each is, ``ok``, ``unknown``, or
        why it is away. ``signs``: None where Redis does not tell.
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
                probe.note(changed, store.REMEMBERED)
        return since

    def _last(self, part: str, known: Signs) -> int:
        """The last sign of life of a part; none is older than now."""
        # Of these two Redis knows it to the moment.
        if told := {"beat": known.beat, "sweep": known.unswept}.get(part):
            return told
        # Who runs a sweep has got it through the broker.
        swept = known.swept if part in ("broker", "worker") else 0
        return max(swept, known.away.get(part, 0), self._found.get(part, 0)) or known.now
