"""The connections that scripts use: none of the project's, no more than it allows, none for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django_redis import get_redis_connection
from django_redis.pool import ConnectionFactory
from redis import Redis
from redis.connection import Connection

from sms import connections, names, scripts
from sms.errors import Unavailable
from tests.conftest import point_cache_at, server_with
from tests.faults.stack import wait_for

MOST = 8


@pytest.fixture(autouse=True)
def server(settings: Any) -> Iterator[Any]:
    with server_with() as found:
        point_cache_at(settings, found.url, max_connections=MOST)
        yield found


@pytest.fixture
def script(tmp_path: Any) -> scripts.Script:
    path = tmp_path / "busy.lua"
    path.write_text("for i = 1, 200000 do end return redis.call('INCR', KEYS[1])")
    return scripts.Script(path)


def at_once(threads: int, call: Callable[[], Any]) -> list[BaseException]:
    """Run it in so many threads, begun together; what each raised."""
    raised: list[BaseException] = []
    go = threading.Barrier(threads)

    def run() -> None:
        go.wait()
        try:
            call()
        except Exception as error:
            raised.append(error)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return raised


def connected() -> int:
    return len(get_redis_connection().client_list())


def test_the_projects_cache_finds_all_of_its_connections_free(script):
    """As many threads as it has connections have run scripts, and idle now."""
    assert at_once(MOST, lambda: script(("a",), ())) == []
    pool = get_redis_connection().connection_pool
    taken = [pool.get_connection() for _ in range(MOST)]
    for connection in taken:
        pool.release(connection)
    assert at_once(MOST, lambda: cache.get("anything")) == []


def test_scripts_open_no_more_than_the_project_allows(script):
    before = connected()
    raised = at_once(4 * MOST, lambda: [script(("a",), ()) for _ in range(5)])
    assert all(isinstance(error, Unavailable) for error in raised)
    assert connected() <= before + MOST
    assert at_once(MOST, lambda: script(("a",), ())) == []


def test_threads_that_come_first_together_share_one_pool(script, server, settings, monkeypatch):
    """django-redis makes one for each of them; the last stays, and the others kept their connections open."""
    made = []
    theirs = ConnectionFactory.get_connection_pool

    def slow(*args: Any) -> Any:
        time.sleep(0.05)  # long enough for the others to come
        made.append(args)
        return theirs(*args)

    monkeypatch.setattr(ConnectionFactory, "get_connection_pool", slow)
    point_cache_at(settings, server.url.replace("/0", "/1"), max_connections=MOST)  # where none has been yet
    assert at_once(MOST, lambda: script(("a",), ())) == []
    assert len(made) == 1


def test_what_nobody_needs_is_closed_and_opened_again(script, monkeypatch):
    at_once(MOST, lambda: script(("a",), ()))
    before = connected()
    assert before > 2
    monkeypatch.setattr(connections, "UNUSED", -1.0)
    script(("a",), ())
    wait_for(lambda: connected() < before - 1)
    monkeypatch.undo()
    assert at_once(MOST, lambda: script(("a",), ())) == []


class StaysOpen(Connection):
    """As one by Sentinel, which redis-py does not close after a timeout."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        return super().read_response(*args, **options | {"disconnect_on_error": False})


def test_what_timed_out_is_closed_and_given_back(server, settings, monkeypatch, tmp_path):
    """Or the next script would read its late answer, and after a few there would be no connection left."""
    monkeypatch.setattr(
        connections, "TRUSTED", 60.0
    )  # or the late answer is seen when the connection is taken
    path = tmp_path / "name.lua"
    path.write_text("return KEYS[1]")
    script = scripts.Script(path)
    point_cache_at(
        settings,
        server.url.replace("127.0.0.1", "localhost"),  # a pool of its own
        **{"connection_class": StaysOpen, "max_connections": 1, "socket_timeout": 0.1},
    )
    assert script(("before",), ()) == b"before"
    control = Redis.from_url(server.url)
    for turn in range(3):
        control.client_pause(500, all=True)
        with pytest.raises(Unavailable):
            script((f"late {turn}",), ())
        control.ping()  # answered once the pause is over
        assert script((f"after {turn}",), ()) == f"after {turn}".encode()


def test_one_whose_server_cannot_write_now_is_opened_again(script):
    """By the next call another server may be the master."""
    redis = get_redis_connection()

    def opened() -> int:
        return int(redis.info("stats")["total_connections_received"])

    script(("n",), ())
    redis.config_set("min-replicas-to-write", 1)
    with pytest.raises(Unavailable):
        script(("n",), ())
    redis.config_set("min-replicas-to-write", 0)
    before = opened()
    assert script(("n",), ()) == 2
    assert script(("n",), ()) == 3
    assert opened() == before + 1


def test_one_that_the_server_has_closed_is_opened_again(script, monkeypatch):
    monkeypatch.setattr(connections, "TRUSTED", 0.0)
    script(("n",), ())
    get_redis_connection().client_kill_filter(_type="normal", skipme=True)
    assert script(("n",), ()) == 2


def test_to_take_a_closed_one_opens_nothing(script):
    """Its user opens it. On a server that hangs each try takes as long as the time-out."""
    script(("n",), ())
    idle = scripts._connections(names.cache_alias(), 0)
    connection = idle.take()
    connection.disconnect()
    idle.append((connection, 0.0))
    assert idle.take() is connection
    assert not connection.is_connected
    idle.give_back(connection)
