"""The present state, where it is spread over cells."""

from __future__ import annotations

import pytest

from sms import names, standing, store
from sms.scripts import client
from sms.standing import Memory


def wait_in(cell: int, queue: str, messages: int, seconds: float) -> None:
    """Messages of a queue that have waited in a cell for so long."""
    since = {f"id{n}": (store.now() - seconds) * 1000 for n in range(messages)}
    with client(cell) as redis:
        for family in (names.LEASES, names.WAITING):
            redis.zadd(names.key(family + queue, cell), since)


def test_queues_and_dead_letters_are_those_of_all_cells(settings):
    settings.REDIS_CELLS = 4
    wait_in(0, "otp", 1, 5)
    wait_in(1, "otp", 2, 30)
    wait_in(3, "bulk", 3, -60)
    for cell in (1, 2):
        with client(cell) as redis:
            redis.zadd(names.key(names.DEAD, cell), {"id": 1})
    now = standing.read()
    codes, bulk = now.queues["otp"], now.queues["bulk"]
    assert (codes.unsettled, codes.due, codes.backlog, codes.held_back) == (3, 3, 3, 0)
    assert codes.oldest == pytest.approx(30, abs=5)
    assert (bulk.unsettled, bulk.due, bulk.backlog, bulk.held_back, bulk.oldest) == (3, 0, 0, 3, 0)
    assert now.dead_letters == 2


def test_sweeps_and_beat_are_those_of_the_hub(settings):
    settings.REDIS_CELLS = 4
    ms = int(store.now() * 1000) - 20_000
    with client() as redis:
        for name in (names.BEAT, names.SWEPT, names.UNSWEPT + "otp"):
            redis.set(names.key(name), ms)
    now = standing.read()
    assert now.beat == pytest.approx(20, abs=5)
    assert now.swept == pytest.approx(20, abs=5)
    assert now.queues["otp"].unswept == pytest.approx(20, abs=5)


def test_the_fullest_server_counts():
    memories = [Memory(900, 0), Memory(500, 1000), Memory(800, 1000), Memory(900, 2000)]
    assert max(memories, key=standing._fullness) == Memory(800, 1000)
    assert max(memories[:1] * 2 + [Memory(950, 0)], key=standing._fullness) == Memory(950, 0)
