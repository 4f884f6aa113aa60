"""The first page of the dashboard: how long it takes in a large installation, and what it costs the others.

The server holds 1,000,000 records and 35 days of counters. The page is timed over HTTP, like a browser does:

- the first request to a new process, which reads all hours and days, and further ones;
- the request by which an open page asks for news.

Then the store's steps of a message are timed with the page closed, and with the page open in two browsers.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from urllib.parse import urlencode

from django_redis import get_redis_connection

from . import days, growth
from .http_speed import Web, web_process
from .report import Goal, Measure
from .surroundings import Surroundings

RECORDS = 1_000_000

#: ms; and how much longer a step may take while somebody looks.
FAST, UNSEEN = 100, 1.05

#: Pages of a round, seconds between two questions of an open page, and pages that are open.
PAGES, EVERY, OPEN = 20, 2.0, 2


def page(bench: Surroundings) -> Iterator[Measure]:
    """Milliseconds of the page, and what a message costs while it is looked at."""
    bench.say(f"dashboard: {RECORDS:,} records and {days.DAYS} days")
    first: list[float] = []
    later: list[float] = []
    news: list[float] = []
    with bench.another_server() as server, growth.at(server.url):
        growth.fill(RECORDS)
        days.fill(get_redis_connection(), time.time())
        environment = {
            "API_ACCESS": "bench=read",
            "GUARD_PRICES": "default=0.06",
            "LOG_LEVEL": "ERROR",
            "PUBLIC_URL": "http://127.0.0.1",
            "REDIS_URL": server.url,
        }
        rounds = bench.rounds(9)
        for number in rounds:
            bench.say(f"dashboard, round {number + 1} of {len(rounds)}")
            with web_process(bench, environment) as web:
                browser = _Browser(web, bench.api_key)
                first.append(browser.look())
                later.append(sum(browser.look() for _ in range(PAGES)) / PAGES)
                news.append(sum(browser.look(asks=True) for _ in range(PAGES)) / PAGES)
        yield Measure("dashboard", "ms", later, goal=Goal("ours", "<", FAST))
        note = "it loads the providers and the templates too, and reads the hours and days that are over"
        yield Measure("dashboard, the first look at a new process", "ms", first, note=note)
        yield Measure("dashboard, whether there is news", "ms", news)
        with web_process(bench, environment) as web:
            yield _unseen(bench, _Browser(web, bench.api_key))


def _unseen(bench: Surroundings, browser: _Browser) -> Measure:
    """In turns: nobody looks, and pages are open."""
    alone: list[float] = []
    seen: list[float] = []
    growth.steps()  # opens connections, loads the scripts
    for number in (rounds := bench.rounds(15)):
        bench.say(f"dashboard, looked at, round {number + 1} of {len(rounds)}")
        for looks in (True, False) if number % 2 else (False, True):
            with _open(browser, OPEN if looks else 0):
                took = growth.steps()
            (seen if looks else alone).append(sum(took[step] for step in ("enqueue", "claim", "finish")))
    name = f"a message in the store while {OPEN} look at the dashboard"
    return Measure(name, "µs", seen, alone, Goal("ratio", "<=", UNSEEN))


@contextmanager
def _open(browser: _Browser, pages: int) -> Iterator[None]:
    """Ask as so many open pages do."""
    ended = threading.Event()

    def ask() -> None:
        while pages and not ended.wait(EVERY / pages):
            browser.look(asks=True)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Browser:
    """Somebody who has logged in."""

    def __init__(self, web: Web, api_key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
        self._cookies: dict[str, str] = {}
        self._tag = ""
        found = re.search(rb'csrfmiddlewaretoken" value="(\w+)"', self._ask("GET", "login"))
        body = urlencode({"key": api_key, "csrfmiddlewaretoken": found[1].decode() if found else ""})
        self._ask("POST", "login", body, {"Content-Type": "application/x-www-form-urlencoded"})

    def look(self, *, asks: bool = False) -> float:
        """Milliseconds of the page; ``asks``: of the question whether it has changed."""
        began = time.perf_counter()
        self._ask("GET", "", headers={"If-None-Match": self._tag} if asks else {})
        return (time.perf_counter() - began) * 1000

    def _ask(
        self, method: str, path: str, body: str = "", headers: Mapping[str, str] = MappingProxyType({})
    ) -> bytes:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        self._connection.request(method, f"/dashboard/{path}", body, {"Cookie": cookies, **headers})
        answer = self._connection.getresponse()
        content = answer.read()
        wanted = (303,) if method == "POST" else (200, 304)
        if answer.status not in wanted:
            raise RuntimeError(f"/dashboard/{path} was answered with {answer.status}")
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        self._tag = answer.getheader("ETag") or self._tag
        return content
