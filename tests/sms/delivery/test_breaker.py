"""The breaker: who is left out, for how long, and the probe that ends it."""

from __future__ import annotations

import math
from contextlib import nullcontext

import pytest

from sms import names, receipts, services, store
from sms.delivery.health import Ended
from sms.errors import LONGEST_HOLD, AccountFailure, OutcomeUnknown, Overloaded, TemporaryFailure
from sms.message import Chosen, State
from sms.providers.transport import retry_after
from tests.sms.house import count_calls, exactly, leave_out


def test_while_none_may_be_asked_it_says_when_to_ask_again(house, redis):
    redis.hset(names.HEALTH + "a", "hold_until", (redis.time()[0] + 60) * 1000)
    assert house.choose(house.send(), "a") == Chosen("", 3.0, False)


class TestBreaker:
    def test_it_opens_and_one_probe_closes_it(self, house, settings, left_out):
        settings.SMS_BREAKER = {"fewest": 3, "pause": 60}
        a = house.providers["a"]
        a.always = TemporaryFailure("x", code="503")
        for _ in range(5):
            assert house.deliver(house.code()).state is State.SENT
        assert len(a.calls) == 3  # the fourth and fifth message did not ask
        assert left_out == [("a", "")]
        house.pause_is_over("a")
        house.deliver(house.code())
        house.deliver(house.code())
        assert len(a.calls) == 4  # one probe, and it failed
        house.pause_is_over("a")
        a.always = None
        house.deliver(house.code())
        assert len(a.calls) == 5
        assert house.left_out() == set()
        house.deliver(house.code())
        assert len(a.calls) == 6

    def test_a_probe_that_fails_opens_it_again(self, house, settings, redis, clock):
        """One failure is enough then, however long ago the others were."""
        settings.SMS_BREAKER = {"fewest": 3, "pause": 60, "window": 5}
        leave_out("a")
        house.pause_is_over("a")
        clock.advance(15)
        house.providers["a"].always = TemporaryFailure("x")
        for _ in range(3):
            house.deliver(house.code())
        assert len(house.providers["a"].calls) == 1
        assert int(redis.hget(names.HEALTH + "a", "open_until")) / 1000 == exactly(clock.now + 60)

    def test_it_keeps_since_when_it_is_open(self, house, settings, redis, clock):
        """In spite of probes in between. A refused account opens it at once."""
        settings.SMS_BREAKER = {"fewest": 3, "pause": 60}
        house.providers["a"].always = AccountFailure("x")
        opened = clock.now
        house.deliver(house.code())
        for _ in range(2):
            clock.advance(61)
            house.deliver(house.code())
        assert len(house.providers["a"].calls) == 3
        assert int(redis.hget(names.HEALTH + "a", "opened_at")) / 1000 == exactly(opened)
        clock.advance(61)
        house.providers["a"].always = None
        house.deliver(house.code())
        assert not redis.hexists(names.HEALTH + "a", "opened_at")

    def test_one_probe_at_a_time(self, house):
        leave_out("a")
        house.pause_is_over("a")
        choices = [house.choose(house.send(), "ab") for _ in range(3)]
        assert [choice.alias for choice in choices] == ["a", "b", "b"]
        assert choices[0].probe

    @pytest.mark.parametrize(
        "outcome",
        [TemporaryFailure("x"), OutcomeUnknown("x"), AccountFailure("x"), AccountFailure("x", here=True)],
    )
    def test_a_probe_that_fails_keeps_no_other_from_beginning(self, house, outcome):
        for name in ("a", "a:US"):
            house.hold(name, open_until=1)
        house.providers["a"].outcomes = [outcome]
        house.deliver(house.code())
        assert len(house.providers["a"].calls) == 1
        for name in ("a", "a:US"):
            house.pause_is_over(name)
        house.deliver(house.code())
        assert len(house.providers["a"].calls) == 2

    def test_a_probe_that_finds_no_slot_keeps_no_other_from_beginning(self, house, monkeypatch):
        for name in ("a", "a:US"):
            house.hold(name, open_until=1)
        with monkeypatch.context() as patch:
            patch.setattr(house.aliases["a"], "slot", lambda: nullcontext(False))
            house.deliver(house.code())
        assert house.calls == "b"
        house.deliver(house.code())
        assert house.calls == "ab"
        assert house.left_out() == set()

    def test_good_outcomes_keep_it_closed(self, house, settings):
        settings.SMS_BREAKER = {"fewest": 2, "share": 0.5}
        for _ in range(8):
            house.deliver(house.code())
        house.providers["a"].outcomes = [TemporaryFailure("x")] * 4
        for _ in range(4):
            house.deliver(house.code())
        assert house.left_out() == set()

    def test_after_two_quiet_windows_the_count_begins_anew(self, house, settings, clock):
        settings.SMS_BREAKER = {"fewest": 3, "window": 4}
        house.deliver(house.code())
        clock.advance(10)
        house.providers["a"].outcomes = [TemporaryFailure("x")] * 3
        for _ in range(3):
            assert house.left_out() == set()
            house.deliver(house.code())
        assert house.left_out() == {"a"}

    def test_good_outcomes_that_receipts_overtake_count_as_any(self, house, monkeypatch):
        house.settings.SMS_BREAKER = {"fewest": 3}
        a = house.providers["a"]
        send = a.send

        def overtaken(sms):
            accepted = send(sms)
            receipts.take("a", {}, f"{sms.id} delivered".encode(), "/", "")
            return accepted

        monkeypatch.setattr(a, "send", overtaken)
        for _ in range(8):
            assert house.deliver(house.code()).state is State.DELIVERED
        a.outcomes = [TemporaryFailure("x")] * 4
        for _ in range(4):
            house.deliver(house.code())
        assert house.left_out() == set()
        leave_out("a")
        house.pause_is_over("a")
        assert house.deliver(house.code()).state is State.DELIVERED  # the probe
        assert house.left_out() == set()

    def test_a_refusal_in_one_country_is_about_that_country(self, house):
        house.providers["a"].outcomes = [AccountFailure("x", code="21408", here=True)]
        house.deliver(house.code())
        assert house.left_out() == {"a:US"}
        german = services.send("+4915123456789", "Hallo").id
        assert house.deliver(german).alias == "a"

    def test_retry_after_is_honoured_by_all(self, house):
        house.providers["a"].outcomes = [TemporaryFailure("x", retry_after=30)]
        house.deliver(house.code())
        house.deliver(house.code())
        assert house.calls == "abb"

    def test_a_shorter_retry_after_does_not_end_a_longer_one(self, house, redis):
        began = int(store.now() * 1000)
        for seconds in (300, 2):
            count_calls(Ended("a", "US", bad=1, retry_after=seconds))
        until = int(redis.hget(names.HEALTH + "a", "hold_until"))
        assert began <= until - 300_000 <= store.now() * 1000
        assert redis.ttl(names.HEALTH + "a") > LONGEST_HOLD

    @pytest.mark.parametrize(
        ("asked", "kept"), [(86_400, 600), (math.inf, 600), (7, 7), (math.nan, None), (-1, None)]
    )
    def test_a_retry_after_is_believed_for_so_long_at_most(self, asked, kept):
        assert TemporaryFailure("x", retry_after=asked).retry_after == kept

    @pytest.mark.parametrize("seconds", ["9" * 309, "86400"])
    def test_a_retry_after_beyond_reason_does_not_harm(self, house, redis, clock, seconds):
        """The message goes on at once, and a start is told a time that may come true."""
        house.settings.SMS_ROUTES = {"default": "a>b", "DE": "a"}
        asked = retry_after({"Retry-After": seconds})
        house.providers["a"].outcomes = [TemporaryFailure("x", retry_after=asked)]
        assert house.deliver(house.code()).state is State.SENT
        assert house.calls == "ab"
        with pytest.raises(Overloaded) as caught:
            services.send("+4915123456789", "Hallo", queue="otp")
        assert caught.value.retry_after == LONGEST_HOLD

    def test_one_that_is_held_back_does_not_hold_back_the_other(self, house, redis, clock):
        house.providers["a"].outcomes = [TemporaryFailure("x", retry_after=300)]
        house.providers["b"].outcomes = [TemporaryFailure("x")]
        id = house.code()
        assert house.deliver(id).state is State.QUEUED
        assert redis.zscore(names.LEASES + "otp", id) / 1000 == exactly(clock.now + 3)

    def test_who_waits_for_a_probe_looks_again_soon(self, house, redis, clock):
        house.settings.SMS_ROUTES = {"default": "a"}
        leave_out("a")
        house.pause_is_over("a")
        house.choose(house.send(), "a")  # the probe
        id = house.code()
        house.deliver(id)
        assert redis.zscore(names.LEASES + "otp", id) / 1000 == exactly(clock.now + 3)

    def test_nobody_may_be_asked(self, house):
        """The round has not failed: a code outlives an outage of its only provider."""
        house.settings.SMS_ROUTES = {"default": "a"}
        id = house.code()
        leave_out("a")
        for _ in range(9):
            assert house.deliver(id).state is State.QUEUED
        assert house.calls == ""
