"""A vendor that de-duplicates: an unknown outcome is repeated there at once, under the same key."""

from __future__ import annotations

import time

import pytest

from sms import names
from sms.delivery import run as delivery
from sms.delivery.run import REPEATS
from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, TemporaryFailure
from sms.message import State
from tests.sms.house import lease_ends

TIMEOUT = OutcomeUnknown("x", code="read_timeout")


@pytest.fixture
def code(house):
    house.providers["a"].repeats_safely = True

    def run(*outcomes):
        house.providers["a"].outcomes = list(outcomes)
        return house.deliver(house.code())

    return run


def test_it_is_repeated_under_the_same_key(house, code):
    message = code(TIMEOUT)
    first, again = house.providers["a"].calls
    assert (message.state, message.alias, message.attempts) == (State.SENT, "a", 2)
    assert first.key == again.key
    assert again.expires_in <= first.expires_in
    assert house.providers["b"].calls == []


def test_another_round_has_another_key(house, code):
    """The vendor might repeat the same refusal for ever."""
    house.settings.SMS_ROUTES = {"default": "a"}
    message = code(TemporaryFailure("x", code="503"))
    assert house.deliver(message.id).state is State.SENT
    first, again = house.providers["a"].calls
    assert first.key != again.key


def test_after_so_many_it_waits_for_a_receipt_as_elsewhere(house, code):
    message = code(*[TIMEOUT] * 5)
    assert len(house.providers["a"].calls) == 1 + REPEATS
    assert (message.state, message.error, message.attempts) == (State.QUEUED, "read_timeout", 1 + REPEATS)
    assert house.providers["b"].calls == []


@pytest.mark.parametrize(
    "error",
    [
        TemporaryFailure("x", code="429"),
        AccountFailure("x", code="401"),
        PermanentFailure("x", code="21211"),
    ],
)
def test_a_repetition_that_was_not_taken_says_nothing_of_the_first(house, code, error):
    """No other alias gets it before the wait for a receipt, as the vendor may have it."""
    message = code(TIMEOUT, error, error)
    assert (message.state, message.error) == (State.QUEUED, error.code)
    assert house.providers["b"].calls == []


def test_a_repetition_does_not_wait_for_the_rate_and_counts(house, code, redis):
    house.rate("a", 0.1)
    before = time.time()
    assert code(TIMEOUT).state is State.SENT
    assert house.calls == "aa"
    assert float(redis.get(names.RATE + "a")) / 1000 - before == pytest.approx(20, abs=1)


@pytest.mark.parametrize("dies", [False, True])
def test_the_key_stays_when_the_same_vendor_gets_it_after_the_wait(house, code, redis, dies):
    """Its answers were all lost, or its worker died in the call. The route has no other alias."""
    house.settings.SMS_ROUTES = {"default": "a"}
    if dies:
        house.providers["a"].outcomes = [SystemExit()]
        id = house.code()
        with pytest.raises(SystemExit):
            house.deliver(id)
        lease_ends(redis, id)
        assert house.deliver(id).state is State.SENT
    else:
        message = code(*[TIMEOUT] * 3)
        assert house.deliver(message.id).state is State.SENT
    assert len({sms.key for sms in house.providers["a"].calls}) == 1


def test_an_alias_that_is_left_out_by_it_is_not_asked_again(house, code):
    house.settings.SMS_BREAKER = {"fewest": 1, "share": 0.1}
    message = code(TIMEOUT)
    assert (message.state, message.attempts) == (State.QUEUED, 1)
    assert house.left_out() == {"a"}
    assert house.calls == "a"


def test_a_worker_that_dies_before_the_repetition_leaves_a_doubt(house, code, redis):
    """Between two calls the message still counts as one that the vendor may have."""
    house.settings.SMS_BREAKER = {"fewest": 1, "share": 0.1}
    house.providers["a"].outcomes = [TIMEOUT]
    id = house.code()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery._Run, "record", lambda *_, **__: None)  # it dies here
        house.deliver(id)
    assert redis.hget(names.RECORD + id, "calling") == b"a"


def test_who_does_not_de_duplicate_gets_it_once(house, code):
    house.providers["a"].repeats_safely = False
    assert code(TIMEOUT).state is State.QUEUED
    assert len(house.providers["a"].calls) == 1
