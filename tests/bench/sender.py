"""``python -m tests.bench.sender RATE SECONDS``: sends messages at random times, whoever waits.

Arrivals are open-loop: their times are drawn beforehand (exponential gaps) and do not depend on how
fast anything answers. When done, prints what was accepted: ``[[serial, at], …]``
(``time.monotonic()``).
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import time

import django


def main(rate: float, seconds: float) -> None:
    """Send about ``rate`` messages a second for ``seconds``."""
    django.setup()
    import config.celery  # noqa: F401  # `send` publishes through the current Celery app
    from sms.errors import Overloaded

    from .worker import enqueue_ours

    gaps = random.Random(2023)
    accepted = []
    started = due = time.monotonic()
    for serial in itertools.count(1):
        due += gaps.expovariate(rate)
        if due > started + seconds:
            break
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            enqueue_ours(serial)
        except Overloaded:
            continue
        accepted.append((serial, time.monotonic()))
    json.dump(accepted, sys.stdout)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
