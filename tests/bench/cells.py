"""The CPU of a start in 64 cells and in one, in turns: see ``sms.cells``. What the hub takes of it, and the
phone's cell, is in ``scale``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping

from redis import Redis

from .processes import cpu, readable
from .report import Goal, Measure
from .surroundings import Surroundings

#: Starts of a round.
STARTS = 4000

#: Of the CPU that a start takes in one cell.
MOST = 1.25


def compare(bench: Surroundings) -> Iterator[Measure]:
    """Limits and guard are on, so the hub is asked first. The queues are on a server of their own."""
    if not readable():
        return
    with bench.another_server() as queues:
        one = {"CELERY_BROKER_URL": queues.url, "DJANGO_SETTINGS_MODULE": "tests.bench.roomy"}
        sides = {"1": one, "64": one | {"REDIS_CELLS": "64"}}
        found: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
        for number in (rounds := bench.rounds(6)):
            for side in sorted(sides, reverse=bool(number % 2)):
                bench.say(f"CPU of starts in cells: {side}, round {number + 1} of {len(rounds)}")
                for server in (bench.server, queues):
                    Redis.from_url(server.url).flushall()
                found[side].append(_costs(bench, sides[side]))
    of_process, of_redis = (
        {side: [costs[place] for costs in found[side]] for side in sides} for place in (0, 1)
    )
    yield Measure(
        "a start in 64 cells ÷ in one: the process",
        "ms of CPU",
        of_process["64"],
        of_process["1"],
        Goal("ratio", "<=", MOST),
    )
    yield Measure("a start in 64 cells ÷ in one: Redis", "ms of CPU", of_redis["64"], of_redis["1"])


def _costs(bench: Surroundings, environment: Mapping[str, str]) -> tuple[float, float]:
    """Milliseconds of CPU of a start: of the process, then of Redis."""
    starts = STARTS // 2 if bench.quick else STARTS
    before = cpu(bench.server.process)
    starter = bench.python(
        "tests.bench.starter", str(starts), environment=environment, stdout=subprocess.PIPE
    )
    output, _ = starter.communicate(timeout=120)
    bench.end(starter)
    of_redis = (cpu(bench.server.process) - before) / starts * 1000
    return float(output.split()[1]), of_redis
