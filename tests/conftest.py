"""Shared by the tests: a real server, a fake one, an empty outbox, a client with a key."""

from __future__ import annotations

import copy
import gc
import json
import math
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import fakeredis
import hypothesis
import pytest
import structlog
from django.test import Client
from redis import Redis

from config import servers
from config.demo import ports
from config.demo.embedded import EmbeddedServer
from sms import alarms, cells, hub, names
from sms.delivery import wakeups
from sms.testing import outbox
from tests.documented import ERRORS, described
from tests.faults.cluster import Cluster
from tests.faults.sentinels import Sentinels
from tests.settings import API_KEY, CACHES
from tests.several import client_of, spread
from tests.tagged import FIRST, forget_nodes, looking

#: Another server's program for the tests of the stores, such as an older Redis; None: that of the wheel.
SERVER = Path(os.environ["OTPOST_TEST_SERVER"]) if os.environ.get("OTPOST_TEST_SERVER") else None

#: The stores they run on instead of one server: "cluster" (three masters and a replica), or "sentinel" (a
#: master and a replica behind three sentinels).
STORE = os.environ.get("OTPOST_TEST_STORE", "")

#: In how many cells: see ``sms.cells``. Empty: in one.
CELLS = os.environ.get("OTPOST_TEST_CELLS", "")

#: How the cache speaks to one server.
ONE_SERVER: dict[str, Any] = CACHES["default"]

#: Config of a server whose clock and memory a test may look at.
DEBUGGED = {"enable_debug_command": "yes"}

# Workers side by side could choose the same port before either listens. granian would then share it without a
# word, and a test would speak to the web of another.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    ports.RANGE = ports.RANGE[int(worker[2:]) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]

# By default hypothesis fails what takes longer than 200 ms, which says more about the machine.
hypothesis.settings.register_profile("otpost", deadline=None)
hypothesis.settings.load_profile("otpost")

#: The slow tests, by their marker: the seconds where the marker tells none.
LONG = {"together": 30.0, "slow": 10.0, "first": 4.0}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Twelve thousand tests are a million objects, all of which stay: no need to look through them again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker begin with an equal part of what takes long, so that none has it left in the end."""
    asked = [marker for marker, wanted in (("one_server", STORE), ("one_cell", CELLS)) if wanted]
    if asked:
        left_out = [item for item in items if any(map(item.get_closest_marker, asked))]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers == 1:
        return
    parts: dict[Path | str, list[pytest.Item]] = {}
    short = []
    for item in items:
        if item.get_closest_marker("together"):
            parts.setdefault(item.path, []).append(item)
        elif takes([item]):
            parts[item.nodeid] = [item]
        else:
            short.append(item)
    long: list[list[pytest.Item]] = [[] for _ in range(workers)]
    seconds = [0.0] * workers
    for part in sorted(parts.values(), key=takes, reverse=True):
        least = seconds.index(min(seconds))
        long[least] += part
        seconds[least] += takes(part)
    dealt: list[pytest.Item] = []
    for worker in range(workers):
        # xdist gives the first of n workers the first nth, and so on.
        share = (len(items) - len(dealt)) // (workers - worker)
        more = max(0, share - len(long[worker]))
        dealt += long[worker] + short[:more]
        del short[:more]
    items[:] = dealt + short


def takes(part: list[pytest.Item]) -> float:
    """About how many seconds, as its marker says."""
    for name, usual in LONG.items():
        if marker := part[0].get_closest_marker(name):
            return float(marker.args[0]) if marker.args else usual
    return 0.0


def server_with(**config: str) -> EmbeddedServer:
    """A server of one test, not started, with settings of its own (`_` stands for `-`)."""
    return EmbeddedServer(
        config={name.replace("_", "-"): value for name, value in config.items()}, program=SERVER
    )


@pytest.fixture(scope="module")
def four_servers() -> Iterator[list[EmbeddedServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(server_with(appendonly="no")) for _ in range(4)]


@pytest.fixture
def three(four_servers: list[EmbeddedServer], settings: Any, redis: Any) -> list[EmbeddedServer]:
    for server in four_servers:
        client_of(server).flushall()
    spread(settings, *(server.url for server in four_servers[:3]))
    assert len({names.cache_alias(cell) for cell in cells.every()[1:]}) == 3
    return four_servers[:3]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One real server, or what STORE says, for the whole run."""
    if STORE == "cluster":
        with Cluster(tmp_path_factory.mktemp("cluster"), program=SERVER, appendonly="no") as cluster:
            yield cluster
        return
    if STORE == "sentinel":
        # A master that a test lets hang stays the master.
        where = tmp_path_factory.mktemp("sentinel")
        with Sentinels(where, down_after=60_000, appendonly="no", **DEBUGGED) as sentinels:
            yield sentinels
        return
    old = SERVER and " v=6." in subprocess.check_output([SERVER, "--version"], text=True)
    with server_with(appendonly="no", **({} if old else DEBUGGED)) as server:
        yield server


@pytest.fixture(scope="session")
def emptier(redis_server: Any) -> Iterator[Any]:
    """A client of the server that stays connected, as to connect costs more than most tests do."""
    if STORE:
        yield redis_server.follow()
        return
    with Redis.from_url(redis_server.url, socket_timeout=60) as patient:  # a busy machine may stand still
        yield patient


def point_cache_at(settings: Any, url: str, **pool: Any) -> None:
    """Let django-redis, and so both stores, use the server, or the cluster, at ``url``."""
    caches = copy.copy(settings.CACHES)
    is_plain = "+" not in url
    default = ONE_SERVER | {"LOCATION": url} if is_plain else servers.cache(url, connections=100)
    default["OPTIONS"] = copy.copy(default["OPTIONS"])
    default["OPTIONS"]["CONNECTION_POOL_KWARGS"] = default["OPTIONS"]["CONNECTION_POOL_KWARGS"] | pool
    settings.CACHES = caches | {"default": default}


@pytest.fixture(autouse=True)
def redis(redis_server: Any, emptier: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty real server behind both stores; the client is for looking at what they left."""
    emptier.flushall()
    outbox.clear()
    point_cache_at(settings, redis_server.url)
    forget_nodes()  # the test before may have had another namespace
    hub._forget()
    monkeypatch.setattr(hub, "RELIED", 0.0)  # whatever happens counts at once
    return looking()


@pytest.fixture
def one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """All waiting messages are in one list: if there are cells, all phones are in one of them."""
    if CELLS:
        monkeypatch.setattr(cells, "_of", lambda _, count: FIRST if count > 1 else cells.HUB)
        monkeypatch.setattr(cells, "of_any", lambda: FIRST)


@pytest.fixture
def fake_redis(redis: Any, settings: Any) -> Any:
    """fakeredis behind both stores: its clock is ``time.time``, which a test may turn."""
    server = fakeredis.FakeServer()
    point_cache_at(
        settings,
        f"redis://fake-{id(server)}:1/0",
        connection_class=fakeredis.FakeRedisConnection,
        server=server,
    )
    return looking()


@pytest.fixture(params=["real", "fake"])
def any_redis(request: pytest.FixtureRequest, redis: Any) -> Any:
    """The test runs twice: on the real server and on fakeredis."""
    return redis if request.param == "real" else request.getfixturevalue("fake_redis")


@pytest.fixture(autouse=True)
def nothing_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting messages must not come back after the test, unless a test asks for them."""
    monkeypatch.setattr(wakeups, "publish_in", lambda *_: None)


@pytest.fixture(autouse=True)
def nothing_reads_on(redis: Any) -> Iterator[None]:
    """The thread that reads what codes taught must not go on reading in the next test."""
    yield
    for thread in threading.enumerate():
        if thread.name == "learning":
            thread.join()


@pytest.fixture(autouse=True)
def same_logging() -> Iterator[None]:
    """Loggers keep the list of processors that they met first. A test that leaves another one behind would
    hide lines from ``capture_logs`` in the tests after it.
    """
    ours = structlog.get_config()
    yield
    left = structlog.get_config()["processors"]
    structlog.configure(**ours)
    assert left is ours["processors"], "use tests.logs.kept() around what configures structlog"


class AlarmClock:
    """The clock by which repeated alarms are reported."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def alarm_clock(monkeypatch: pytest.MonkeyPatch) -> AlarmClock:
    """No alarm of an earlier test is left, and only the test moves the clock of alarms."""
    clock = AlarmClock()
    monkeypatch.setattr(alarms, "monotonic", clock)
    monkeypatch.setattr(alarms, "_kept", {})
    monkeypatch.setattr(alarms, "_due", math.inf)
    return clock


class Api:
    """The HTTP API as a caller with a key sees it."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {API_KEY}"}

    def post(self, path: str, body: Any = None, **extra: Any) -> Any:
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        extra.setdefault("content_type", "application/json")
        sent = data if body is not None else b""
        return documented(self.client.post(path, sent, headers=self.headers, **extra))

    def get(self, path: str) -> Any:
        return documented(self.client.get(path, headers=self.headers))

    def delete(self, path: str) -> Any:
        return documented(self.client.delete(path, headers=self.headers))


def documented(response: Any) -> Any:
    """The response. An error must be in the reference and in the description of its operation."""
    if response.status_code >= 400 and response["Content-Type"] == "application/problem+json":
        error = (response.status_code, response.json()["code"])
        assert error in ERRORS
        request = response.wsgi_request
        known = described(request.method, request.path)
        assert error in known or not known, f"{request.method} {request.path} is not described with {error}"
    return response


@pytest.fixture
def api() -> Api:
    return Api()
