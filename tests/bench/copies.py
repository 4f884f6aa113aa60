"""The cost of accepting a code only once a replica holds it (``OTPOST_COPIES``)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

from redis import Redis

from .report import Measure
from .surroundings import Surroundings

#: Starts of a round.
STARTS = 4000


def price(bench: Surroundings) -> Iterator[Measure]:
    """Starts a second of one process with eight threads; the replica is there on both sides."""
    starts = STARTS // 2 if bench.quick else STARTS
    master: Any = Redis.from_url(bench.server.url)
    found: dict[str, list[float]] = {"0": [], "1": []}
    with bench.another_server() as server:
        replica: Any = Redis.from_url(server.url)
        replica.replicaof("127.0.0.1", bench.server.port)
        for number in (rounds := bench.rounds(9)):
            for copies in sorted(found, reverse=bool(number % 2)):
                bench.say(f"starts with {copies} copies, round {number + 1} of {len(rounds)}")
                master.flushall()
                bench.wait_for_some(lambda: master.execute_command("WAIT", 1, 100) == 1, 30)
                starter = bench.python(
                    "tests.bench.starter",
                    str(starts),
                    environment={"OTPOST_COPIES": copies},
                    stdout=subprocess.PIPE,
                )
                output, _ = starter.communicate(timeout=120)
                bench.end(starter)
                found[copies].append(float(output.split()[0]))
    yield Measure(
        "starts that wait for a replica ÷ that do not",
        "starts/s",
        found["1"],
        found["0"],
        note="on loopback; a network adds its round trip to the replica to each start",
    )
