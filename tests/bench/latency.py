"""From "accepted" to the provider: how long a message waits in Redis and the worker."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterator

from django_redis import get_redis_connection

from .report import Goal, Measure
from .surroundings import Surroundings
from .worker import OURS, capacity, enqueue_ours

#: Share of the worker's capacity that is asked of it.
LOAD = 0.7

#: Seconds at the start that are not measured: connections are opened, threads started.
WARM_UP = 2.0

#: Seconds until the last message must have arrived.
DRAIN = 10.0


def waits(bench: Surroundings) -> Iterator[Measure]:
    """Milliseconds from ``services.send`` returning to the provider's receipt of the request."""
    rate = LOAD * capacity(bench)
    halves: list[float] = []
    tails: list[float] = []
    lost = sent = 0
    rounds = bench.rounds(3)
    for number in rounds:
        bench.say(f"latency at {rate:.0f} messages a second, round {number + 1} of {len(rounds)}")
        with bench.beat():
            found, missing = _run(bench, rate, WARM_UP + bench.seconds(16))
        sent += len(found) + missing
        lost += missing
        halves.append(statistics.median(found))
        tails.append(statistics.quantiles(found, n=100)[98])
    note = f"at {rate:.0f} a second, {LOAD:.0%} of capacity; {lost} of {sent} did not arrive"
    yield Measure("accepted to provider, p50", "ms", halves, goal=Goal("ours", "<", 5), note=note)
    yield Measure("accepted to provider, p99", "ms", tails, goal=Goal("ours", "<", 40))


def _run(bench: Surroundings, rate: float, seconds: float) -> tuple[list[float], int]:
    get_redis_connection().flushall()
    bench.provider.forget()
    worker = bench.python(*OURS)
    try:
        enqueue_ours(0)
        bench.wait_for("the first send", lambda: bench.provider.count() > 0, worker)
        sender = bench.python("tests.bench.sender", str(rate), str(seconds), stdout=subprocess.PIPE)
        output, _ = sender.communicate(timeout=seconds + 30)
        bench.end(sender)
        accepted: dict[int, float] = dict(json.loads(output))
        expected = len(accepted) + 1
        bench.wait_for_some(lambda: bench.provider.count() >= expected, DRAIN)
        received = {call.serial: call.received for call in bench.provider.calls()}
    finally:
        bench.end(worker)
    begun = min(accepted.values()) + WARM_UP
    counted = {serial: at for serial, at in accepted.items() if at >= begun}
    found = [(received[serial] - at) * 1000 for serial, at in counted.items() if serial in received]
    return found, len(counted) - len(found)
