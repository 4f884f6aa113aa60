"""A message that would wait too long is refused, and only that."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from sms import cells, names, registry, services, store
from sms.errors import Overloaded
from sms.message import State
from sms.scripts import INCLUDES, Script
from tests.commands import commands
from tests.sms.house import leave_out

SOONEST = Script(Path(__file__).with_name("soonest_step.lua"), includes=(INCLUDES,), keys=names.IN_LUA)


def test_a_start_costs_one_round_trip_for_its_message(house):
    house.rate("a", 100)
    house.code()  # loads the script
    with commands() as sent:
        house.code()
    assert sent == ["EVALSHA"] * (1 + cells.many())  # with cells, the rate is in the hub


@pytest.mark.one_server
@pytest.mark.parametrize("where", ["health", "there"])
def test_a_probe_shuts_an_alias_until_the_millisecond_in_which_it_ends(redis, where):
    alias = {name: name for name in ("health", "there", "rate", "line", "codes")} | {"takes": 0}
    redis.hset(where, "probe_until", 5000)
    asked = [SOONEST((), (json.dumps({"now": now, "aliases": [alias]}),)) for now in (4999, 5000)]
    assert asked == [[0, 1], [0, 0]]


@pytest.mark.usefixtures("one_list")
class TestOverload:
    @staticmethod
    def queue(house, redis, count: int, seconds: float) -> int:
        """So many wait, the oldest for so long. Returns the last full second of the server."""
        ids = [house.code() for _ in range(count)]
        now = redis.time()[0]
        redis.zadd(names.WAITING + "otp", dict.fromkeys(ids, (now - seconds) * 1000))
        return int(now) - 1

    @staticmethod
    def drained(redis, second: int, count: int) -> None:
        """So many began in this second and the next ones, as a test may take a second itself."""
        for one in range(second, second + 4):
            redis.set(f"{names.DRAINED}otp:{one}", count)

    def test_what_would_wait_too_long_is_refused(self, house, redis):
        second = self.queue(house, redis, 50, 1.9)
        house.code()  # no worker has begun anything: they may just restart
        self.drained(redis, second, 5)
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 11  # 51 at 5 a second
        assert redis.zcard(names.WAITING + "otp") == 51
        self.drained(redis, second, 500)
        house.code()

    @pytest.mark.parametrize("count", [9, 10])
    def test_a_few_may_wait_whatever_the_speed(self, house, redis, count):
        second = self.queue(house, redis, count, 100)
        self.drained(redis, second, 1)
        with pytest.raises(Overloaded) if count == 10 else nullcontext():
            house.code()

    def test_seconds_with_nothing_to_do_say_nothing_of_the_speed(self, house, redis):
        second = self.queue(house, redis, 180, 1.9)
        self.drained(redis, second, 100)  # after four seconds in which nothing was asked for
        house.code()  # 1.8 s

    def test_a_burst_is_held_against_the_speed_of_a_moment_ago(self, house, redis):
        self.queue(house, redis, 300, 0.2)
        house.code()  # nothing is known yet
        redis.set("sms:drain:otp", "33.3", ex=60)
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 10  # 301 at 33 a second

    def test_the_speed_of_before_a_worker_started_says_nothing(self, house, redis):
        """After a restart of the only worker, it is nobody's speed; starts were once refused for a second."""
        second = self.queue(house, redis, 100, 4.5)
        redis.set(f"{names.DRAINED}otp:{second}", 10)  # by one that came back within this second
        with pytest.raises(Overloaded):
            house.code()  # 100 at 10 in 4 seconds
        redis.delete("sms:drain:otp")
        store.worker_started()
        house.code()
        assert 0 < redis.ttl("sms:started:otp") <= 10
        redis.set("sms:started:otp", (second - 2) * 1000)
        self.drained(redis, second - 1, 5)
        with pytest.raises(Overloaded):
            house.code()  # what it has done since then is slow

    def test_the_speed_is_remembered_for_a_minute(self, house, redis):
        second = self.queue(house, redis, 50, 1.9)
        self.drained(redis, second, 40)
        house.code()
        assert float(redis.get("sms:drain:otp")) == 40
        assert 55 < redis.ttl("sms:drain:otp") <= 60

    def test_whoever_finds_no_slot_waits_on(self, house, redis):
        """A claim alone begins nothing: what waits for a slot, a rate or a provider still counts."""
        house.slots.taken = house.slots.count = 0  # no call may begin, but for one of each alias
        for alias in house.aliases.values():
            alias._taken = 1
        ids = [house.code() for _ in range(3)]
        for id in ids:
            house.deliver(id)
        assert redis.zcard(names.WAITING + "otp") == 3
        assert not redis.keys(names.DRAINED + "*")
        for alias in house.aliases.values():
            alias._taken = 0
        for id in ids:
            redis.hset(names.RECORD + id, "not_before", 0)
            house.deliver(id)
        assert redis.zcard(names.WAITING + "otp") == 0
        seconds = redis.keys(names.DRAINED + "*")  # one, or two where the next had begun
        assert sum(int(redis.get(second)) for second in seconds) == 3

    def test_workers_that_are_away(self, house, redis):
        ids = [house.code() for _ in range(20)]
        redis.zadd(names.WAITING + "otp", {id: (time.time() - 11) * 1000 for id in ids})
        with pytest.raises(Overloaded):
            house.code()

    @pytest.mark.parametrize("held", ["left out", "rate"])
    def test_what_another_alias_holds_back_is_in_nobodys_way(self, house, redis, held):
        """The outage of the only way to one country must not close all the others."""
        house.settings.SMS_ROUTES = {"default": "a", "DE": "c"}
        ids = [
            services.send("+4915123456789", "Hallo", queue="otp", expires_at=time.time() + 120).id
            for _ in range(20)
        ]
        accepted = (time.time() - 11) * 1000
        redis.zadd(names.WAITING + "otp", dict.fromkeys(ids, accepted))
        if held == "left out":
            leave_out("c")
        else:
            house.rate("c", 0.1)
        for id in ids:
            house.deliver(id)
        house.code()
        if held == "left out":  # those who wait for the same probe still count
            redis.set("sms:drain:otp", "1", ex=60)
            house.pause_is_over("c")
            redis.hset(names.HEALTH + "c", "hold_until", int((time.time() + 1) * 1000))
            with pytest.raises(Overloaded):
                services.send("+4915123456789", "Hallo", queue="otp")
        # When they come back, and no worker is there to ask, they wait as others do.
        redis.zadd(names.WAITING + "otp", dict.fromkeys(ids, accepted))
        with pytest.raises(Overloaded):
            house.code()

    def test_what_waits_for_a_slot_is_in_the_way_although_another_alias_is_left_out(self, house, redis):
        """Otherwise a queue could grow without end, unnoticed."""
        house.aliases["a"] = registry.Alias(house.providers["a"], slots=registry.Slots(1), share=1)
        leave_out("b")
        id = house.code()
        accepted = redis.zscore(names.WAITING + "otp", id)
        with house.aliases["a"].slot():
            house.deliver(id)
        assert services.get(id).state is State.QUEUED
        assert redis.zscore(names.WAITING + "otp", id) == accepted

    def test_who_may_probe_an_alias_is_not_refused_for_what_another_holds_back(self, house, redis):
        """Otherwise it would never be probed."""
        house.settings.SMS_ROUTES = {"default": "a", "DE": "c"}
        ids = [services.send("+4915123456789", "Hallo", queue="otp").id for _ in range(20)]
        for alias in "ac":
            leave_out(alias)
        for id in ids:
            house.deliver(id)
            redis.hset(names.RECORD + id, "created_at", int((time.time() - 11) * 1000))
        house.pause_is_over("a")
        house.code()

    def test_what_waits_for_a_probe_counts_while_one_is_under_way(self, house, redis):
        """It may take as long as a call, and most that is accepted meanwhile would never be sent."""
        house.settings.SMS_ROUTES = {"default": "a"}
        ids = [house.code() for _ in range(20)]
        leave_out("a")
        for id in ids:
            house.deliver(id)
            redis.hset(names.RECORD + id, "created_at", int((time.time() - 11) * 1000))
        house.pause_is_over("a")
        redis.hset(names.HEALTH + "a", "probe_until", int((time.time() + 30) * 1000))
        with pytest.raises(Overloaded):
            house.code()

    def test_a_few_lost_ones_close_nothing(self, house, redis):
        redis.zadd(names.WAITING + "otp", {house.code(): 1})
        house.code()

    def test_a_claim_and_a_call_back_empty_the_waiting_room(self, house, redis):
        first, second = house.code(), house.code()
        house.deliver(first)
        services.cancel(second)
        assert redis.zcard(names.WAITING + "otp") == 0
