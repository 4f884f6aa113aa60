"""``POST /v1/verifications`` through a real web process: what it asks of Redis, how long it takes."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator

from config.ports import free_port

from .counting import Counter
from .report import Goal, Measure
from .surroundings import Surroundings

#: What publishing a task asks of the broker; every other command there is ours.
PUBLISH = {"LPUSH", "SADD"}

#: Area codes, so that no limit of a prefix is in the way.
_AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228)


def starts(bench: Surroundings) -> Iterator[Measure]:
    """Commands per start, those of Celery's publishing left out, and the time that a start takes."""
    port = free_port()
    with bench.another_server() as broker:
        web = bench.python(
            *("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", "1", "config.wsgi:application"),
            environment={"CELERY_BROKER_URL": broker.url},
        )
        try:
            bench.say("starting a web process")
            bench.wait_for("a web process", lambda: answers(port), web)
            yield from _measure(bench, port, broker.url)
        finally:
            bench.end(web)


def _measure(bench: Surroundings, port: int, broker_url: str) -> Iterator[Measure]:
    areas = _AREAS if not bench.quick else _AREAS[:8]
    bench.say(f"{len(areas)} starts over HTTP")
    # Both connections are open and the scripts loaded after these.
    for number in range(3):
        _start(bench, port, f"+1{areas[number]}5550199")
    times = []
    with Counter(bench.server.url) as store, Counter(broker_url) as broker:
        for area in areas:
            store.mark()
            broker.mark()
            begun = time.perf_counter()
            _start(bench, port, f"+1{area}5550123")
            times.append((time.perf_counter() - begun) * 1000)
        store.mark()
        broker.mark()
        pairs = zip(store.pieces(len(areas)), broker.pieces(len(areas)), strict=True)
        asked = [[*one, *(word for word in other if word not in PUBLISH)] for one, other in pairs]
    yield Measure(
        "start over HTTP: round trips",
        "",
        [float(len(words)) for words in asked],
        goal=Goal("ours", "<=", 4),
        note=f"besides Celery's publish: {', '.join(asked[-1])}",
    )
    yield Measure("start over HTTP: time", "ms", times)


def _start(bench: Surroundings, port: int, phone: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(
            "POST",
            "/v1/verifications",
            json.dumps({"phone": phone}),
            {"Authorization": f"Bearer {bench.api_key}", "Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 202:
            raise RuntimeError(f"a start was answered with {answer.status}: {text}")
    finally:
        connection.close()


def answers(port: int) -> bool:
    """Whether a web process does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
