"""Rates: turns, the lines of those who wait for one, starts that would be late."""

from __future__ import annotations

import time

import pytest

from sms import broker, names, receipts, services, store
from sms.delivery import run as delivery
from sms.errors import OutcomeUnknown, Overloaded, TemporaryFailure
from sms.message import Attempt, State
from tests.sms.house import busiest, leave_out


class TestRate:
    def test_over_it_the_next_alias_is_sooner(self, house, redis):
        house.rate("a", 1)
        for _ in range(3):
            house.deliver(house.code())
        assert house.calls == "abb"

    def test_alone_it_waits_for_its_turn(self, house, redis):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 0.5)
        ids = [house.code() for _ in range(3)]
        states = [house.deliver(id).state for id in ids]
        assert states == [State.SENT, State.QUEUED, State.QUEUED]
        assert [services.get(id).attempts for id in ids] == [1, 0, 0]
        due = [redis.zscore(names.LEASES + "otp", id) / 1000 - time.time() for id in ids[1:]]
        assert due == pytest.approx([2, 4], abs=0.5)

    def test_it_is_kept_however_late_the_calls_begin(self, house):
        """As when no sweep came for a while: then all come at once."""
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 10)
        ids = [house.code() for _ in range(25)]
        for id in ids:
            house.deliver(id)
        time.sleep(2.4)
        with house.workers(8):
            began = time.monotonic()
            for id in ids:
                broker.publish(id, "otp")
            house.wait_for("a", 25)
        times = house.providers["a"].times
        assert busiest(times[1:]) <= 12
        assert times[-1] - began < 2.9  # 24 messages, 10 a second

    def test_a_queue_drains_at_the_rate(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 20)
        with house.workers(4):
            for _ in range(50):
                house.code()
            house.wait_for("a", 50)
        times = house.providers["a"].times
        assert busiest(times) <= 23
        assert times[-1] - times[0] < 2.9

    def test_who_waits_is_not_overtaken(self, house, redis):
        house.rate("a", 5)
        x, y, z, new = (house.send() for _ in range(4))
        waits = [house.choose(id, "a").wait for id in (x, y, z)]
        assert waits == [0, pytest.approx(0.1, abs=0.05), pytest.approx(0.3, abs=0.05)]
        time.sleep(0.4)
        assert house.choose(new, "a").wait == pytest.approx(0.4, abs=0.05)
        assert house.choose(z, "a").wait == 0
        # Its place was lost as it was too late, but not what it waited for.
        redis.zrem(names.LINE + "a:bulk", y)
        assert house.choose(y, "a").wait <= 0.2
        time.sleep(0.2)
        redis.zrem(names.LINE + "a:bulk", y)
        assert house.choose(y, "a").wait == 0

    def test_a_code_does_not_wait_behind_newsletters(self, house, redis):
        """The rate is one, the lines are two: who is in that of the codes goes first."""
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 1)
        letters = [house.send(expires_at=time.time() + 600) for _ in range(20)]
        for id in letters:
            house.deliver(id)
        code = house.code()
        assert house.deliver(code).state is State.QUEUED
        due = redis.zscore(names.LEASES + "otp", code) / 1000 - time.time()
        assert due <= 1
        time.sleep(1)
        redis.hset(names.RECORD + letters[1], "not_before", 0)
        assert house.deliver(letters[1]).state is State.QUEUED
        assert house.deliver(code).state is State.SENT

    def test_codes_go_first_and_all_go(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 20)
        letters = [house.send(expires_at=time.time() + 600) for _ in range(40)]
        codes = {}
        with house.workers(8):
            for id in letters:
                broker.publish(id, "bulk")
            for _ in range(10):
                before = len(house.providers["a"].calls)
                codes[house.code()] = before
                time.sleep(0.05)
            house.wait_for("a", 50)
        order = [sms.id for sms in house.providers["a"].calls]
        assert set(order) == {*letters, *codes}
        # The ten are the only ones that go before another of them, but for letters that had waited.
        assert max(order.index(id) - before for id, before in codes.items()) < 10
        assert busiest(house.providers["a"].times) <= 23

    def test_who_goes_elsewhere_leaves_the_line(self, house, redis):
        house.rate("a", 0.5)
        house.rate("b", 1)
        ids = [house.send() for _ in range(3)]
        assert [house.choose(id, "ab").alias for id in ids] == ["a", "b", "b"]
        assert redis.zrange(names.LINE + "b:bulk", 0, -1) == [ids[2].encode()]
        time.sleep(1)
        assert house.choose(ids[2], "ab").wait == 0
        assert redis.keys(names.LINE + "*") == []

    def test_who_waited_is_sent_though_the_first_alias_refuses_it(self, house, redis):
        """Others keep the second at its rate: neither asking the first again nor they cost its place."""
        house.rate("b", 4)
        house.settings.SMS_ROUTES = {"default": "a>b", "DE": "b"}
        house.settings.SMS_BREAKER = {"fewest": 1000}
        house.providers["a"].always = TemporaryFailure("x")
        with house.workers(4):
            others = [services.send("+4915123456789", "Hallo").id for _ in range(4)]
            id = house.code()
            began = time.monotonic()
            while services.get(id).state is not State.SENT:
                assert time.monotonic() - began < 4
                others.append(services.send("+4915123456789", "Hallo").id)
                time.sleep(0.2)
            # Those who came before it went before it, and only they.
            order = [sms.id for sms in house.providers["b"].calls]
            assert set(order[: order.index(id)]) == set(others[: order.index(id)])
            house.wait_for("b", len(others) + 1)
        assert redis.keys(names.LINE + "*") == []

    def test_who_has_waited_for_an_alias_asks_it_first(self, house):
        house.rate("b", 4)
        house.providers["a"].outcomes = [TemporaryFailure("x")] * 2
        house.deliver(house.code())
        id = house.code()
        assert house.deliver(id).state is State.QUEUED
        time.sleep(0.3)
        assert house.deliver(id).alias == "b"
        assert house.calls == "aabb"

    def test_a_place_is_kept_while_another_alias_is_asked(self, house, redis):
        """It comes back early, the first alias is well, but fails."""
        house.rate("b", 1)
        house.settings.SMS_BREAKER = {"fewest": 1000}
        house.providers["a"].outcomes = [TemporaryFailure("x")] * 4
        house.deliver(house.code())
        id = house.code()
        for waits in (id, house.code()):
            house.deliver(waits)
        place = redis.zscore(names.LINE + "b:otp", id)
        assert house.deliver(id).state is State.QUEUED
        assert house.calls == "aaaab"
        assert redis.zscore(names.LINE + "b:otp", id) == place

    @pytest.mark.parametrize(
        "ending", ["cancelled", "replaced", "expired", "called_back", "sent", "receipt", "round", "unknown"]
    )
    def test_who_is_settled_stands_in_no_line(self, house, redis, ending):
        house.rate("b", 0.2)
        a, b = house.providers["a"], house.providers["b"]
        a.outcomes = [TemporaryFailure("x")] * 2
        house.deliver(house.code())
        id = house.code()
        assert house.deliver(id).state is State.QUEUED
        assert redis.zcard(names.LINE + "b:otp") == 1
        if ending == "cancelled":
            services.cancel(id)
        elif ending == "replaced":
            house.send(queue="otp", replaces=id)
        elif ending == "expired":
            redis.hset(names.RECORD + id, "expires_at", 1)
            house.deliver(id)
        elif ending == "called_back":
            redis.hset(names.RECORD + id, "not_before", 1)
            _, attempt, _ = store.claim(id)
            assert isinstance(attempt, Attempt)
            services.cancel(id)
            delivery._Run(attempt).go()
            assert services.get(id).state is State.CANCELLED
        elif ending == "sent":  # by the other, which may be asked sooner
            assert house.deliver(id).alias == "a"
        elif ending == "receipt":
            receipts.take("a", {}, f"{id} delivered".encode(), "/", "")  # it had been asked first
        else:
            a.outcomes = [OutcomeUnknown("x")]
            if ending == "round":
                a.outcomes = [TemporaryFailure("x")]
                redis.delete(names.RATE + "b")
                b.outcomes = [TemporaryFailure("x")]
            assert house.deliver(id).state is State.QUEUED
        assert redis.keys(names.LINE + "*") == []
        assert not redis.hexists(names.RECORD + id, "line")

    def test_segments_count(self, house):
        house.rate("a", segment_rate=2)
        choices = [house.choose(house.send(), "a", parts=3) for _ in range(2)]
        assert choices[0].wait == 0
        assert choices[1].wait == pytest.approx(1.4, abs=0.05)

    def test_no_start_is_refused_while_another_alias_has_room(self, house):
        house.rate("a", 0.01)
        for _ in range(3):
            house.deliver(house.code())
        assert house.calls == "abb"

    def test_a_start_is_refused_where_the_rate_would_let_it_go_late(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 0.2)
        for _ in range(2):  # at once, and after 5 s; the next may go after 10 s
            house.deliver(house.code())
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 10

    def test_a_rate_that_is_left_out_has_no_room(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 100)
        leave_out("a")
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 20  # until the probe

    def test_one_that_is_left_out_does_not_make_room(self, house):
        """The other has a rate, and its line is long."""
        house.rate("b", 0.2)
        leave_out("a")
        for _ in range(2):
            house.deliver(house.code())
        with pytest.raises(Overloaded) as caught:
            house.code()
        assert caught.value.retry_after == 10
        house.pause_is_over("a")
        house.code()

    @pytest.mark.parametrize("held_until", ["hold_until", "open_until"])
    def test_what_concerns_another_country_refuses_nobody(self, house, redis, held_until):
        house.settings.SMS_ROUTES = {"default": "a"}
        later = (time.time() + 15) * 1000
        redis.hset(names.HEALTH + "a:DE", held_until, int(later))
        house.code()
        redis.hset(names.HEALTH + "a:US", held_until, int(later))
        with pytest.raises(Overloaded):
            house.code()
