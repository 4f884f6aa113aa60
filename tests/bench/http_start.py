"""A start and a check through a real web process: what they ask of Redis, how long a start takes."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django_redis import get_redis_connection

from config.demo.ports import free_port
from otp import codes
from sms import cells, names, scripts

from .counting import Counter
from .report import Goal, Measure
from .surroundings import Surroundings

#: Area codes, so that no limit of a prefix is in the way.
_AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228)


#: Every limit that there is, and none of them in the way.
LIMITS = (
    "phone=5/10m,10/1d;ip=900/10m;phone-ip=7/1d;country=90000/1h+90000;purpose=90000/1h+90000;"
    "key=90000/1h+90000;+1=90000/1h+90000;all=90000/1h+90000"
)


def starts(bench: Surroundings) -> Iterator[Measure]:
    """Commands of a start, the broker's among them, and of a check; the time that a start takes, and how
    much of it the limits and the guard do.
    """
    get_redis_connection().flushall()  # no cooldown of an earlier measure
    common = {
        "API_ACCESS": "bench=verify,client_ip",
        "DJANGO_SETTINGS_MODULE": "tests.bench.roomy",  # a refusal, or a line about one, costs more
    }
    with (
        _web(bench, common | {"OTP_LIMITS": LIMITS, "GUARD_MODE": "shadow"}) as port,
        _web(bench, common | {"OTP_LIMITS": "off", "GUARD_MODE": "off"}) as bare,
    ):
        yield from _trips(bench, port)
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


def _trips(bench: Surroundings, port: int) -> Iterator[Measure]:
    phones = [f"+1{area}5550299" for area in (_AREAS[:8] if bench.quick else _AREAS)]
    bench.say(f"{len(phones)} starts and checks over HTTP")
    ids, times = [], []
    with Counter(bench.server.url) as counter:
        for phone in phones:
            counter.mark()
            id, took = _started(bench, port, phone)
            ids.append(id)
            times.append(took)
        counter.mark()
        yield _round_trips("start", counter.pieces(len(phones)))
    yield Measure("start over HTTP: time", "ms", times)
    typed = [code_of(id) for id in ids]
    with Counter(bench.server.url) as counter:
        for id, code in zip(ids, typed, strict=True):
            counter.mark()
            _post(bench, port, f"/v1/verifications/{id}/check", {"code": code}, 200)
        counter.mark()
        yield _round_trips("check", counter.pieces(len(phones)))


def _round_trips(what: str, asked: list[list[str]]) -> Measure:
    return Measure(
        f"{what} over HTTP: round trips",
        "",
        [float(len(words)) for words in asked],
        goal=Goal("ours", "=", 1),
        note=f"with all limits and the guard, the broker included: {', '.join(asked[-1])}",
    )


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


def code_of(id: str) -> str:
    """The code of a verification, as whoever has Redis and the key can read it."""
    cell = cells.of_id(id)
    seed: Any = scripts.connection(cell).hget(names.key(f"otp:verification:{id}", cell), "seed")
    return codes.derive(settings.PHONE_SECRET_KEY.encode(), seed.decode(), 6)


def _start(bench: Surroundings, port: int, phone: str) -> float:
    """Start a verification; how long it took, in ms."""
    return _started(bench, port, phone)[1]


def _started(bench: Surroundings, port: int, phone: str) -> tuple[str, float]:
    begun = time.perf_counter()
    body = {"phone": phone, "client_ip": "198.51.100.7"}
    text = _post(bench, port, "/v1/verifications", body, 202)
    return json.loads(text)["id"], (time.perf_counter() - begun) * 1000


def _post(bench: Surroundings, port: int, path: str, body: dict[str, str], status: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Authorization": f"Bearer {bench.api_key}", "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != status:
            raise RuntimeError(f"{path} was answered with {answer.status}: {text}")
        return text
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
