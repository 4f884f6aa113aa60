"""Twice the capacity for a minute: what is accepted must still be sent in time."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterator

from django_redis import get_redis_connection

from .report import Goal, Measure
from .surroundings import Surroundings
from .worker import OURS, enqueue_ours

#: A worker with few slots, so that the sender on the same two cores is not the bottleneck.
SLOTS = 20
CAPACITY = SLOTS / 0.2  # messages a second at a provider that answers after 200 ms

LONGEST_WAIT = 10.0  # seconds: the default of SMS_LONGEST_WAIT


def answers(bench: Surroundings) -> Iterator[Measure]:
    """With one provider, and with two that share the slots."""
    one = bench.environment["SMS_PROVIDERS"]
    yield from _answers(bench, "", one)
    yield from _answers(bench, ", two providers", f"{one},spare{one.removeprefix('bench')}")


def _answers(bench: Surroundings, name: str, providers: str) -> Iterator[Measure]:
    """Seconds from accepted to the provider, and what was accepted but never sent."""
    seconds = 20.0 if bench.quick else 60.0
    bench.say(f"overload{name}: {2 * CAPACITY:.0f} a second for {seconds:.0f} s, twice the capacity")
    get_redis_connection().flushall()
    bench.provider.forget()
    environment = {"SMS_PROVIDERS": providers, "WORKER_CONCURRENCY": str(SLOTS)}
    with bench.beat(environment):
        worker = bench.python(*OURS, environment=environment)
        try:
            enqueue_ours(0)
            bench.wait_for("the first send", lambda: bench.provider.count() > 0, worker)
            sender = bench.python(
                *("tests.bench.sender", str(2 * CAPACITY), str(seconds)),
                environment=environment | {"SMS_LONGEST_WAIT": str(LONGEST_WAIT)},
                stdout=subprocess.PIPE,
            )
            output, _ = sender.communicate(timeout=seconds + 30)
            bench.end(sender)
            accepted: dict[int, float] = dict(json.loads(output))
            bench.wait_for_some(lambda: bench.provider.count() > len(accepted), 3 * LONGEST_WAIT)
            received = {call.serial: call.received for call in bench.provider.calls()}
        finally:
            bench.end(worker)
    waits = [received[serial] - at for serial, at in accepted.items() if serial in received]
    asked = 2 * CAPACITY * seconds
    note = f"{len(accepted)} of about {asked:.0f} were accepted, the others refused at once"
    tail = statistics.quantiles(waits, n=100)[98]
    yield Measure(
        f"wait at twice the capacity{name}, p99", "s", [tail], goal=Goal("ours", "<", LONGEST_WAIT), note=note
    )
    lost = float(len(accepted) - len(waits))
    yield Measure(f"accepted at twice the capacity{name}, not sent", "", [lost], goal=Goal("ours", "=", 0))
