"""The CPU of a message in a worker, against the bare request that it makes."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from django_redis import get_redis_connection

from .bare_pool import THREADS
from .processes import cpu, readable
from .report import Goal, Measure
from .surroundings import Surroundings
from .worker import OURS, enqueue_ours

#: Codes that wait when the worker starts.
BACKLOG = 3000

#: Of these so many are not measured at either end: connections are opened, slots run empty.
WARM_UP, TAIL = 300, 200

#: Seconds until the gateway answers: short enough that its slots do not hold a worker back.
ANSWERS_AFTER = 0.05

#: Slots of one worker to one vendor, whose answers take so many seconds, and codes that wait for them.
MANY, LONG_ANSWER, MANY_CODES = 200, 0.5, 4000


@dataclass(frozen=True, slots=True)
class Run:
    """The CPU of one side."""

    cpu: float  # ms of its process per message
    rate: float  # messages a second
    gateway: float  # share of a core that the gateway's process took


def compare(bench: Surroundings) -> Iterator[Measure]:
    """A worker's backlog in turns with a bare urllib3 pool that posts the same form."""
    if not readable():
        return
    ours, bare = [], []
    rounds = bench.rounds(3)
    with bench.provider.answering_after(ANSWERS_AFTER), bench.beat():
        for number in rounds:
            bench.say(f"CPU of a message: ours, round {number + 1} of {len(rounds)}")
            ours.append(_ours(bench))
            bench.say(f"CPU of a message: bare, round {number + 1} of {len(rounds)}")
            bare.append(_bare(bench))
    yield Measure(
        "CPU of a message ÷ of a bare POST",
        "ms",
        [run.cpu for run in ours],
        [run.cpu for run in bare],
        Goal("ratio", "<=", 2.2),
        note=f"{BACKLOG} codes, {THREADS} threads of urllib3, the gateway answers after "
        f"{ANSWERS_AFTER * 1000:.0f} ms and takes {_share(ours)} and {_share(bare)} of a core",
    )
    yield Measure(
        f"worker at {ANSWERS_AFTER * 1000:.0f} ms ÷ bare POSTs",
        "sends/s",
        [run.rate for run in ours],
        [run.rate for run in bare],
    )


def many_slots(bench: Surroundings) -> Iterator[Measure]:
    """A worker with many slots for one vendor, against as many threads of a bare urllib3 pool."""
    if not readable():
        return
    ours, bare = [], []
    rounds = bench.rounds(3)
    with bench.provider.answering_after(LONG_ANSWER), bench.beat():
        for number in rounds:
            bench.say(f"{MANY} slots: ours, round {number + 1} of {len(rounds)}")
            ours.append(_ours(bench, MANY_CODES, MANY))
            bench.say(f"{MANY} slots: bare, round {number + 1} of {len(rounds)}")
            bare.append(_bare(bench, MANY_CODES, MANY))
    yield Measure(
        f"{MANY} slots to one vendor ÷ bare POSTs",
        "sends/s",
        [run.rate for run in ours],
        [run.rate for run in bare],
        Goal("ratio", ">=", 0.9),
        note=f"{MANY} threads each, the gateway answers after {LONG_ANSWER * 1000:.0f} ms",
    )


def _share(runs: list[Run]) -> str:
    return f"{statistics.median(run.gateway for run in runs):.0%}"


def _ours(bench: Surroundings, count: int = BACKLOG, slots: int = THREADS) -> Run:
    get_redis_connection().flushall()
    bench.provider.forget()
    for serial in range(count):
        enqueue_ours(serial)
    worker = bench.python(*OURS, environment={"WORKER_CONCURRENCY": str(slots)})
    return _measured(bench, worker, count)


def _bare(bench: Surroundings, count: int = BACKLOG, threads: int = THREADS) -> Run:
    """A bare pool that sends our last request as often as our worker has sent one."""
    path, headers, fields = bench.provider.latest()
    kept = {name: value for name, value in headers.items() if name.lower() in ("authorization", "accept")}
    bench.provider.forget()
    task = {"url": bench.provider.url + path, "headers": kept, "fields": fields}
    words = json.dumps(task | {"count": count, "threads": threads})
    return _measured(bench, bench.python("tests.bench.bare_pool", words), count)


def _measured(bench: Surroundings, process: subprocess.Popen[bytes], count: int) -> Run:
    try:
        bench.wait_for("the first sends", lambda: bench.provider.count() >= WARM_UP, process)
        before = _standing(bench, process)
        bench.wait_for("the last sends", lambda: bench.provider.count() >= count - TAIL, process)
        after = _standing(bench, process)
    finally:
        bench.end(process)
    sent, own, gateways, lasted = (late - early for late, early in zip(after, before, strict=True))
    return Run(own / sent * 1000, sent / lasted, gateways / lasted)


def _standing(bench: Surroundings, process: subprocess.Popen[bytes]) -> tuple[float, float, float, float]:
    """Messages so far, CPU of the process and of the gateway, and the time."""
    return bench.provider.count(), cpu(process), cpu(bench.provider.process), time.monotonic()
