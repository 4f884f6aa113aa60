"""The CPU of a code in Redis, web and worker: the figures from which ``tests.bench.capacity`` reckons."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

from django.test import override_settings
from redis import Redis

from config.demo.embedded import EmbeddedServer

from .capacity import CELLS
from .http_speed import REQUESTS, Web, begun, checks, sent, starts, web_process
from .processes import cpu, readable
from .report import Measure
from .surroundings import Surroundings
from .worker import OURS

#: Codes that wait when the worker starts, and how many are not measured at either end.
BACKLOG, EDGE = 3000, 300

#: The steps of a code that arrives, each with the process that takes part.
STEPS = {"start": "web", "send": "worker", "check": "web"}


@dataclass(frozen=True, slots=True)
class Side:
    """Where codes and messages are. ``here``: makes this process use it as well."""

    servers: tuple[EmbeddedServer, ...]
    environment: dict[str, str]
    here: Callable[[], AbstractContextManager[Any]]


def costs(bench: Surroundings) -> Iterator[Measure]:
    """Milliseconds of CPU: of Redis and of the process that asks it. Once with one server, once with cells on
    two.
    """
    if not readable():
        return
    with ExitStack() as stack:
        two = tuple(stack.enter_context(bench.another_server()) for _ in range(2))
        sides = {"one": in_one(bench.server), "cells": in_cells(*two)}
        common = {"DJANGO_SETTINGS_MODULE": "tests.bench.roomy", "LOG_LEVEL": "ERROR"}
        webs = {
            name: stack.enter_context(web_process(bench, common | side.environment))
            for name, side in sides.items()
        }
        for name, side in sides.items():
            _step(bench, side, webs[name], "start")  # opens connections, loads the scripts
        found: dict[str, dict[str, list[tuple[float, ...]]]]
        found = {name: {step: [] for step in STEPS} for name in sides}
        for number in (rounds := bench.rounds(6)):
            for step in STEPS:
                for name in sorted(sides, reverse=bool(number % 2)):
                    bench.say(f"CPU of a {step} ({name}), round {number + 1} of {len(rounds)}")
                    found[name][step].append(_step(bench, sides[name], webs[name], step))
        share = share_of_the_first(sides["cells"])
    for step, process in STEPS.items():
        of_redis, of_process = zip(*found["one"][step], strict=True)
        yield Measure(f"a {step}: Redis", "ms of CPU", of_redis)
        yield Measure(f"a {step}: {process}", "ms of CPU", of_process)
    for step, process in STEPS.items():
        # The first server has the hub and a share of the cells, the second one has the other cells.
        first, second, of_process = zip(*found["cells"][step], strict=True)
        of_cell = [value / (1 - share) for value in second]
        # Never below 0, as the difference of two measures may be.
        of_hub = [max(0.0, both - share * value) for both, value in zip(first, of_cell, strict=True)]
        yield Measure(f"a {step} in cells: the hub", "ms of CPU", of_hub)
        yield Measure(f"a {step} in cells: the phone's cell", "ms of CPU", of_cell)
        yield Measure(f"a {step} in cells: {process}", "ms of CPU", of_process)


def in_one(server: EmbeddedServer) -> Side:
    """One cell on the bench's own server."""
    return Side((server,), {}, nullcontext)


def in_cells(*servers: EmbeddedServer) -> Side:
    """So many cells on these servers, the hub on the first. The queues stay on the bench's own."""
    from config.servers import caches

    url = ";".join(server.url for server in servers)
    entries, aliases = caches(url, connections=100)
    return Side(
        servers,
        {"REDIS_URL": url, "REDIS_CELLS": f"{CELLS}"},
        lambda: override_settings(CACHES=entries, OTPOST_CACHE=aliases, REDIS_CELLS=CELLS),
    )


def share_of_the_first(side: Side) -> float:
    """The share of the cells that are on the server with the hub."""
    from sms import cells, names

    with side.here():
        aliases = [names.cache_alias(cell) for cell in cells.every()]
    return aliases[1:].count(aliases[0]) / CELLS


def _step(bench: Surroundings, side: Side, web: Web, step: str) -> tuple[float, ...]:
    """What one takes of each server, and last of the process."""
    emptied(bench, side)
    with side.here():
        if step == "send":
            return _delivered(bench, side)
        # Checks have their SMS sent first, one after another.
        with bench.provider.answering_after(0):
            requests = (starts if step == "start" else checks)(REQUESTS)
    before = of_servers(side)
    run = sent(bench, web, requests, "202" if step == "start" else "200")
    return *each(before, of_servers(side), REQUESTS), run.cpu


def _delivered(bench: Surroundings, side: Side) -> tuple[float, ...]:
    bench.provider.forget()
    begun(BACKLOG)
    return drained(
        bench, side.environment, BACKLOG, lambda workers: (*of_servers(side), *map(milliseconds, workers))
    )


def emptied(bench: Surroundings, side: Side) -> None:
    """Forget all codes, messages and entries. The queues are always on the bench's own server."""
    for server in {bench.server, *side.servers}:
        Redis.from_url(server.url).flushall()


def drained(
    bench: Surroundings,
    environment: Mapping[str, str],
    codes: int,
    standing: Callable[[Sequence[subprocess.Popen[bytes]]], tuple[float, ...]],
    workers: int = 1,
) -> tuple[float, ...]:
    """What ``standing``, which gets the workers, grows by for each send, while they send what waits."""
    with bench.beat(environment):
        started = [
            bench.python(*OURS, "--hostname", f"bench-{number}@%h", environment=environment)
            for number in range(workers)
        ]
        try:
            bench.wait_for("the first sends", lambda: bench.provider.count() >= EDGE, started[0])
            count, before = bench.provider.count(), standing(started)
            bench.wait_for("the last sends", lambda: bench.provider.count() >= codes - EDGE, started[0])
            count, after = bench.provider.count() - count, standing(started)
        finally:
            for worker in started:
                bench.end(worker)
    return each(before, after, count)


def of_servers(side: Side) -> tuple[float, ...]:
    """Milliseconds of CPU of each so far."""
    return tuple(milliseconds(server.process) for server in side.servers)


def milliseconds(process: subprocess.Popen[bytes]) -> float:
    """CPU so far."""
    return cpu(process) * 1000


def each(before: tuple[float, ...], after: tuple[float, ...], count: int) -> tuple[float, ...]:
    """The growth for one of so many."""
    return tuple((late - early) / count for early, late in zip(before, after, strict=True))
