"""Cells on the masters of a Redis Cluster: what happens to one affects only its cells."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from config import servers
from sms import cells, names, probe, readiness, scripts
from sms.errors import Unavailable
from tests.faults.cluster import Cluster
from tests.faults.stack import wait_for

pytestmark = [pytest.mark.together(30), pytest.mark.one_server]

COUNT, THREADS = 64, 8


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    where = tmp_path_factory.mktemp("cluster")
    with Cluster(where, cluster_require_full_coverage="no", appendonly="no") as found:
        yield found


@pytest.fixture
def inside(cluster: Cluster, settings: Any, redis: Any) -> Cluster:
    settings.REDIS_CELLS = COUNT
    settings.CACHES, settings.OTPOST_CACHE = servers.caches(cluster.url, connections=50)
    for cell in cells.every():
        probe.redis(cell=cell)
    return cluster


def on(port: int) -> list[int]:
    """The cells on a node."""
    return [cell for cell in cells.every() if _owners().known(cell) == ("127.0.0.1", port)]


def _owners() -> Any:
    return scripts.connection().connection_pool.nodes.owners


def asks(cell: int) -> str:
    """ "ok", or why it is refused; within the time that a request may take."""
    began = time.monotonic()
    try:
        probe.redis(cell=cell)
        with scripts.client(cell) as redis:
            redis.exists(names.key("", cell))
        return "ok"
    except Unavailable as error:
        return error.reason
    finally:
        assert time.monotonic() - began < 3


def is_well(cell: int) -> bool:
    return asks(cell) == "ok"


def at_once(call: Callable[[], object]) -> None:
    running = [threading.Thread(target=call) for _ in range(THREADS)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def test_cells_are_on_all_masters_and_share_their_connections(inside):
    ports = [server.port for server in (inside.master, *inside.others)]
    assert cells.HUB in on(ports[0])
    assert sorted(cell for port in ports for cell in on(port)) == list(cells.every())
    assert list(scripts.nodes(cells.every()).values()) == [0, *(on(port)[0] for port in _seen(ports[1:]))]
    at_once(lambda: [asks(cell) for cell in cells.every()])
    for server in (inside.master, *inside.others):
        ours = [one for one in inside.client(server).client_list() if one["cmd"] in ("evalsha", "exists")]
        assert len(ours) <= THREADS + 1


def _seen(ports: list[int]) -> list[int]:
    """In the order of their first cells."""
    return sorted(ports, key=lambda port: on(port)[0])


def test_a_master_that_is_killed_refuses_its_cells_alone(inside):
    lost = inside.others[0]
    theirs = on(lost.port)
    lost.kill()
    for cell in cells.every():
        assert asks(cell) == ("away" if cell in theirs else "ok")
    assert readiness._each_place() == {"cells": "away"}
    assert _settings_away() == [f"REDIS_URL (node 127.0.0.1:{lost.port})"]
    lost.start()
    for cell in theirs:
        wait_for(partial(is_well, cell))
    assert {asks(cell) for cell in cells.every()} == {"ok"}
    assert readiness._each_place() == {"cells": "ok"}


def _settings_away() -> list[str]:
    return [place.setting for place in probe.places() if asks(place.cell) == "away"]


def test_a_replica_takes_over_for_all_cells_of_its_master(inside):
    theirs = on(inside.master.port)
    inside.wait_for_the_replica()
    inside.master.kill()
    assert {asks(cell) for cell in theirs[:3]} == {"away"}
    inside.let_the_replica_follow()
    for cell in theirs:
        wait_for(partial(is_well, cell))
    assert on(inside.master.port) == theirs
    inside.bring_back()


def test_a_slot_that_moves_takes_only_its_cell_along(inside):
    theirs = on(inside.master.port)
    with scripts.client() as redis:
        redis.set(names.key("sms:message:x"), 1, px=60_000)
    inside.begin_to_move()
    for cell in theirs:
        assert asks(cell) == ("moving" if cell == cells.HUB else "ok")
    inside.move_keys()
    inside.end_to_move()
    wait_for(lambda: asks(cells.HUB) == "ok")
    assert {asks(cell) for cell in cells.every()} == {"ok"}
    assert cells.HUB in on(inside.master.port)
    assert on(inside.others[0].port) == theirs[1:]
    for step in (inside.begin_to_move, inside.move_keys, inside.end_to_move):
        step()
    wait_for(lambda: asks(cells.HUB) == "ok")


def test_a_cluster_that_is_away(inside, settings):
    """No node can be found."""
    settings.CACHES, settings.OTPOST_CACHE = servers.caches("redis+cluster://127.0.0.1:9", connections=5)
    assert readiness._each_place() == {"cells": "away"}
    assert asks(3) == "away"
