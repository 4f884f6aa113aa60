"""Rates: turns, the lines of those who wait for one, starts that would be late."""

from __future__ import annotations

import time

import pytest

from sms import broker, names, receipts, services, store
from sms.delivery import run as delivery
from sms.errors import OutcomeUnknown, Overloaded, TemporaryFailure
from sms.message import Attempt, State
from tests.sms.house import busiest, exactly, lease_ends, leave_out

#: Messages of the same millisecond come in any order.
any_order = pytest.mark.parametrize("clock", range(3), indirect=True)


def german(**options):
    return services.send("+4915123456789", "Hallo", expires_at=time.time() + 600, **options).id


def test_threads_that_race_keep_the_rate_and_send_all_once(house):
    house.settings.SMS_ROUTES = {"default": "a"}
    house.rate("a", 50)
    began = store.now()
    with house.workers(8):
        ids = [house.send(queue=queue, expires_at=time.time() + 600) for queue in ("bulk", "otp") * 25]
        for id in ids:
            broker.publish(id, "bulk")  # twice each
        house.wait_for("a", 50)
    assert store.now() - began >= 49 / 50 - 0.1  # a tenth of a second was left unused before
    assert sorted(sms.id for sms in house.providers["a"].calls) == sorted(ids)


@pytest.mark.usefixtures("clock")
class TestRate:
    def test_over_it_the_next_alias_is_sooner(self, house, clock):
        house.rate("a", 1)
        for _ in range(3):
            house.deliver(house.code())
        assert house.calls == "abb"

    def test_alone_it_waits_for_its_turn(self, house, redis, clock):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 0.5)
        ids = [house.code() for _ in range(3)]
        states = [house.deliver(id).state for id in ids]
        assert states == [State.SENT, State.QUEUED, State.QUEUED]
        assert [services.get(id).attempts for id in ids] == [1, 0, 0]
        due = [redis.zscore(names.LEASES + "otp", id) / 1000 - clock.now for id in ids[1:]]
        assert due == [exactly(2 - 0.1), exactly(4 - 0.1)]  # a tenth of a second was left unused before

    @any_order
    def test_it_is_kept_however_late_the_calls_begin(self, house, clock):
        """As when no sweep came for a while: then all come at once."""
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 10)
        ids = [house.code() for _ in range(25)]
        for id in ids:
            house.deliver(id)
        clock.advance(2.4)
        house.work_by(clock)
        began = clock.now
        for id in ids:
            broker.publish(id, "otp")
        clock.advance(3)
        times = house.providers["a"].times
        assert len(times) == 25
        assert busiest(times) <= 12
        assert times[-1] - began <= 2.3  # 23 messages, 10 a second

    @any_order
    def test_a_queue_drains_at_the_rate(self, house, clock):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 20)
        house.work_by(clock)
        ids = [house.code() for _ in range(50)]
        clock.advance(3)
        calls, times = house.providers["a"].calls, house.providers["a"].times
        assert sorted(sms.id for sms in calls) == sorted(ids)
        assert busiest(times) <= 23
        assert times[-1] - times[0] <= 2.45  # 49 turns, 20 a second

    def test_exactly_a_tenth_of_a_second_left_unused_may_still_be_used(self, house, redis, clock):
        house.rate("a", 1)
        house.choose(house.send(), "a")
        assert float(redis.get(names.RATE + "a")) == round(clock.now * 1000) - 100 + 1000

    def test_who_waits_is_not_overtaken(self, house, redis, clock):
        house.rate("a", 5)
        x, y, z, new = (house.send() for _ in range(4))
        waits = [0, exactly(0.1), exactly(0.3)]
        assert [house.choose(id, "a").wait for id in (x, y, z)] == waits
        assert [house.choose(id, "a").wait for id in (y, z)] == waits[1:]  # early, and each as it stands
        clock.advance(0.4)
        assert house.choose(new, "a").wait == exactly(0.4)
        assert house.choose(z, "a").wait == 0
        # Its place was lost as it was too late, but not what it waited for.
        redis.zrem(names.LINE + "a:bulk", y)
        assert house.choose(y, "a").wait == exactly(0.1)
        clock.advance(0.1)
        redis.zrem(names.LINE + "a:bulk", y)
        assert house.choose(y, "a").wait == 0

    @pytest.mark.parametrize(("late", "wait"), [(9.999, exactly(1)), (10, 0)])
    def test_who_comes_back_ten_seconds_late_has_lost_the_place(self, house, clock, late, wait):
        """Its worker may be gone for good, and must not keep others waiting."""
        house.rate("a", 1)
        house.choose(house.send(), "a")
        assert house.choose(house.send(), "a").wait == exactly(0.9)
        clock.advance(0.9 + late)
        assert house.choose(house.send(), "a").wait == wait

    def test_a_code_does_not_wait_behind_newsletters(self, house, redis, clock):
        """The rate is one, the lines are two: messages in the line of codes go first."""
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 1)
        letters = [house.send(expires_at=time.time() + 600) for _ in range(20)]
        for id in letters:
            house.deliver(id)
        code = house.code()
        assert house.deliver(code).state is State.QUEUED
        due = redis.zscore(names.LEASES + "otp", code) / 1000 - clock.now
        assert due == exactly(0.9)
        clock.advance(0.9)
        assert house.deliver(letters[1]).state is State.QUEUED
        assert house.deliver(code).state is State.SENT

    @any_order
    def test_codes_go_first_and_all_go(self, house, clock):
        house.settings.SMS_ROUTES = {"default": "a"}
        house.rate("a", 20)
        house.work_by(clock)
        letters = [house.send(expires_at=time.time() + 600) for _ in range(40)]
        codes, before = [], []
        for _ in range(10):
            clock.advance(0.07)
            before.append(len(house.providers["a"].calls))
            codes.append(house.code())
            clock.advance(0)  # a worker takes it
        clock.advance(3)
        order = [sms.id for sms in house.providers["a"].calls]
        assert len(order) == 50
        assert set(order) == {*letters, *codes}
        # Only codes that came before it go before a code's turn.
        assert [set(order[n : order.index(id)]) - {*codes} for id, n in zip(codes, before, strict=True)] == [
            set()
        ] * 10
        assert [id for id in order if id in codes] == codes
        assert busiest(house.providers["a"].times) <= 23

    def test_who_goes_elsewhere_leaves_the_line(self, house, redis, clock):
        house.rate("a", 0.5)
        house.rate("b", 1)
        ids = [house.send() for _ in range(3)]
        assert [house.choose(id, "ab").alias for id in ids] == ["a", "b", "b"]
        assert redis.zrange(names.LINE + "b:bulk", 0, -1) == [ids[2].encode()]
        clock.advance(1)
        assert house.choose(ids[2], "ab").wait == 0
        assert redis.keys(names.LINE + "*") == []

    def test_who_waits_for_another_leaves_the_line(self, house, redis, clock):
        house.rate("a", 1)
        house.rate("b", 1)
        for _ in range(2):
            house.choose(house.send(), "ab")
        id = house.send()
        assert house.choose(id, "ab").alias == "a"
        leave_out("a")
        assert house.choose(id, "ab").alias == "b"
        assert redis.keys(names.LINE + "*") == [f"{names.LINE}b:bulk".encode()]

    def test_who_has_waited_goes_first_once(self, house, redis, clock):
        """A message whose worker died in the call comes after those that wait."""
        house.rate("b", 1)
        house.choose(house.send(), "b")
        id, other = house.code(), house.code()
        house.choose(id, "b")
        clock.advance(0.9)
        assert house.choose(id, "b").wait == 0
        house.choose(other, "b")
        clock.advance(1)
        lease_ends(redis, id)
        assert house.choose(id, "b").wait == exactly(1)
        assert house.choose(other, "b").wait == 0

    @any_order
    def test_who_waited_is_sent_though_the_first_alias_refuses_it(self, house, redis, clock):
        """All go to the second by the order in which they came to it, however many come later.

        The second is busy all the time, and the first is slow to refuse. A message that asked the first again
        while it waits would find its turn taken each time that it comes back.
        """
        house.rate("b", 4)
        house.settings.SMS_ROUTES = {"default": "a>b", "DE": "b"}
        house.settings.SMS_BREAKER = {"fewest": 1000}
        house.work_by(clock)
        came = []

        def refuse(sms):
            clock.advance(0.3)
            came.append(sms.id)
            raise TemporaryFailure("x")

        def come(count):
            for _ in range(count):
                came.append(german(queue="otp", resend_unknown=True))
                clock.advance(0)

        house.monkeypatch.setattr(house.providers["a"], "send", refuse)
        come(4)
        house.code()
        for _ in range(20):
            come(1)
            clock.advance(0.2)
        clock.advance(10)
        assert [sms.id for sms in house.providers["b"].calls] == came
        assert len(came) == 25
        assert redis.keys(names.LINE + "*") == []

    def test_who_has_waited_for_an_alias_asks_it_first(self, house, clock):
        house.rate("b", 4)
        house.providers["a"].outcomes = [TemporaryFailure("x")] * 2
        house.deliver(house.code())
        id = house.code()
        assert house.deliver(id).state is State.QUEUED
        clock.advance(0.15)
        assert house.deliver(id).alias == "b"
        assert house.calls == "aabb"

    def test_a_place_is_kept_while_another_alias_is_asked(self, house, redis, clock):
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

    @pytest.mark.one_cell  # with cells its place lapses
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
