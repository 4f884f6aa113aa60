"""``python -m tests.bench.starter COUNT [PROCESSES]``: starts so many codes by 8 threads of each process.

Each is from another address, and of the API key "bench", so that every rule of OTP_LIMITS counts it. Prints
how many a second, and the milliseconds of CPU of one.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from typing import Any

THREADS = 8


def main(count: int, processes: int = 1) -> tuple[float, float]:
    """What is printed. One start of each thread is not counted: it opens connections."""
    import django

    django.setup()
    import config.celery  # noqa: F401  # what is published goes through the current Celery app
    from otp import services  # noqa: F401  # before the forks, so that each has it at once

    people = [(f"+1{2_025_550_000 + n}", f"198.18.{n >> 8 & 255}.{n & 255}") for n in range(count)]
    fork = multiprocessing.get_context("fork")  # no thread runs yet
    go, told = fork.Barrier(processes * (THREADS + 1)), fork.SimpleQueue()
    children = [
        fork.Process(target=_starts, args=(people[place::processes], go, told)) for place in range(processes)
    ]
    for child in children:
        child.start()
    found = [told.get() for _ in children]
    for child in children:
        child.join()
    begun, ended, used = zip(*found, strict=True)
    counted = count - THREADS * processes
    return counted / (max(ended) - min(begun)), sum(used) / counted * 1000


def _starts(people: list[tuple[str, str]], go: Any, told: Any) -> None:
    """By the threads of one process. Tells when they began and ended, and their CPU, in seconds."""
    from otp import services
    from otp.caller import Caller

    left = iter(people)  # one for all threads: each takes the next

    def start(phone: str, ip: str) -> None:
        services.start(phone, caller=Caller("bench", ip))

    def run() -> None:
        start(*next(left))
        go.wait()
        for person in left:
            start(*person)

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    go.wait()
    begun, before = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    told.put((begun, time.perf_counter(), time.process_time() - before))


if __name__ == "__main__":
    print(*main(*map(int, sys.argv[1:])))
