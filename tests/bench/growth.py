"""The cost of a message with ever more records in Redis: it should be the same.

The records are copies, made on the server, of one message that was sent and one that waits; a tenth
of them wait. Each step is timed at the door of the store, one after the other, and the sealed text is made
once. A sweep finds DUE of those that wait and publishes them again; what the store does of that is
shown too.
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
QUEUE = "bulk"

#: Copies that are made at once.
CHUNK = 1_000

#: Live records; the first is what the others are compared with.
SIZES = (1_000, 10_000, 100_000, 1_000_000)

#: How much slower the largest may be: what a sorted set's depth and a colder cache explain.
FLAT = 1.5

#: And the store's part of a sweep, which moves DUE members within a sorted set: log 100,000 / log 100.
DEEP = 2.5

STORE_PART = "the store's part of a sweep"

#: Messages that a sweep finds due, and sweeps that are timed in a round.
DUE, SWEEPS = 100, 30

#: KEYS: leases, waiting.  ARGV: record, body ('' = it does not wait), ms that they are kept, now and when a
#: sweep looks at it (ms), ids
_COPY = """
for n = 6, #ARGV do
  redis.call('RESTORE', 'sms:message:' .. ARGV[n], ARGV[3], ARGV[1])
  if ARGV[2] ~= '' then
    redis.call('RESTORE', 'sms:body:' .. ARGV[n], ARGV[3], ARGV[2])
    redis.call('ZADD', KEYS[1], ARGV[5] + n, ARGV[n])
    redis.call('ZADD', KEYS[2], ARGV[4] + n, ARGV[n])
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
            with at(homes[size]):
                used = fill(size) / size
        rounds = bench.rounds(15)
        for number in rounds:
            bench.say(f"growth, round {number + 1} of {len(rounds)}")
            for size in SIZES if number % 2 else SIZES[::-1]:
                with at(homes[size]):
                    for step, micros in steps().items():
                        times.setdefault((step, size), []).append(micros)
                get_redis_connection().delete(QUEUE)  # what the sweeps have published
    for step in ("enqueue", "claim", "finish", "receipt", "sweep", STORE_PART):
        base = times[step, SIZES[0]]
        for size in SIZES[1:]:
            goal = Goal("ratio", "<=", DEEP if step == STORE_PART else FLAT) if size == SIZES[-1] else None
            name = f"{step} with {size:,} records against {SIZES[0]:,}"
            yield Measure(name, "µs", times[step, size], base, goal)
    yield Measure(f"memory of a record among {SIZES[-1]:,}", "B", [used])


@contextmanager
def at(url: str) -> Iterator[None]:
    default: Any = settings.CACHES["default"]
    caches = settings.CACHES | {"default": default | {"LOCATION": url}}
    # The wait is estimated, as it usually is, and never too long.
    with override_settings(CACHES=caches, SMS_LONGEST_WAIT={QUEUE: 1e9}):
        yield


def fill(size: int) -> float:
    """Put ``size`` records into an empty server. Returns the bytes that they take."""
    from sms import names, store
    from sms.ids import new as new_id
    from sms.message import State

    redis: Any = get_redis_connection()
    create = _enqueuing()
    sent, waits = create(), create()
    empty = redis.info("memory")["used_memory"]
    store.claim(sent)
    store.finish(sent, State.SENT, alias="bench", provider_message_id="SM0")
    kept, now = 3_600_000, int(time.time() * 1000)
    waiting = (redis.dump(names.RECORD + waits), redis.dump(names.BODY + waits))
    settled = (redis.dump(names.RECORD + sent), "")
    for copies, count in ((waiting, size // 10), (settled, size - size // 10)):
        for first in range(0, count, CHUNK):
            ids = [new_id() for _ in range(min(CHUNK, count - first))]
            keys = (names.LEASES + QUEUE, names.WAITING + QUEUE)
            redis.eval(_COPY, len(keys), *keys, *copies, kept, now, now + kept, *ids)
    store.finish(waits, State.CANCELLED)  # its own lease runs out before the last copies are made
    return float(redis.info("memory")["used_memory"] - empty)


def steps(count: int = 300) -> dict[str, float]:
    """Microseconds of each step, the mean of ``count`` messages or SWEEPS sweeps."""
    from sms import names, store, sweeper
    from sms.message import State

    create = _enqueuing()
    ids: list[str] = []
    steps: dict[str, Callable[[int], object]] = {
        "enqueue": lambda _: ids.append(create()),
        "claim": lambda n: store.claim(ids[n]),
        "finish": lambda n: store.finish(ids[n], State.SENT, alias="bench"),
        "receipt": lambda n: store.record_receipt(ids[n], State.DELIVERED, alias="bench"),
    }
    found = {}
    for step, run in steps.items():
        began = time.perf_counter()
        for n in range(count):
            run(n)
        found[step] = (time.perf_counter() - began) / count * 1e6
    redis: Any = get_redis_connection()
    redis.delete(*(names.RECORD + id for id in ids))  # or the smallest server would grow by a third each time
    sweeps: dict[str, Callable[[], int]] = {
        "sweep": lambda: sweeper.sweep(QUEUE, _now()),
        STORE_PART: lambda: len(sweeper.late(QUEUE, _now(), sweeper.LIMIT)),
    }
    for step, sweep in sweeps.items():
        found[step] = sum(_swept(redis, sweep) for _ in range(SWEEPS)) / SWEEPS * 1e6
    return found


def _swept(redis: Any, sweep: Callable[[], int]) -> float:
    """Seconds of one sweep, where DUE messages are due: it wakes as many of them as it may."""
    from sms import names, sweeper

    leases = names.LEASES + QUEUE
    later = {id: redis.zscore(leases, id) for id in redis.zrandmember(leases, DUE)}
    redis.zadd(leases, dict.fromkeys(later, 0))
    began = time.perf_counter()
    found = sweep()
    took = time.perf_counter() - began
    if found != sweeper.LIMIT:
        raise RuntimeError(f"a sweep woke {found} messages, not {sweeper.LIMIT}; {DUE} were due")
    redis.zadd(leases, later)
    return took


def _now() -> int:
    return int(time.time() * 1000)


def _enqueuing() -> Callable[[], str]:
    """A function that writes one more message, as ``services.send`` does, and returns its id."""
    from sms import services, store
    from sms.ids import new as new_id

    prepared = services.prepare(services.parse_phone(PHONE), "123456 is your Bench code.", queue=QUEUE)

    def create() -> str:
        id = new_id()
        store.send(prepared.args | {"id": id}, expires_at=None, replaces="")
        return id

    return create
