"""A receipt says that a code did not arrive while it lives."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sms import cells, names, receipts, services, store
from sms.delivery import run as delivery
from sms.message import Attempt, Receipt, State
from sms.scripts import INCLUDES, Script
from tests.commands import commands

REDIRECT = Script(
    Path(__file__).with_name("redirect_step.lua"),
    includes=(INCLUDES,),
    keys=names.IN_LUA,
    EVENTS="",
    MOST_EVENTS=1,
)


class TestUndelivered:
    """A receipt says that a code did not arrive while it lives."""

    def undelivered(self, house):
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        return id

    def test_it_goes_to_the_next_alias_once(self, house):
        id = self.undelivered(house)
        assert services.get(id).state is State.QUEUED
        assert house.published.count(id) == 2
        assert house.deliver(id).state is State.SENT
        assert (house.calls, services.get(id).alias) == ("ab", "b")
        receipts.take("b", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED

    def test_dead_before_the_next_alias_had_it_has_failed(self, house, redis):
        """It was sent, and a receipt says what became of it: that is not "died before it could be sent"."""
        id = self.undelivered(house)
        redis.hset(names.RECORD + id, "expires_at", 1)
        found = house.deliver(id)
        assert (found.state, found.error, house.calls) == (State.FAILED, "undelivered", "a")
        assert found.error_class == "undelivered"
        assert not redis.exists(names.BODY + id)
        assert redis.zcard(names.LEASES + "otp") == 0

    def test_it_goes_on_until_the_millisecond_in_which_it_dies(self, house, redis):
        id = house.code()
        dies = int(redis.hget(names.RECORD + id, "expires_at"))
        assert REDIRECT((), (id, dies), cells.of_id(id)) == 0
        assert REDIRECT((), (id, dies - 1), cells.of_id(id)) == 1

    def test_the_same_receipt_again_is_nothing(self, house):
        id = self.undelivered(house)
        assert receipts.take("a", {}, f"{id} failed".encode(), "/", "") == 0
        house.deliver(id)
        assert receipts.take("a", {}, f"{id} failed".encode(), "/", "") == 0
        assert services.get(id).state is State.SENT

    def test_an_earlier_word_that_comes_late_does_not_end_it(self, house):
        id = self.undelivered(house)
        assert receipts.take("a", {}, f"{id} sent".encode(), "/", "") == 0
        assert house.deliver(id).alias == "b"

    def test_it_is_known_before_the_call_has_answered(self, house, monkeypatch):
        id = house.code()
        a = house.providers["a"]

        def early(_):
            receipts.take("a", {}, f"{id} failed".encode(), "/", "")
            return "a-1"

        monkeypatch.setattr(a, "send", early)
        assert house.deliver(id).state is State.QUEUED
        assert house.deliver(id).alias == "b"

    def test_known_early_of_the_only_alias_it_has_failed(self, house, monkeypatch):
        house.settings.SMS_ROUTES = {"default": "a"}
        id = house.code()

        def early(_):
            receipts.take("a", {}, f"{id} failed".encode(), "/", "")
            return "a-1"

        monkeypatch.setattr(house.providers["a"], "send", early)
        found = house.deliver(id)
        assert (found.state, found.error_class) == (State.FAILED, "undelivered")

    def test_what_was_known_early_is_about_that_call_alone(self, house, monkeypatch):
        """The first alias is asked again, as the route has no other any more, and takes it: that is sent."""
        id = house.code()
        a = house.providers["a"]

        def early(_):
            receipts.take("a", {}, f"{id} failed".encode(), "/", "")
            return "a-1"

        with monkeypatch.context() as first:
            first.setattr(a, "send", early)
            assert house.deliver(id).state is State.QUEUED
        house.settings.SMS_ROUTES = {"default": "a"}
        assert house.deliver(id).state is State.SENT
        assert house.calls == "a"

    def test_a_word_that_nobody_knows_ends_nothing(self, house):
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} unknown".encode(), "/", "")
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        receipts.take("a", {}, f"{id} unknown".encode(), "/", "")
        assert house.deliver(id).alias == "b"

    def test_the_only_alias_is_not_paid_again(self, house):
        house.settings.SMS_ROUTES = {"default": "a"}
        id = self.undelivered(house)
        assert services.get(id).state is State.FAILED
        assert house.published.count(id) == 1

    def test_it_closes_no_country_that_has_no_other_alias(self, house, redis, left_out):
        """Any caller can name five phones that are off."""
        house.settings.SMS_ROUTES = {"default": "a"}
        for _ in range(7):
            self.undelivered(house)
        assert redis.hget(names.HEALTH + "a:US", "bad") == b"7"
        assert (house.left_out(), left_out) == (set(), [])
        assert house.deliver(house.code()).state is State.SENT

    def test_a_number_without_the_channel_says_nothing_bad_of_the_alias(self, house, redis, left_out):
        """However often: few people may have it there. The code goes on as any other."""
        for _ in range(7):
            id = house.code()
            house.deliver(id)
            receipts.record("a", Receipt(id, State.FAILED, "failed", unreachable=True))
            assert house.deliver(id).alias == "b"
        assert not redis.hget(names.HEALTH + "a:US", "bad")
        assert (house.left_out(), left_out) == (set(), [])

    def test_it_leaves_no_country_without_an_alias(self, house, redis, left_out):
        """The first is left out, so the second stays, even while the first is probed."""
        for _ in range(5):
            self.undelivered(house)
        for n in range(12):
            if n == 6:
                house.pause_is_over("a:US")
                redis.hset(names.HEALTH + "a:US", "probe_until", int((time.time() + 30) * 1000))
            id = house.code()
            assert house.deliver(id).alias == "b"
            receipts.take("b", {}, f"{id} failed".encode(), "/", "")
        assert left_out == [("a", "US")]
        assert "b:US" not in house.left_out()

    @pytest.mark.parametrize("held", ["hold_until", "open_until"])
    @pytest.mark.parametrize("key", ["b", "b:US"])
    def test_an_alias_that_may_not_be_asked_takes_nothing_over(self, house, redis, held, key):
        redis.hset(names.HEALTH + key, held, int((time.time() + 60) * 1000))
        for _ in range(7):
            self.undelivered(house)
        assert "a:US" not in house.left_out()
        redis.delete(names.HEALTH + key)
        self.undelivered(house)
        assert "a:US" in house.left_out()

    def test_few_of_many_do_not_close_a_country(self, house):
        house.settings.SMS_BREAKER = {"fewest": 3}
        for n in range(12):
            id = house.code()
            house.deliver(id)
            receipts.take("a", {}, f"{id} {'delivered' if n % 3 else 'failed'}".encode(), "/", "")
        assert house.left_out() == set()

    def test_a_used_code_is_not_sent_again(self, house, redis):
        id = house.code()
        house.deliver(id)
        assert redis.exists(names.BODY + id)
        services.cancel(id)
        assert not redis.exists(names.BODY + id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED

    def test_a_replaced_code_is_not_sent_again(self, house, redis):
        id = house.code()
        house.deliver(id)
        house.send(queue="otp", replaces=id)
        assert not redis.exists(names.BODY + id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED

    def test_a_delivered_code_keeps_no_text(self, house, redis):
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} delivered".encode(), "/", "")
        assert not redis.exists(names.BODY + id)

    def test_a_code_that_died_in_the_call_is_not_sent_again(self, house, redis):
        id = house.code()
        _, attempt, _ = store.claim(id)
        assert isinstance(attempt, Attempt)
        services.cancel(id)
        delivery._Run(attempt).record(State.SENT, alias="a")
        assert not redis.exists(names.BODY + id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED

    def test_the_same_receipt_again_while_the_next_alias_is_being_chosen(self, house):
        id = self.undelivered(house)
        assert store.claim(id)[0] == "claimed"
        assert receipts.take("a", {}, f"{id} failed".encode(), "/", "") == 0
        assert services.get(id).state is State.SENDING

    def test_it_counts_in_its_country(self, house, left_out):
        house.settings.SMS_BREAKER = {"fewest": 3}
        for _ in range(3):
            self.undelivered(house)
        assert house.left_out() == {"a:US"}
        assert left_out == [("a", "US")]
        house.deliver(house.code())
        assert len(house.providers["b"].calls) == 1


@pytest.mark.parametrize("word", ["delivered", "failed"])
def test_a_receipt_costs_one_round_trip(house, word):
    """With cells two: the breaker is in the hub."""
    ids = [house.code() for _ in range(2)]
    for id in ids:
        house.deliver(id)
    receipts.take("a", {}, f"{ids[0]} {word}".encode(), "/", "")  # loads the script, opens a connection
    with commands() as sent:
        receipts.take("a", {}, f"{ids[1]} {word}".encode(), "/", "")
    assert sent == ["EVALSHA"] * (1 + cells.many())
