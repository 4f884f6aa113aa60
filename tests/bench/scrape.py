"""The time of a scrape of a full tally, and the delay of checks in the same web process."""

from __future__ import annotations

import http.client
import statistics
import threading
import time
from collections.abc import Iterator

from django_redis import get_redis_connection

from config.demo.ports import free_port
from sms import tally

from .http_start import answers
from .report import Measure
from .surroundings import Surroundings

TOKEN = "metrics-token-of-the-bench-0123456789"

#: The number of fields in a hash of the tally from which on new ones lose a label, see includes/fold.lua.
FULL = 5000

#: Requests of one round.
REQUESTS = 300


def scrapes(bench: Surroundings) -> Iterator[Measure]:
    """Requests for a verification, one after the other, alone and while one scrape follows the other."""
    redis = get_redis_connection()
    redis.flushall()
    counts = {f"starts|issued|login|US|key-{n}": n for n in range(FULL)}
    words = {f"call|refused|main|{n}": n for n in range(FULL)}
    times = {f"call|alias-{n // 23}|{n % 23 if n % 23 < 22 else 'sum'}": n for n in range(FULL)}
    for family, fields in (("counts", counts), ("words", words), ("times", times)):
        redis.hset(tally.place(family), mapping=fields)  # type: ignore[arg-type]  # they are its words
    port = free_port()
    web = bench.python(
        *("config.web", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        environment={"METRICS_TOKEN": TOKEN},
    )
    try:
        bench.wait_for("a web process", lambda: answers(port), web)
        _asked(port, "/metrics", TOKEN)
        alone: list[float] = []
        meanwhile: list[float] = []
        took: list[float] = []
        for number in (rounds := bench.rounds(6)):
            bench.say(f"scrapes, round {number + 1} of {len(rounds)}")
            alone.append(_worst(bench, port))
            over = threading.Event()
            scraper = threading.Thread(target=_scrape, args=(port, over, took))
            scraper.start()
            meanwhile.append(_worst(bench, port))
            over.set()
            scraper.join()
    finally:
        bench.end(web)
    yield Measure("a scrape of a full tally", "ms", took, note=f"{3 * FULL} fields, of one client")
    yield Measure("99 % of requests meanwhile, against none", "ms", meanwhile, alone)


def _scrape(port: int, over: threading.Event, took: list[float]) -> None:
    while not over.is_set():
        took.append(_asked(port, "/metrics", TOKEN))


def _worst(bench: Surroundings, port: int) -> float:
    """The time within which 99 % of so many are answered."""
    path = "/v1/verifications/none"
    return statistics.quantiles([_asked(port, path, bench.api_key) for _ in range(REQUESTS)], n=100)[98]


def _asked(port: int, path: str, token: str) -> float:
    """Ms of one request."""
    begun = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} answers {answer.status}")
    return (time.perf_counter() - begun) * 1000
