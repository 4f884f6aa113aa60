"""What a message costs with ever more records in Redis: it should be the same.

The records are copies, made on the server, of one message that was sent and one that waits; a tenth
of them wait. Each step is timed as a worker or a view runs it, one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.conf import settings
from django.test import override_settings
from django_redis import get_redis_connection

from .report import Goal, Measure
from .surroundings import Surroundings

PHONE = "+12025550123"

#: Live records; the first is what the others are compared with.
SIZES = (1_000, 10_000, 100_000, 1_000_000)

#: How much slower the largest may be: what a sorted set's depth and a colder cache explain.
FLAT = 1.5

_COPY = """
local record, kept, first, last = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
for n = first, last do
  redis.call('RESTORE', 'sms:message:copy-' .. n, kept, record)
  if ARGV[5] ~= '' then
    redis.call('RESTORE', 'sms:body:copy-' .. n, kept, ARGV[5])
    redis.call('ZADD', KEYS[1], ARGV[6], 'copy-' .. n)
  end
end
"""


def curve(bench: Surroundings) -> Iterator[Measure]:
    """Microseconds of each step with 1,000 to 1,000,000 live records, and what these take.

    Each size has a server of its own, so that they are measured in turns.
    """
    times: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        homes = {}
        for size in SIZES:
            bench.say(f"growth: {size:,} live records")
            homes[size] = stack.enter_context(bench.another_server()).url
            with _at(homes[size]):
                used = _fill(size) / size
        rounds = bench.rounds(15)
        for number in rounds:
            bench.say(f"growth, round {number + 1} of {len(rounds)}")
            for size in SIZES if number % 2 else SIZES[::-1]:
                with _at(homes[size]):
                    for step, micros in _steps().items():
                        times.setdefault((step, size), []).append(micros)
    for step in ("enqueue", "claim", "finish", "receipt", "sweep"):
        base = times[step, SIZES[0]]
        for size in SIZES[1:]:
            goal = Goal("ratio", "<=", FLAT) if size == SIZES[-1] else None
            name = f"{step} with {size:,} records against {SIZES[0]:,}"
            yield Measure(name, "µs", times[step, size], base, goal)
    yield Measure(f"memory of a record among {SIZES[-1]:,}", "B", [used])


@contextmanager
def _at(url: str) -> Iterator[None]:
    default: Any = settings.CACHES["default"]
    with override_settings(CACHES=settings.CACHES | {"default": default | {"LOCATION": url}}):
        yield


def _fill(size: int) -> float:
    """Put ``size`` records into an empty server; the bytes that they take."""
    from sms import store
    from sms.message import State

    redis: Any = get_redis_connection()
    empty = redis.info("memory")["used_memory"]
    sent, waits = _message(), _message()
    store.claim(sent)
    store.move(sent, State.SENT, alias="bench", provider_message_id="SM0")
    later = (time.time() + 3600) * 1000
    waiting = size // 10
    for first in range(1, size + 1, 1_000):
        last = min(first + 999, size)
        middle = min(last, waiting)
        if first <= middle:
            body = redis.dump(store.BODY + waits)
            args = (redis.dump(store.RECORD + waits), 3_600_000, first, middle, body, later)
            redis.eval(_COPY, 1, store.LEASES + "bulk", *args)
        if middle < last:
            record = redis.dump(store.RECORD + sent)
            redis.eval(_COPY, 0, record, 3_600_000, max(first, middle + 1), last, "")
    return float(redis.info("memory")["used_memory"] - empty)


def _steps(count: int = 300) -> dict[str, float]:
    """Microseconds of each step, the mean of ``count`` messages."""
    from sms import health, store
    from sms.message import State

    figures = health.breaker().figures
    ids: list[str] = []
    steps: dict[str, Callable[[int], object]] = {
        "enqueue": lambda _: ids.append(_message()),
        "claim": lambda n: store.claim(ids[n]),
        "finish": lambda n: store.move(ids[n], State.SENT, alias="bench"),
        "receipt": lambda n: store.report(
            ids[n], State.DELIVERED, alias="bench", health=health.HEALTH, figures=figures
        ),
        "sweep": lambda _: store.sweep("bulk", int(time.time() * 1000), 1000),
    }
    found = {}
    for step, run in steps.items():
        began = time.perf_counter()
        for n in range(count):
            run(n)
        found[step] = (time.perf_counter() - began) / count * 1e6
    return found


def _message() -> str:
    from sms import services, store

    id = services.new_id()
    sealed = services.seal({"to": PHONE, "body": "123456 is your Bench code."})
    store.create(id, sealed, queue="bulk", expires_at=None, replaces="", country="US", masked="+1••••••••23")
    return id
