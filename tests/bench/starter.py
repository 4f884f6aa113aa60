"""``python -m tests.bench.starter COUNT``: starts so many codes by 8 threads.

Prints how many a second, and the milliseconds of CPU of one.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time

THREADS = 8


def main(count: int) -> tuple[float, float]:
    """What is printed. One start of each thread is not counted: it opens connections."""
    import django

    django.setup()
    import config.celery  # noqa: F401  # what is published goes through the current Celery app
    from otp import services

    phones = map("+1{}".format, itertools.count(2_025_550_000))
    left = iter(range(count - THREADS))  # one for all threads: each takes the next
    go = threading.Barrier(THREADS + 1)

    def run() -> None:
        services.start(next(phones))
        go.wait()
        for _ in left:
            services.start(next(phones))

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    go.wait()
    begun, before = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    seconds, used = time.perf_counter() - begun, time.process_time() - before
    counted = count - THREADS
    return counted / seconds, used / counted * 1000


if __name__ == "__main__":
    print(*main(int(sys.argv[1])))
