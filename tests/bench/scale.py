"""The CPU of a code in Redis, web and worker: the figures from which ``tests.bench.capacity`` reckons."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

from django_redis import get_redis_connection

from .http_speed import REQUESTS, Web, checks, sent, starts, web_process
from .processes import cpu, readable
from .report import Measure
from .surroundings import Surroundings
from .worker import OURS, enqueue_ours

#: Codes that wait when the worker starts, and how many are not measured at either end.
BACKLOG, EDGE = 3000, 300

#: The steps of a code that arrives, each with how often it runs.
STEPS = ("start", "send", "check")


def costs(bench: Surroundings) -> Iterator[Measure]:
    """Milliseconds of CPU: of Redis and of the process that asks it."""
    if not readable():
        return
    found: dict[str, list[tuple[float, float]]] = {step: [] for step in STEPS}
    with web_process(bench, {"DJANGO_SETTINGS_MODULE": "tests.bench.roomy", "LOG_LEVEL": "ERROR"}) as web:
        sides: dict[str, Callable[[], tuple[float, float]]] = {
            "start": lambda: _asked(bench, web, starts, "202"),
            "send": lambda: _delivered(bench),
            "check": lambda: _asked(bench, web, checks, "200"),
        }
        sides["start"]()  # opens connections, loads the scripts
        for number in (rounds := bench.rounds(6)):
            for step in STEPS:
                bench.say(f"CPU of a {step}, round {number + 1} of {len(rounds)}")
                found[step].append(sides[step]())
    for step in STEPS:
        of_redis, of_process = zip(*found[step], strict=True)
        process = "worker" if step == "send" else "web"
        yield Measure(f"a {step}: Redis", "ms of CPU", of_redis)
        yield Measure(f"a {step}: {process}", "ms of CPU", of_process)


def _asked(
    bench: Surroundings, web: Web, requests: Callable[[int], list[tuple[str, str]]], status: str
) -> tuple[float, float]:
    """CPU of Redis and of the web process for each request."""
    with bench.provider.answering_after(0):  # checks have their SMS sent first, one after another
        prepared = requests(REQUESTS)
    before = cpu(bench.server.process)
    run = sent(bench, web, prepared, status)
    return (cpu(bench.server.process) - before) / REQUESTS * 1000, run.cpu


def _delivered(bench: Surroundings) -> tuple[float, float]:
    """CPU of Redis and of the worker for each SMS of a backlog."""
    get_redis_connection().flushall()
    bench.provider.forget()
    for serial in range(BACKLOG):
        enqueue_ours(serial)
    with bench.beat():
        worker = bench.python(*OURS)
        try:
            bench.wait_for("the first sends", lambda: bench.provider.count() >= EDGE, worker)
            before = _standing(bench, worker)
            bench.wait_for("the last sends", lambda: bench.provider.count() >= BACKLOG - EDGE, worker)
            after = _standing(bench, worker)
        finally:
            bench.end(worker)
    count, of_redis, of_worker = (late - early for late, early in zip(after, before, strict=True))
    return of_redis / count * 1000, of_worker / count * 1000


def _standing(bench: Surroundings, worker: subprocess.Popen[bytes]) -> tuple[float, float, float]:
    return bench.provider.count(), cpu(bench.server.process), cpu(worker)
