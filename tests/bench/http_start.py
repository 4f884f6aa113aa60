"""``POST /v1/verifications`` through a real web process: what it asks of Redis, how long it takes."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django_redis import get_redis_connection

from config.demo.ports import free_port

from .counting import Counter
from .report import Goal, Measure
from .surroundings import Surroundings

#: What publishing a task asks of the broker; every other command there is ours.
PUBLISH = {"LPUSH", "SADD"}

#: Area codes, so that no limit of a prefix is in the way.
_AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228)


#: Every limit that there is, and none of them in the way.
LIMITS = (
    "phone=5/10m,10/1d;ip=900/10m;phone-ip=7/1d;country=90000/1h+90000;purpose=90000/1h+90000;"
    "key=90000/1h+90000;+1=90000/1h+90000;all=90000/1h+90000"
)


def starts(bench: Surroundings) -> Iterator[Measure]:
    """Commands per start, those of Celery's publishing left out; the time that a start takes, and how
    much of it the limits and the guard do.
    """
    get_redis_connection().flushall()  # no cooldown of an earlier measure
    with bench.another_server() as broker:
        common = {
            "CELERY_BROKER_URL": broker.url,
            "API_ACCESS": "bench=verify,client_ip",
            "DJANGO_SETTINGS_MODULE": "tests.bench.roomy",  # a refusal, or a line about one, costs more
        }
        with (
            _web(bench, common | {"OTP_LIMITS": LIMITS, "GUARD_MODE": "shadow"}) as port,
            _web(bench, common | {"OTP_LIMITS": "off", "GUARD_MODE": "off"}) as bare,
        ):
            yield from _trips(bench, port, broker.url)
            yield _cost(bench, port, bare)


@contextmanager
def _web(bench: Surroundings, environment: dict[str, str]) -> Iterator[int]:
    port = free_port()
    web = bench.python(
        *("config.web", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        environment=environment,
    )
    try:
        bench.say("starting a web process")
        bench.wait_for("a web process", lambda: answers(port), web)
        # Its connections are open and the scripts loaded after these.
        for number in range(3):
            _start(bench, port, f"+1{_AREAS[number]}555{9000 + port % 1000}")
        yield port
    finally:
        bench.end(web)


def _trips(bench: Surroundings, port: int, broker_url: str) -> Iterator[Measure]:
    areas = _AREAS if not bench.quick else _AREAS[:8]
    bench.say(f"{len(areas)} starts over HTTP")
    times = []
    with Counter(bench.server.url) as store, Counter(broker_url) as broker:
        for area in areas:
            store.mark()
            broker.mark()
            times.append(_start(bench, port, f"+1{area}5550299"))
        store.mark()
        broker.mark()
        pairs = zip(store.pieces(len(areas)), broker.pieces(len(areas)), strict=True)
        asked = [[*one, *(word for word in other if word not in PUBLISH)] for one, other in pairs]
    yield Measure(
        "start over HTTP: round trips",
        "",
        [float(len(words)) for words in asked],
        goal=Goal("ours", "<=", 4),
        note=f"with all limits and the guard, besides Celery's publish: {', '.join(asked[-1])}",
    )
    yield Measure("start over HTTP: time", "ms", times)


def _cost(bench: Surroundings, port: int, bare: int) -> Measure:
    """Starts in turns with all limits and without any; the median of each round is compared."""
    ours, baseline = [], []
    for number in bench.rounds(9):
        bench.say(f"starts with and without limits, round {number + 1}")
        times: dict[int, list[float]] = {port: [], bare: []}
        for area in _AREAS:
            for line in range(3):
                for which in (port, bare) if line % 2 else (bare, port):
                    phone = f"+1{area}555{1000 + number * 10 + line * 2 + (which == port):04}"
                    times[which].append(_start(bench, which, phone))
        ours.append(statistics.median(times[port]))
        baseline.append(statistics.median(times[bare]))
    return Measure(
        "start with all limits ÷ without",
        "ms",
        ours,
        baseline,
        goal=Goal("ratio", "<=", 1.15),
        note="nine rules and the guard, in the script that issues the code: no round trip of their own",
    )


def _start(bench: Surroundings, port: int, phone: str) -> float:
    """Start a verification; how long it took, in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        begun = time.perf_counter()
        connection.request(
            "POST",
            "/v1/verifications",
            json.dumps({"phone": phone, "client_ip": "198.51.100.7"}),
            {"Authorization": f"Bearer {bench.api_key}", "Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 202:
            raise RuntimeError(f"a start was answered with {answer.status}: {text}")
        return (time.perf_counter() - begun) * 1000
    finally:
        connection.close()


def answers(port: int) -> bool:
    """Whether the web process at ``port`` is up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
