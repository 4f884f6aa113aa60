"""``python -m tests.bench.capacity``: how many machines so many codes a second need, and what they cost.

Calculates from docs/scale.json, the output of ``make bench ARGS="--only scale --json"``: milliseconds of
CPU of a start, a send and a check, for Redis and for the process that asks it. A code is one of each.

While one Redis is enough, an installation has one cell. Beyond, it has cells, until its hub is busy.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, comb
from pathlib import Path
from typing import Any

from .chart import Line, chart

DOCS = Path(__file__).parents[2] / "docs"
FIGURES, PICTURE = DOCS / "scale.json", DOCS / "scale.svg"

#: Codes a second in the table of the page.
RATES = (100, 1_000, 20_000, 200_000)

#: How busy a core may be on average. Beyond that, waits grow fast, and there is no room for a burst or the
#: loss of a machine.
BUSY = 0.7

#: Cells of an installation with several servers, and numbers of these.
CELLS = 64
SERVERS = (2, 4, 8)

#: Threads of a worker (WORKER_CONCURRENCY), each of which waits for one answer of a vendor.
THREADS = 80

#: Seconds that are simulated. Those of the first fifth are left out: the queues are still empty then.
SIMULATED = 40.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of CPU that a code takes: Redis for each step, then web and worker; then all steps in cells."""

    redis_start: float
    redis_send: float
    redis_check: float
    web_start: float
    web_check: float
    worker: float
    hub: float
    cell: float
    web_in_cells: float
    worker_in_cells: float

    @property
    def redis(self) -> float:
        return self.redis_start + self.redis_send + self.redis_check

    @property
    def web(self) -> float:
        return self.web_start + self.web_check


def read(measures: Sequence[Mapping[str, Any]]) -> Costs:
    """The output of ``--only scale --json``, in seconds."""
    figures = {measure["measure"]: measure["ours"] for measure in measures}

    def in_cells(what: str, *steps: str) -> float:
        return float(sum(figures[f"a {step} in cells: {what}"] for step in steps)) / 1000

    return Costs(
        redis_start=figures["a start: Redis"] / 1000,
        redis_send=figures["a send: Redis"] / 1000,
        redis_check=figures["a check: Redis"] / 1000,
        web_start=figures["a start: web"] / 1000,
        web_check=figures["a check: web"] / 1000,
        worker=figures["a send: worker"] / 1000,
        hub=in_cells("the hub", "start", "send", "check"),
        cell=in_cells("the phone's cell", "start", "send", "check"),
        web_in_cells=in_cells("web", "start", "check"),
        worker_in_cells=in_cells("worker", "send"),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """The machines for ``rate`` codes a second. All but ``rate`` is of all installations together."""

    rate: float
    installations: int
    servers: int  # of Redis
    queues: int  # servers of Redis for the queues, 0 where these are with the codes
    web: int  # processes, one core each
    workers: int  # processes, one core each
    slots: int  # calls of vendors under way
    first: str  # what is used up first if more come
    cores: int  # of web, workers, each server of either kind and its replica
    price: float  # of a million codes


def plan(costs: Costs, rate: float, *, answer: float, core_hour: float) -> Plan:
    """``answer``: seconds until a vendor answers. ``core_hour``: what one core costs an hour."""
    installations, loads = 1, {"Redis": rate * costs.redis}
    servers, queues, of_web, of_worker = 1, 0, costs.web, costs.worker
    if rate > most(costs):
        installations = queues = ceil(rate / hub_carries(costs))
        each = rate / installations
        servers = installations * ceil(each * (costs.hub + costs.cell) / BUSY)
        loads = {"hub": each * costs.hub, "Redis": rate * (costs.hub + costs.cell) / servers}
        of_web, of_worker = costs.web_in_cells, costs.worker_in_cells
    slots = ceil(rate * answer)
    web, workers = _processes(rate, of_web, of_worker, slots)
    loads |= {
        "web": rate * of_web / web,
        "workers": max(rate * of_worker / workers, slots / workers / THREADS * BUSY),
    }
    cores = 2 * (servers + queues) + web + workers
    return Plan(
        rate,
        installations,
        servers,
        queues,
        web,
        workers,
        slots,
        max(loads, key=lambda name: loads[name]),
        cores,
        cores * core_hour / 3600 / rate * 1e6,
    )


def _processes(rate: float, web: float, worker: float, slots: int) -> tuple[int, int]:
    """How many for web and for workers."""
    return ceil(rate * web / BUSY), ceil(max(rate * worker / BUSY, slots / THREADS))


def most(costs: Costs) -> int:
    """Codes a second of one cell, whose Redis is then as busy as it may be."""
    return int(BUSY / costs.redis)


def hub_carries(costs: Costs) -> int:
    """Codes a second of an installation with cells, however many masters have these."""
    return int(BUSY / costs.hub)


@dataclass(frozen=True, slots=True)
class Carried:
    """Codes a second of several servers, until the first, which has the hub besides, is busy.

    Their addresses decide how many cells each has. So some carry more than others.
    """

    average: int
    least: int  # one of twenty carries less
    most: int  # one of twenty carries more


def carried(costs: Costs, servers: int) -> Carried:
    """Each of the cells is on the first with the same chance."""

    def until_busy(cells: float) -> int:
        return int(BUSY / (costs.hub + costs.cell * cells / CELLS))

    few, many = (_on_one(servers, chance) for chance in (0.05, 0.95))
    return Carried(until_busy(CELLS / servers), until_busy(many), until_busy(few))


def _on_one(servers: int, chance: float) -> int:
    """So many cells at most are on one server, with that chance: the quantile of a binomial distribution."""
    cells, likely = -1, 0.0
    while likely < chance:
        cells += 1
        likely += comb(CELLS, cells) * (servers - 1) ** (CELLS - cells) / servers**CELLS
    return cells


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds until the start is answered, and until a vendor is called: the median, and the slowest 1 %."""

    answered: tuple[float, float]
    called: tuple[float, float]


class Station:
    """So many servers and one line, first come, first served."""

    def __init__(self, servers: int) -> None:
        self._free = [0.0] * servers

    def serve(self, now: float, seconds: float) -> tuple[float, float]:
        """When its service begins and when it ends."""
        begins = max(now, heapq.heappop(self._free))
        heapq.heappush(self._free, begins + seconds)
        return begins, begins + seconds


def simulate(costs: Costs, rate: float, *, web: int, workers: int, answer: float) -> Waits:
    """One installation to which codes come at random. Services take an exponential time around their cost,
    which is worse than what was measured.
    """
    chance = random.Random(1)  # the same picture each time
    redis, webs, cores, slots = Station(1), Station(web), Station(workers), Station(workers * THREADS)
    answered, called = [], []
    later: list[tuple[float, int, Callable[[float], None]]] = []
    serial = 0

    def at(time: float, what: Callable[[float], None]) -> None:
        nonlocal serial
        serial += 1
        heapq.heappush(later, (time, serial, what))

    def through(station: Station, seconds: float, then: Callable[[float], None]) -> Callable[[float], None]:
        return lambda now: at(station.serve(now, chance.expovariate(1 / seconds))[1], then)

    def begin(born: float) -> None:
        counts = born > SIMULATED / 5

        def call(now: float) -> None:
            begins, _ = slots.serve(now, answer)
            if counts:
                called.append(begins - born)

        def answer_it(now: float) -> None:
            if counts:
                answered.append(now - born)
            through(cores, costs.worker, through(redis, costs.redis_send, call))(now)

        through(webs, costs.web_start, through(redis, costs.redis_start, answer_it))(born)

    def check(now: float) -> None:
        through(webs, costs.web_check, through(redis, costs.redis_check, lambda _: None))(now)

    for arrive in (begin, check):
        time = 0.0
        while (time := time + chance.expovariate(rate)) < SIMULATED:
            at(time, arrive)
    while later:
        now, _, goes_on = heapq.heappop(later)
        goes_on(now)
    return Waits(_of(answered), _of(called))


def _of(waits: Sequence[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(waits, n=100)
    return cuts[49], cuts[98]


def table(plans: Sequence[Plan]) -> str:
    """As docs/scale.md shows it."""
    head = (
        "| codes a second | installations | Redis servers, with a replica each | the same for queues "
        "| web processes | workers | calls under way | busiest part | cores | US$ per million codes |"
    )
    rows = [
        f"| {p.rate:,.0f} | {p.installations:,} | {p.servers:,} | {p.queues:,} "
        f"| {p.web:,} | {p.workers:,} | {p.slots:,} | {p.first} | {p.cores:,} | {p.price:.2f} |"
        for p in plans
    ]
    return "\n".join([head, "|" + "---|" * 10, *rows])


def picture(costs: Costs, *, answer: float) -> str:
    """How long a code waits inside an installation with one Redis, from idle to too much (SVG)."""
    top = most(costs) / BUSY
    shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95]
    rates = [share * top for share in shares]
    # Redis alone gets scarce.
    web, workers = _processes(rates[-1], costs.web, costs.worker, ceil(rates[-1] * answer))
    found = [simulate(costs, rate, web=web, workers=workers, answer=answer) for rate in rates]
    return chart(
        "Milliseconds of waiting and work with one Redis, by codes a second",
        rates,
        [
            Line("until the start is answered, slowest 1 %", [one.answered[1] * 1000 for one in found]),
            Line("until the vendor is called, slowest 1 %", [one.called[1] * 1000 for one in found]),
            Line("until the vendor is called, half of them", [one.called[0] * 1000 for one in found]),
        ],
        mark=(most(costs), f"Redis is busy for {BUSY:.0%} of the time"),
    )


def main() -> None:
    """Print what the command line asks for. Exits with 2 on a wrong option."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.capacity",
        description="How many servers, web processes and workers carry so many codes a second, and what they "
        "cost. Reckoned from docs/scale.json.",
    )
    parser.add_argument(
        "--rate", type=_positive, action="append", metavar="N", help="codes a second (may be repeated)"
    )
    parser.add_argument(
        "--answer", type=_positive, default=0.2, metavar="S", help="seconds until a vendor answers (0.2)"
    )
    parser.add_argument(
        "--core-hour", type=_positive, default=0.05, metavar="US$", help="what a core costs an hour (0.05)"
    )
    parser.add_argument(
        "--figures", type=Path, default=FIGURES, metavar="FILE", help="what was measured (docs/scale.json)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--draw", action="store_true", help="write docs/scale.svg as well; takes 20 seconds")
    options = parser.parse_args()
    try:
        costs = read(json.loads(options.figures.read_text()))
    except (OSError, ValueError, LookupError, TypeError) as error:
        parser.error(f"{options.figures} cannot be read: {type(error).__name__}: {error}")
    plans = [
        plan(costs, rate, answer=options.answer, core_hour=options.core_hour)
        for rate in options.rate or RATES
    ]
    if options.draw:
        PICTURE.write_text(picture(costs, answer=options.answer))
    carry: dict[str, Any] = {
        "one_redis": most(costs),
        "hub": hub_carries(costs),
        "servers": {count: asdict(carried(costs, count)) for count in SERVERS},
    }
    found = carry | {"plans": [asdict(one) for one in plans]}
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"One Redis carries {most(costs):,} codes a second, the hub of cells {hub_carries(costs):,}.\n")
    print(table(plans))


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e9:
        raise ValueError
    return number


if __name__ == "__main__":
    main()
