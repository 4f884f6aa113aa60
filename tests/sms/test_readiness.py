"""/readyz: it sees why codes cannot go out, and delays nobody, however many ask."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django_redis import get_redis_connection

from config.demo.embedded import EmbeddedServer
from sms import names, probe, readiness, signs, sweeper
from tests.conftest import point_cache_at, server_with
from tests.faults.stack import wait_for
from tests.spoilt import SPOILT


@pytest.fixture(autouse=True)
def questions(monkeypatch: pytest.MonkeyPatch) -> readiness.Questions:
    """No answer is left of another test."""
    fresh = readiness.Questions()
    monkeypatch.setattr(readiness, "_questions", fresh)
    return fresh


@pytest.fixture
def server(settings: Any) -> Iterator[EmbeddedServer]:
    with server_with(lua_time_limit="50") as found:
        point_cache_at(settings, found.url)
        yield found


def ready() -> dict[str, Any]:
    response = Client().get("/readyz")
    assert response.status_code == (200 if response.json()["status"] == "ok" else 503)
    return response.json()


WORDS = {
    "out_of_memory": "full",
    "without_its_replicas": "read_only",
    "a_replica": "read_only",
    "a_replica_without_its_master": "read_only",
    "without_a_disk": "read_only",
    "busy": "busy",
    "forbids_scripts": "forbidden_commands",
    "forbids_our_keys": "forbidden_keys",
    "forbids_what_scripts_do": "forbidden_commands",
    "another_password": "password",
    "no_such_database": "database",
    "no_room_for_clients": "away",
}


@pytest.mark.parametrize("name", SPOILT)
def test_it_says_what_redis_cannot_do(server, settings, name):
    """A PING answers in most of these, and every start is a 503."""
    with SPOILT[name](server, settings):
        assert ready()["redis"] == WORDS[name]


@pytest.mark.parametrize("allowed", ["sms", "otp", "http"])
def test_keys_of_one_kind_are_not_enough(server, settings, allowed):
    get_redis_connection().execute_command("ACL", "SETUSER", "u", "on", ">p", "+@all", f"~{allowed}:*")
    point_cache_at(settings, server.url.replace("redis://", "redis://u:p@"))
    assert ready()["redis"] == "forbidden_keys"


def test_a_redis_that_is_well_is_ok_and_keeps_only_what_is_away(redis):
    assert ready()["redis"] == "ok"
    assert set(redis.keys()) == {b"sms:away:broker", b"sms:away:beat"}


def test_a_question_writes_nothing_unless_something_has_changed(server, monkeypatch):
    monkeypatch.setattr(readiness, "FRESH", 0.0)
    ready()
    redis = get_redis_connection()
    redis.config_resetstat()
    ready()
    ready()
    stats = redis.info("commandstats")
    assert (
        stats["cmdstat_set"]["calls"]
        == stats["cmdstat_del"]["calls"]
        == 2 * len((*probe.KEYS, *names.slot()))
    )


def test_beat_is_there_while_it_asks_for_sweeps(redis, monkeypatch):
    assert ready()["beat"] == "away"
    monkeypatch.setattr(readiness, "FRESH", 0.0)
    sweeper.request("otp")
    sweeper.request("otp")  # also where the last one is still under way
    answer = ready()
    assert (answer["beat"], "beat" in answer["since"]) == ("ok", False)
    silent = int(redis.get(names.BEAT)) - int(signs.BEAT_SILENT * 1000)
    redis.set(names.BEAT, silent - 500)
    answer = ready()
    assert (answer["beat"], answer["since"]["beat"]) == ("away", spelled(silent - 500))
    assert answer["sweep"] == "unknown"  # which nobody asks for


def test_the_beat_of_the_version_before_is_there(redis):
    redis.set(names.BEAT, 1, px=15_000)
    assert ready()["beat"] == "ok"


def test_sweeps_that_nobody_runs_show_although_beat_asks_for_them(redis, monkeypatch):
    monkeypatch.setattr(readiness, "FRESH", 0.0)
    sweeper.request("otp")
    sweeper.request("bulk")
    answer = ready()
    assert (answer["sweep"], answer["last_sweep"]) == ("ok", None)
    long_ago = int(redis.get(names.UNSWEPT + "bulk")) - int(signs.UNSWEPT_FOR * 1000) - 500
    redis.set(names.UNSWEPT + "bulk", long_ago, px=5_000)
    sweeper.late("otp", 0, 1)
    sweeper.request("bulk")
    assert int(redis.get(names.UNSWEPT + "bulk")) == long_ago
    answer = ready()
    assert (answer["beat"], answer["sweep"]) == ("ok", "away")
    assert answer["since"]["sweep"] == spelled(long_ago)
    assert answer["last_sweep"] == spelled(int(redis.get(names.SWEPT)))
    sweeper.late("bulk", 0, 1)
    answer = ready()
    assert (answer["sweep"], "sweep" in answer["since"]) == ("ok", False)


def spelled(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Crowd:
    """So many requests at once, and what those were answered that have an answer already."""

    def __init__(self, count: int) -> None:
        self.answers: list[dict[str, Any]] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        self.answers.append(ready())

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


@pytest.fixture
def hangs(server: EmbeddedServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Called, the server hangs for longer than a test; called once more, it goes on."""
    point_cache_at(settings, server.url.replace("127.0.0.1", "localhost"), socket_timeout=60)
    monkeypatch.setattr(readiness, "LONGEST", 60)
    signals = iter((signal.SIGSTOP, signal.SIGCONT))
    yield lambda: server.process.send_signal(next(signals))
    server.process.send_signal(signal.SIGCONT)


def test_a_crowd_asks_redis_once(server, monkeypatch):
    monkeypatch.setattr(readiness, "FRESH", 60)
    for _ in range(3):
        Crowd(20).join()
    stats = get_redis_connection().info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 2  # the server did not know the script


def test_a_redis_that_hangs_holds_up_two_requests_at_most(hangs):
    """64 threads that wait for it would be all that the web server has."""
    hangs()
    crowd = Crowd(20)
    wait_for(lambda: len(crowd.answers) >= 20 - readiness.WAITING, 20)
    assert all(answer["redis"] == "unknown" for answer in crowd.answers)
    hangs()
    crowd.join()
    assert crowd.answers[-1]["redis"] == "ok"


def test_a_request_waits_no_longer_than_it_should(hangs, monkeypatch):
    monkeypatch.setattr(readiness, "LONGEST", 0.1)
    hangs()
    nothing: dict[str, Any] = {"status": "unready", "since": {}, "last_sweep": None}
    assert ready() == nothing | dict.fromkeys(signs.PARTS, "unknown")


def test_the_last_answer_is_given_while_the_next_is_sought(hangs, monkeypatch):
    assert ready()["redis"] == "ok"
    monkeypatch.setattr(readiness, "FRESH", 0.0)
    hangs()
    crowd = Crowd(8)
    wait_for(lambda: len(crowd.answers) >= 7, 9)
    assert [answer["redis"] for answer in crowd.answers] == ["ok"] * 7
    hangs()
    crowd.join()
