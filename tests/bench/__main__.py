"""``python -m tests.bench``: runs the measures and shows one table. See the package for more."""

from __future__ import annotations

import argparse
import sys

from tests.e2e import lighthouse

from . import (
    audits,
    cells,
    cluster,
    copies,
    dashboard,
    growth,
    handler,
    http_speed,
    http_start,
    latency,
    learning,
    memory,
    overload,
    pool,
    pumping,
    puzzles,
    scale,
    scrape,
    servers,
    tallying,
    tracing,
    uniform,
    unreachable,
    webhooks,
    worker,
    worker_cpu,
)
from .report import Measure, as_json, as_table
from .surroundings import Surroundings

MEASURES = {
    "trips": handler.trips,
    "handler": handler.speed,
    "pool": pool.gain,
    "start": http_start.starts,
    "http": http_speed.speed,
    "logged": http_speed.logged,
    "worker": worker.rates,
    "worker-cpu": worker_cpu.compare,
    "slots": worker_cpu.many_slots,
    "latency": latency.waits,
    "overload": overload.answers,
    "counting": tallying.cost,
    "cells": cells.compare,
    "cluster": cluster.compare,
    "copies": copies.price,
    "webhooks": webhooks.cost,
    "tracing": tracing.cost,
    "memory": memory.sizes,
    "growth": growth.curve,
    "dashboard": dashboard.page,
    "lighthouse": audits.scores,
    "pumping": pumping.pumping,
    "challenge": puzzles.costs,
    "learning": learning.learning,
    "unreachable": unreachable.waits,
    "scale": scale.costs,
    "servers": servers.rates,
    "scrape": scrape.scrapes,
    "uniform": uniform.compare,
}


def main() -> None:
    """Measure what the command line asks for. Exits with 2 on a wrong option."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure Otpost on this machine, in turns with what it is compared to. "
        "The whole takes about twenty-five minutes.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, about ten minutes")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=MEASURES,
        help=f"one measure (may be repeated): {', '.join(MEASURES)}",
    )
    options = parser.parse_args()
    if "lighthouse" in (options.only or ()) and (lacking := lighthouse.lacking()):
        parser.error(f"lighthouse {lacking}")
    found: list[Measure] = []
    with Surroundings(quick=options.quick) as bench:
        for name in options.only or MEASURES:
            found += MEASURES[name](bench)
    print(as_json(found) if options.json else as_table(found))


if __name__ == "__main__":
    sys.exit(main())
