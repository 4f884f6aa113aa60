"""/readyz: it sees what keeps codes from going out, and holds nobody up, however many ask."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django_redis import get_redis_connection

from config.embedded import EmbeddedServer
from sms import names, readiness, store
from tests.conftest import point_cache_at, server_with
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


def ready() -> dict[str, str]:
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


def test_a_redis_that_is_well_is_ok_and_keeps_nothing(redis):
    assert ready()["redis"] == "ok"
    assert redis.dbsize() == 0


def test_beat_is_there_while_it_asks_for_sweeps(redis, questions, monkeypatch):
    assert ready()["beat"] == "away"
    monkeypatch.setattr(readiness, "FRESH", 0.0)
    store.ask_for_sweep("otp")
    store.ask_for_sweep("otp")  # also where the last one is still under way
    assert ready()["beat"] == "ok"
    assert 0 < redis.pttl(names.BEAT) <= store.BEAT_SILENT * 1000


def crowd(count: int) -> list[tuple[float, dict[str, str]]]:
    """Seconds and answer of each of so many requests at once."""
    found = []
    go = threading.Barrier(count)

    def ask() -> None:
        go.wait()
        began = time.monotonic()
        answer = ready()
        found.append((time.monotonic() - began, answer))

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found, key=lambda each: each[0])


def test_a_crowd_asks_redis_once(server):
    for _ in range(3):
        crowd(20)
    stats = get_redis_connection().info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 2  # the server did not know the script


def test_a_redis_that_hangs_holds_up_two_requests_at_most(server):
    """64 threads that wait for it would be all that the web server has."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        found = crowd(20)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert sum(seconds > 0.5 for seconds, _ in found) <= readiness.WAITING
    assert found[-1][0] < readiness.LONGEST + 1
    assert all(answer["status"] == "unready" for _, answer in found)


def test_an_answer_of_a_moment_ago_is_given_while_the_next_is_sought(server, questions):
    assert ready()["redis"] == "ok"
    server.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(readiness.FRESH)
        found = crowd(8)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert [answer["redis"] for _, answer in found] == ["ok"] * 7 + ["away"]
