"""Cells on several servers: each is on its own, and the loss of a server affects only its cells."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.test import Client
from structlog.testing import capture_logs

from config.demo.embedded import EmbeddedServer
from sms import broker, cells, names, probe, readiness, scripts, signs, sweeper
from sms.checks import servers as checks
from sms.errors import Unavailable
from tests.faults.sentinels import Sentinels
from tests.faults.stack import wait_for
from tests.hung import hung
from tests.several import COUNT, cells_of, client_of, spread

pytestmark = pytest.mark.one_server


@pytest.fixture
def mark(tmp_path: Any) -> Callable[[int], None]:
    """Called, a script and a client each leave a key in a cell."""
    path = tmp_path / "mark.lua"
    path.write_text("return redis.call('SET', KEYS[1], 1)")
    script = scripts.Script(path)

    def mark(cell: int) -> None:
        script((names.key("sms:message:script", cell),), (), cell=cell)
        with scripts.client(cell) as redis:
            redis.set(names.key("sms:message:client", cell), 1)

    return mark


def refused(call: Callable[[], object]) -> str:
    """Why, within the time that a request may take."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        call()
    assert time.monotonic() - began < 3
    return caught.value.reason


def works(call: Callable[[], object]) -> bool:
    try:
        call()
    except Unavailable:
        return False
    return True


def test_each_cell_is_on_its_server_and_the_hub_on_the_first(three, mark):
    for cell in cells.every():
        mark(cell)
    for server in three:
        found = {key.decode().rpartition("sms:message:")[0] for key in client_of(server).keys("*")}
        assert found == {names.prefix(cell) for cell in cells_of(server)}
    assert cells.HUB in cells_of(three[0])


def test_a_further_server_takes_only_its_share(three, four_servers, settings):
    before = {cell: names.cache_alias(cell) for cell in cells.every()}
    spread(settings, *(server.url for server in four_servers))
    after = {cell: names.cache_alias(cell) for cell in cells.every()}
    moved = [cell for cell in before if before[cell] != after[cell]]
    assert moved == cells_of(four_servers[3])
    assert 0 < len(moved) < COUNT / 2


def test_the_order_is_that_of_the_hub_alone(three, settings):
    before = [names.cache_alias(cell) for cell in cells.every()]
    spread(settings, *(server.url for server in reversed(three)))
    after = [names.cache_alias(cell) for cell in cells.every()]
    assert after[1:] == before[1:]
    assert after[0] != before[0]


def test_cells_on_one_server_share_its_connections(three):
    for server in three:
        assert (
            len({id(scripts._connections(names.cache_alias(cell), cell)) for cell in cells_of(server)}) == 1
        )


def test_one_server_that_is_away_refuses_its_cells_alone(three, mark):
    for cell in cells.every():
        mark(cell)
    lost = three[1]
    lost.kill()
    for cell in cells.every():
        if cell in cells_of(lost):
            assert refused(partial(mark, cell)) == "away"
        else:
            mark(cell)
    lost.start()
    for cell in cells.every():
        mark(cell)


def test_one_server_that_hangs_holds_up_its_cells_alone(three, mark):
    with hung(three[2]):
        assert refused(lambda: mark(cells_of(three[2])[0])) == "away"
        others = cells_of(three[0]) + cells_of(three[1])
        began = time.monotonic()
        for cell in others:
            mark(cell)
        assert time.monotonic() - began < len(others)  # each takes a second where it is held up


def test_copies_are_counted_on_the_server_of_the_cell(three, settings):
    settings.OTPOST_COPIES = 1
    config = {"replicaof": f"127.0.0.1 {three[1].port}", "repl-diskless-sync-delay": "0"}
    with EmbeddedServer(config=config):
        wait_for(lambda: client_of(three[1]).execute_command("WAIT", 1, 100) == 1)
        wait_for(lambda: works(lambda: probe.redis(cell=cells_of(three[1])[0])))  # a busy one takes a while
        with capture_logs() as logs:
            assert refused(lambda: probe.redis(cell=cells_of(three[2])[0])) == "copies"
        (line,) = [one for one in logs if one["event"] == "redis_refuses"]
        assert (line["reason"], line["server"]) == ("copies", f"127.0.0.1:{three[2].port}/0")
    settings.OTPOST_COPIES = 0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[int, dict[str, Any]]]:
    """Called, asks /readyz; all but Redis is well."""
    monkeypatch.setattr(readiness, "_questions", readiness.Questions())
    monkeypatch.setattr(readiness, "FRESH", 0.0)
    monkeypatch.setattr(broker, "ask", lambda: None)
    monkeypatch.setattr(broker, "is_cluster", lambda: False)
    monkeypatch.setattr(readiness, "_worker_answers", lambda: True)
    monkeypatch.setattr(signs.Signs, "words", lambda _: {"beat": "ok", "sweep": "ok"})

    def ask() -> tuple[int, dict[str, Any]]:
        response = Client().get("/readyz")
        return response.status_code, response.json()

    return ask


def test_readiness_names_the_server_that_is_away(three, asked):
    status, body = asked()
    assert (status, body["status"], body["redis-2"], body["redis-3"]) == (200, "ok", "ok", "ok")
    three[1].kill()
    status, body = asked()
    assert (status, body["status"]) == (200, "degraded")
    assert (body["redis"], body["redis-2"], body["redis-3"]) == ("ok", "away", "ok")
    since = signs.Memory().since({"redis-2": "away"}, signs.read())  # another process says the same
    assert datetime.fromisoformat(body["since"]["redis-2"]).timestamp() == since["redis-2"] // 1000
    three[1].start()
    assert asked()[1]["status"] == "ok"
    three[0].kill()
    asked()  # beat has not asked the stand-in for a sweep yet
    sweeper.request("otp")
    status, body = asked()
    assert (status, body["status"], body["redis"], body["redis-2"]) == (200, "degraded", "away", "ok")
    three[1].kill()
    status, body = asked()
    assert (status, body["status"], body["redis"], body["redis-2"]) == (503, "unready", "away", "away")
    three[1].start()
    three[0].start()


def test_servers_that_hang_are_asked_at_once(three, asked):
    with hung(three[1]), hung(three[2]):
        began = time.monotonic()
        body = asked()[1]
        assert time.monotonic() - began < 2.5
    assert (body["status"], body["redis-2"], body["redis-3"]) == ("degraded", "away", "away")


def test_one_server_has_no_further_part(settings, asked):
    settings.REDIS_CELLS = COUNT
    assert probe.parts() == ()
    assert asked()[1].keys() - {"status", "since", "last_sweep"} == set(signs.PARTS)


def test_the_checks_name_the_server_that_is_wrong(three, settings):
    settings.CELERY_TASK_ALWAYS_EAGER = True
    wrong = f"REDIS_URL (127.0.0.1:{three[2].port}/0)"
    assert checks.eviction() == []
    client_of(three[2]).config_set("maxmemory-policy", "allkeys-lru")
    assert [found.msg.partition(": ")[0] for found in checks.eviction()] == [wrong]
    client_of(three[2]).config_set("maxmemory-policy", "noeviction")
    three[2].kill()
    said = [found.msg for found in checks.servers_answer()]
    assert [text for text in said if text.startswith(wrong)]
    assert not [text for text in said if text.startswith("REDIS_URL") and not text.startswith(wrong)]
    three[2].start()


def test_a_server_of_two_that_decodes_answers_or_is_no_redis(three, settings):
    alias = names.cache_alias(cells_of(three[1])[0])
    entry = settings.CACHES[alias]
    spoilt = entry | {"LOCATION": f"{entry['LOCATION']}?decode_responses=True"}
    settings.CACHES = settings.CACHES | {alias: spoilt}
    (error,) = checks.cache_keeps_bytes()
    assert (error.id, alias in error.msg) == ("sms.E031", True)
    settings.CACHES = settings.CACHES | {alias: {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    (error,) = checks.cache_is_redis()
    assert (error.id, alias in error.msg) == ("sms.E020", True)


@pytest.mark.slow(20)
def test_a_group_of_sentinels_beside_a_server(four_servers, tmp_path, settings, redis, mark):
    with Sentinels(tmp_path) as sentinels:
        spread(settings, four_servers[0].url, sentinels.url)
        theirs = [cell for cell in cells.every() if names.cache_alias(cell) == "mymaster/0"]
        assert 0 < len(theirs) < COUNT
        for cell in cells.every():
            mark(cell)
        sentinels.wait_for_the_replica()
        sentinels.master.kill()
        for cell in cells.every():
            if cell in theirs[:2]:
                refused(partial(mark, cell))
            elif cell not in theirs:
                mark(cell)
        wait_for(lambda: works(lambda: mark(theirs[0])))
        for cell in cells.every():
            mark(cell)
