"""The gain of the connections of ``sms.scripts`` over redis-py's own pool, which needs fewer lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from .handler import _ours, _rate
from .report import Goal, Measure
from .surroundings import Surroundings


class _Theirs:
    """Every call takes a connection out of redis-py's pool and gives it back."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @contextmanager
    def one(self) -> Iterator[Any]:
        connection = self._pool.get_connection()
        try:
            yield connection
        finally:
            self._pool.release(connection)


def gain(bench: Surroundings) -> Iterator[Measure]:
    """Codes made and accepted a second with either, in turns."""
    from sms import scripts

    theirs = _Theirs(scripts.connection().connection_pool)
    for threads, goal in ((1, None), (16, Goal("ratio", ">=", 1.2))):
        ours: list[float] = []
        baseline: list[float] = []
        for number in (rounds := bench.rounds(9)):
            bench.say(f"connections, {threads} threads, round {number + 1} of {len(rounds)}")
            for side in (ours, baseline) if number % 2 else (baseline, ours):
                with patch.object(
                    scripts, "_connections", scripts._connections if side is ours else lambda *_: theirs
                ):
                    side.append(_rate(_ours, threads, bench.seconds(1)))
        name = f"own connections against redis-py's pool, {threads} thread{'s' * (threads > 1)}"
        yield Measure(name, "pairs/s", ours, baseline, goal)
