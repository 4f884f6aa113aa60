"""Starts and sends a second with one, two and four Redis servers, and the CPU of each server.

Clients, workers and the provider share the cores with the servers, and take most of them. So a measured rate
says little about the servers. The CPU of the busiest says how many steps they would carry on cores of their
own. ``tests.bench.capacity`` reckons the same from ``scale``, which knows two servers alone.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from redis import Redis

from .capacity import CELLS
from .http_start import LIMITS
from .processes import readable
from .report import Measure
from .scale import (
    Side,
    drained,
    each,
    emptied,
    in_cells,
    in_one,
    milliseconds,
    of_servers,
    share_of_the_first,
)
from .surroundings import Surroundings

#: Numbers of servers with cells.
COUNTS = (1, 2, 4)

#: The share of the first server may differ by so much from that of the average.
UNEVEN = 0.1

#: Codes of a round.
CODES = 3000

#: Processes that start codes, and that send them: enough to keep two cores busy.
CLIENTS = 2

#: Seconds until the gateway answers: short enough that its slots do not hold a worker back.
ANSWERS_AFTER = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """Of one step in one round. Milliseconds of CPU, and scripts, are for each start or send."""

    rate: float  # a second, by all clients
    client: float  # ms
    queues: float  # ms of the server with the queues
    scripts: float
    servers: tuple[float, ...]  # ms of each with codes, the one with the hub first

    @property
    def carried(self) -> float:
        """How many a second until the busiest server has used up a core."""
        return 1000 / max(self.servers)

    @property
    def another(self) -> float:
        """Milliseconds of CPU of a server without the hub, where there is one."""
        return statistics.fmean(self.servers[1:] or self.servers)


Runs = dict[str, list[Run]]


def rates(bench: Surroundings) -> Iterator[Measure]:
    """In turns: one server with one cell, then cells on one, two and four."""
    if not readable():
        return
    common = {
        "DJANGO_SETTINGS_MODULE": "tests.bench.roomy",
        "GUARD_MODE": "shadow",
        "LOG_LEVEL": "ERROR",
        "OTP_LIMITS": LIMITS,
    }
    with ExitStack() as stack:
        stack.enter_context(bench.provider.answering_after(ANSWERS_AFTER))
        sides = {"1 server, one cell": in_one(bench.server)} | _average(bench)
        for server in [*sides.values()][-1].servers:
            stack.enter_context(server)
        found: dict[str, Runs] = {step: {name: [] for name in sides} for step in ("start", "send")}
        for number in (rounds := bench.rounds(6)):
            for name in sorted(sides, reverse=bool(number % 2)):
                bench.say(f"starts and sends: {name}, round {number + 1} of {len(rounds)}")
                emptied(bench, sides[name])
                environment = common | sides[name].environment
                found["start"][name].append(_started(bench, sides[name], environment))
                found["send"][name].append(_sent(bench, sides[name], environment))
        shares = {name: share_of_the_first(side) for name, side in sides.items() if len(side.servers) > 1}
    for step, client in (("start", "a client"), ("send", "a worker")):
        yield from _told(step, client, found[step], shares)


def _average(bench: Surroundings) -> dict[str, Side]:
    """Servers with cells, not yet started. Their addresses decide how many cells each has. These give the
    first as many as the average has.
    """
    while True:
        servers = [bench.another_server() for _ in range(max(COUNTS))]
        sides = {count: in_cells(*servers[:count]) for count in COUNTS}
        if all(abs(share_of_the_first(side) * count - 1) <= UNEVEN for count, side in sides.items()):
            return {f"{n} server{'s' * (n > 1)}, {CELLS} cells": side for n, side in sides.items()}


def _started(bench: Surroundings, side: Side, environment: dict[str, str]) -> Run:
    before = _standing(bench, side)
    starter = bench.python(
        *("tests.bench.starter", str(CODES), str(CLIENTS)), environment=environment, stdout=subprocess.PIPE
    )
    output, _ = starter.communicate(timeout=120)
    bench.end(starter)
    queues, scripts, *of_redis = each(before, _standing(bench, side), CODES)
    rate, client = map(float, output.split())
    return Run(rate, client, queues, scripts, tuple(of_redis))


def _sent(bench: Surroundings, side: Side, environment: dict[str, str]) -> Run:
    bench.provider.forget()

    def standing(workers: Sequence[subprocess.Popen[bytes]]) -> tuple[float, ...]:
        used = sum(map(milliseconds, workers))
        return time.monotonic(), used, *_standing(bench, side)

    seconds, client, queues, scripts, *of_redis = drained(bench, environment, CODES, standing, CLIENTS)
    return Run(1 / seconds, client, queues, scripts, tuple(of_redis))


def _standing(bench: Surroundings, side: Side) -> tuple[float, ...]:
    """CPU of the queues' server, scripts that were run, and CPU of each server with codes, so far."""
    return milliseconds(bench.server.process), sum(map(_scripts, side.servers)), *of_servers(side)


def _scripts(server: Any) -> float:
    asked: Any = Redis.from_url(server.url).info("commandstats")
    return float(asked.get("cmdstat_evalsha", {"calls": 0})["calls"])


def _told(step: str, client: str, runs: Runs, shares: Mapping[str, float]) -> Iterator[Measure]:
    """All about one step. Each figure is compared with that of one server with one cell."""
    one, *more = runs

    def line(name: str, what: str, unit: str, of: Callable[[Run], float], note: str = "") -> Measure:
        ours, theirs = ([of(run) for run in runs[side]] for side in (name, one))
        return Measure(f"{step}s, {name}: {what}", unit, ours, theirs if name != one else (), note=note)

    for name in runs:
        first = f"it has the hub and {shares[name]:.0%} of the cells" if name in shares else ""
        yield line(name, "all clients", f"{step}s/s", lambda run: run.rate)
        yield line(name, "carried by the busiest server", f"{step}s/s", lambda run: run.carried)
        yield line(name, "the first server", "ms of CPU", lambda run: run.servers[0], first)
        if name in shares:
            yield line(name, "another server", "ms of CPU", lambda run: run.another)
        yield line(name, client, "ms of CPU", lambda run: run.client)
        yield line(name, "scripts", "", lambda run: run.scripts)
    for name in more:  # with one cell, its server has the queues as well
        yield Measure(f"{step}s, {name}: the queues", "ms of CPU", [run.queues for run in runs[name]])
