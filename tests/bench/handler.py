"""``OTPHandler`` against the document's handler: round trips, and how fast a code is made and used."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.test import override_settings
from django_redis import get_redis_connection
from redis.connection import Connection

from .counting import Counter
from .document_handler import DocumentOTPHandler
from .report import Goal, Measure
from .surroundings import Surroundings

#: Seconds of a simulated network's round trip: two machines of one data centre.
FAR = 0.00025

_phones = map("+1{}".format, itertools.count(2_025_550_000))


def trips(bench: Surroundings) -> Iterator[Measure]:
    """Round trips of one call, each counted on its own by the server."""
    from otp.handler import OTPHandler

    calls: dict[str, list[Callable[[str], Any]]] = {"generate_otp": [], "verify_otp": []}
    codes: dict[str, str] = {}
    calls["generate_otp"] = [
        lambda phone: codes.update({phone: DocumentOTPHandler.generate_otp(phone)}),
        lambda phone: codes.update({phone: OTPHandler.generate_otp(phone).code}),
    ]
    calls["verify_otp"] = [
        lambda phone: DocumentOTPHandler.verify_otp(phone, codes[phone]),
        lambda phone: OTPHandler.verify_otp(phone, codes[phone]),
    ]
    _document(1), _ours(1)  # opens connections, loads the scripts
    rounds = bench.rounds(20)
    phones = [(next(_phones), next(_phones)) for _ in rounds]
    for name, sides in calls.items():
        bench.say(f"round trips of {name}")
        with Counter(bench.server.url) as counter:
            for pair in phones:
                for call, phone in zip(sides, pair, strict=True):
                    counter.mark()
                    call(phone)
            counter.mark()
            counts = [float(len(piece)) for piece in counter.pieces(2 * len(phones))]
        yield Measure(f"{name}: round trips", "", counts[1::2], counts[::2], Goal("ours", "=", 1))


def speed(bench: Surroundings) -> Iterator[Measure]:
    """Codes made and accepted a second, in turns with the baseline, by one thread and by 16."""
    for threads, least in ((1, 3.5), (16, 5)):
        name = f"generate + verify, {threads} thread{'s' * (threads > 1)}"
        yield _compare(bench, name, threads, goal=Goal("ratio", ">=", least))
    with _far():
        yield _compare(bench, f"generate + verify, 1 thread, Redis {FAR * 1000:g} ms away", 1, rounds=6)


def _compare(
    bench: Surroundings, name: str, threads: int, goal: Goal | None = None, rounds: int = 12
) -> Measure:
    rates: dict[Callable[[int], None], list[float]] = {_document: [], _ours: []}
    for side in rates:
        _rate(side, threads, 0.2)
    for number in (turns := bench.rounds(rounds)):
        bench.say(f"{name}, round {number + 1} of {len(turns)}")
        # The machine may be in another mood for the second one, so take turns.
        for side in sorted(rates, key=lambda side: side is _ours, reverse=bool(number % 2)):
            get_redis_connection().flushall()
            rates[side].append(_rate(side, threads, bench.seconds(1)))
    return Measure(name, "pairs/s", rates[_ours], rates[_document], goal)


def _document(pairs: int) -> None:
    for _ in range(pairs):
        phone = next(_phones)
        _expect(DocumentOTPHandler.verify_otp(phone, DocumentOTPHandler.generate_otp(phone)))


def _ours(pairs: int) -> None:
    from otp.handler import OTPHandler

    for _ in range(pairs):
        phone = next(_phones)
        _expect(OTPHandler.verify_otp(phone, OTPHandler.generate_otp(phone).code).status)


def _expect(status: str) -> None:
    if status != "valid":
        raise RuntimeError(f"a right code was {status}")


def _rate(side: Callable[[int], None], threads: int, seconds: float) -> float:
    """Pairs a second of all threads together."""
    done: list[int] = []
    go = threading.Barrier(threads + 1)

    def run() -> None:
        side(1)  # a thread's first use of Django's cache makes a client
        go.wait()
        pairs, deadline = 0, time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            side(5)
            pairs += 5
        done.append(pairs)

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    go.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    return sum(done) / (time.perf_counter() - started)


class _FarConnection(Connection):
    """As if the server were on another machine: each answer takes ``FAR`` longer."""

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        super().send_packed_command(command, check_health=check_health)
        time.sleep(FAR)


@contextmanager
def _far() -> Iterator[None]:
    """Both sides use this pool, so both are equally far."""
    default: Any = settings.CACHES["default"]
    options = default["OPTIONS"]
    kwargs = options["CONNECTION_POOL_KWARGS"] | {"connection_class": _FarConnection}
    far = default | {
        "LOCATION": default["LOCATION"].replace("127.0.0.1", "localhost"),  # a pool of its own
        "OPTIONS": options | {"CONNECTION_POOL_KWARGS": kwargs},
    }
    with override_settings(CACHES=settings.CACHES | {"default": far}):
        yield
