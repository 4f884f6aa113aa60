"""The CPU of a start in 64 cells and in one, in turns: see ``sms.cells``."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

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
    with bench.another_server() as second, bench.another_server() as queues:
        one = {"CELERY_BROKER_URL": queues.url, "DJANGO_SETTINGS_MODULE": "tests.bench.roomy"}
        sides = {
            "1": one,
            "64": one | {"REDIS_CELLS": "64"},
            "two servers": one | {"REDIS_CELLS": "64", "REDIS_URL": f"{bench.server.url};{second.url}"},
        }
        found: dict[str, list[tuple[float, ...]]] = {side: [] for side in sides}
        for number in (rounds := bench.rounds(6)):
            for side in sorted(sides, reverse=bool(number % 2)):
                bench.say(f"CPU of starts in cells: {side}, round {number + 1} of {len(rounds)}")
                for server in (bench.server, second, queues):
                    Redis.from_url(server.url).flushall()
                found[side].append(_costs(bench, sides[side], (bench.server.process, second.process)))
    of_process, of_redis = (
        {side: [costs[place] for costs in found[side]] for side in ("1", "64")} for place in (0, 1)
    )
    yield Measure(
        "a start in 64 cells ÷ in one: the process",
        "ms of CPU",
        of_process["64"],
        of_process["1"],
        Goal("ratio", "<=", MOST),
    )
    yield Measure("a start in 64 cells ÷ in one: Redis", "ms of CPU", of_redis["64"], of_redis["1"])
    # The first server has the hub and a share of the cells, the second one has the other cells.
    cell = [of_second / (1 - share) for _, _, of_second, share in found["two servers"]]
    hub = [first - share * one for (_, first, _, share), one in zip(found["two servers"], cell, strict=True)]
    yield Measure("a start: Redis of the hub", "ms of CPU", hub)
    yield Measure("a start: Redis of the phone's cell", "ms of CPU", cell)


def _costs(
    bench: Surroundings, environment: Mapping[str, str], servers: tuple[Any, ...]
) -> tuple[float, ...]:
    """Milliseconds of CPU of a start: of the process, then of each server. Last, the first one's share of the
    cells.
    """
    starts = STARTS // 2 if bench.quick else STARTS
    before = [cpu(server) for server in servers]
    starter = bench.python(
        "tests.bench.starter", str(starts), environment=environment, stdout=subprocess.PIPE
    )
    output, _ = starter.communicate(timeout=120)
    bench.end(starter)
    after = [cpu(server) for server in servers]
    of_servers = [(late - early) / starts * 1000 for late, early in zip(after, before, strict=True)]
    _, of_process, share = map(float, output.split())
    return of_process, *of_servers, share
