"""The made-up day of `make demo ARGS=--traffic`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis import Redis

from config.demo import traffic
from config.demo.ports import free_port
from otp import services
from sms import store, tally
from sms.scripts import client
from tests.config.demo.test_demo import demo
from tests.faults.stack import wait_for


@pytest.mark.parametrize("hours_ago", [0, 1, 23])
def test_an_hour_is_put_where_the_day_has_it(hours_ago, redis):
    services.start("+12025550123")
    hour = int(store.now()) // 3600
    (before,) = tally.read("counts", "hour", [hour])
    traffic.put_away(hours_ago)
    now, then = tally.read("counts", "hour", [hour, hour - hours_ago])
    assert then == before
    assert bool(now) is (hours_ago == 0)
    days = tally.read("counts", "day", sorted({hour // 24, (hour - hours_ago) // 24}))
    assert {field: value for field, value in days[0].items() if value} == before
    assert all(not any(day.values()) for day in days[1:])


def test_every_cell_puts_its_hour_away(settings):
    settings.REDIS_CELLS = 4
    hour = int(store.now()) // 3600
    for cell in (0, 2):
        with client(cell) as redis:
            redis.hset(tally.place("counts", "hour", hour, cell), "spent|US", 5)
            redis.hset(tally.place("counts", "day", hour // 24, cell), "spent|US", 5)
    traffic.put_away(24)
    assert tally.read("counts", "hour", [hour, hour - 24]) == [{}, {"spent|US": 10}]
    assert tally.read("counts", "day", [hour // 24, hour // 24 - 1]) == [{"spent|US": 0}, {"spent|US": 10}]


@pytest.mark.slow(20)
def test_the_day_goes_through_the_product():
    with demo("--json", "--traffic", "--port", str(free_port())) as process:
        assert process.stdout
        told = json.loads(process.stdout.readline())
        with Redis(port=told["redis_port"]) as redis:
            wait_for(lambda: len(redis.keys("*sms:tally:counts:hour:*")) > 2, 60)
            (place,) = redis.keys("*sms:tally:counts:all")
            wait_for(lambda: counted(redis, place) >= {b"starts", b"verified", b"receipts"})
        process.terminate()
        assert process.wait(30) == 0


def counted(redis: Any, place: bytes) -> set[bytes]:
    return {field.partition(b"|")[0] for field in redis.hkeys(place)}
