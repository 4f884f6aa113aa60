"""``python -m tests.bench.starter COUNT``: starts so many codes by 8 threads; prints how many a second."""

from __future__ import annotations

import itertools
import sys
import threading
import time

THREADS = 8


def main(count: int) -> float:
    """Starts a second. One of each thread is not counted: it opens connections."""
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
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    return (count - THREADS) / (time.perf_counter() - begun)


if __name__ == "__main__":
    print(main(int(sys.argv[1])))
