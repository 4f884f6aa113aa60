"""One worker process against plain Celery: sends a second to a provider that answers after 200 ms."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django_redis import get_redis_connection

from .processes import memory, readable
from .report import Goal, Measure
from .surroundings import Surroundings

#: Messages that wait in the queue before a worker starts: more than it can send in time.
BACKLOG = 6000

#: The same for one process of prefork, which sends 5 a second.
PLAIN_BACKLOG = 100

#: Seconds after the first send in which a worker opens its connections and is not measured.
WARM_UP = 1.0

OURS = ("celery", "-A", "config", "worker", "-Q", "otp,bulk,events")
PLAIN = ("celery", "-A", "tests.bench.plain_celery", "worker", "--pool", "prefork", "--concurrency")

PHONE = "+12025550123"


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run of a worker."""

    rate: float  # sends a second
    memory: float  # MiB, at its highest
    answer: float  # ms that the slowest hundredth of the provider's answers took


def rates(bench: Surroundings) -> Iterator[Measure]:
    """Ours in turns with prefork at 2 processes, Celery's default here, and at 32."""
    sides: dict[str, Callable[[], Run]] = {
        "prefork -c 2": lambda: _run_plain(bench, 2),
        "prefork -c 32": lambda: _run_plain(bench, 32),
        "ours": lambda: _run_ours(bench),
    }
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    rounds = bench.rounds(3)
    for number in rounds:
        for side, run in sides.items():
            bench.say(f"worker: {side}, round {number + 1} of {len(rounds)}")
            runs[side].append(run())
    few, many, ours = runs.values()
    rate = [run.rate for run in ours]
    bench.capacity = statistics.median(rate)
    yield Measure(
        "worker against prefork -c 2",
        "sends/s",
        rate,
        [run.rate for run in few],
        Goal("ratio", ">=", 35),
        note=f"the provider answered ours after {statistics.median(run.answer for run in ours):.0f} ms (p99)",
    )
    yield Measure(
        "worker against prefork -c 32", "sends/s", rate, [run.rate for run in many], Goal("ratio", ">=", 2)
    )
    if not readable():
        return
    sizes = [run.memory for run in ours]
    yield Measure(
        "memory against prefork -c 2", "MiB", sizes, [run.memory for run in few], Goal("ours", "<", 150)
    )
    yield Measure("memory against prefork -c 32", "MiB", sizes, [run.memory for run in many])


def capacity(bench: Surroundings) -> float:
    """Sends a second of one of our workers; measured now if it was not before."""
    if bench.capacity is None:
        bench.say("worker: how much it can do")
        bench.capacity = _run_ours(bench).rate
    return bench.capacity


def enqueue_ours(serial: int) -> None:
    """One message, as any caller of the package sends it."""
    from sms import services

    services.send(PHONE, f"Message {serial}", queue=services.OTP_QUEUE, resend_unknown=True)


def _enqueue_plain(serial: int) -> None:
    from .plain_celery import send_sms

    send_sms.apply_async((PHONE, f"Message {serial}"))


def _run_ours(bench: Surroundings) -> Run:
    with bench.beat():
        return _run(bench, OURS, enqueue_ours, BACKLOG)


def _run_plain(bench: Surroundings, processes: int) -> Run:
    # No settings module: with one, Celery would load all of Django, and us, into each process.
    command, messages = (*PLAIN, str(processes)), PLAIN_BACKLOG * processes
    return _run(bench, command, _enqueue_plain, messages, {"DJANGO_SETTINGS_MODULE": ""})


def _run(
    bench: Surroundings,
    command: tuple[str, ...],
    enqueue: Callable[[int], None],
    backlog: int,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Run:
    get_redis_connection().flushall()
    bench.provider.forget()
    messages = backlog // 2 if bench.quick else backlog
    for serial in range(messages):
        enqueue(serial)
    window = WARM_UP + bench.seconds(10)
    worker = bench.python(*command, environment=environment)
    try:
        bench.wait_for("the first send", lambda: bench.provider.count() > 0, worker)
        deadline, highest = time.monotonic() + window, 0.0
        while time.monotonic() < deadline and bench.provider.count() < messages:
            highest = max(highest, memory(worker))
            time.sleep(0.25)
        calls = bench.provider.calls()
    finally:
        bench.end(worker)
    begun = min(call.received for call in calls) + WARM_UP
    ended = min(begun + window - WARM_UP, max(call.received for call in calls))
    sent = sum(begun < call.received <= ended for call in calls)
    answers = [(call.answered - call.received) * 1000 for call in calls if call.answered]
    return Run(sent / (ended - begun), highest, statistics.quantiles(answers, n=100)[98])
