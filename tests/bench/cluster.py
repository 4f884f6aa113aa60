"""The store on a Redis Cluster of three masters, and on one server, in turns."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from .report import Goal, Measure
from .surroundings import Surroundings
from .worker import OURS, WARM_UP

#: Codes of a round.
CODES = 3000

#: Share of what one server does.
LEAST = 0.85


def compare(bench: Surroundings) -> Iterator[Measure]:
    """Starts and sends a second. The queues of a cluster are elsewhere. Those of the one server are elsewhere
    in one round, and with its records in another, where a script pushes the entries.
    """
    from tests.faults.cluster import Cluster  # it reads the settings of the tests, which are not ours

    with (
        TemporaryDirectory(prefix="otpost-bench-cluster-") as name,
        Cluster(Path(name)) as cluster,
        bench.another_server() as queues,
    ):
        elsewhere = {"CELERY_BROKER_URL": queues.url}
        sides = {
            "cluster": elsewhere | {"REDIS_URL": cluster.url},
            "one server": elsewhere | {"REDIS_URL": bench.server.url},
            "one server, queues and all": {},
        }
        found: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
        for number in (rounds := bench.rounds(6)):
            # The machine may be in another mood for the second one, so take turns.
            for side in sorted(sides, reverse=bool(number % 2)):
                bench.say(f"starts and sends on {side}, round {number + 1} of {len(rounds)}")
                cluster.follow().flushall()
                for server in (bench.server, queues):
                    Redis.from_url(server.url).flushall()
                found[side].append(_rates(bench, sides[side]))
    ours = found.pop("cluster")
    for place, what in enumerate(("starts", "sends")):
        for side, theirs in found.items():
            yield Measure(
                f"{what} on a cluster ÷ on {side}",
                f"{what}/s",
                [rates[place] for rates in ours],
                [rates[place] for rates in theirs],
                Goal("ratio", ">=", LEAST) if side == "one server" else None,
            )


def _rates(bench: Surroundings, environment: Mapping[str, str]) -> tuple[float, float]:
    """Starts a second of one process, and the sends a second of a worker that finds them all."""
    codes = CODES // 2 if bench.quick else CODES
    bench.provider.forget()
    starter = bench.python("tests.bench.starter", str(codes), environment=environment, stdout=subprocess.PIPE)
    output, _ = starter.communicate(timeout=120)
    bench.end(starter)
    with bench.beat(environment):
        worker = bench.python(*OURS, environment=environment)
        try:
            bench.wait_for("the last send", lambda: bench.provider.count() >= codes, worker)
        finally:
            bench.end(worker)
    times = sorted(call.received for call in bench.provider.calls())
    late = [at for at in times if at > times[0] + WARM_UP]
    return float(output.split()[0]), len(late) / (late[-1] - late[0])
