"""A number that one channel does not reach has another, in the same run."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from sms import store, tally
from sms.errors import AccountFailure, PermanentFailure, TemporaryFailure, Unreachable
from sms.message import Channel, State


@pytest.fixture
def mixed(house, settings):
    """a and b are WhatsApp, c is SMS."""
    for alias in ("a", "b"):
        house.providers[alias].channel = Channel.WHATSAPP
    settings.SMS_ROUTES = {"default": "a>b>c"}
    return house


def calls(house) -> dict[str, int]:
    return {alias: len(provider.calls) for alias, provider in house.providers.items()}


@pytest.mark.parametrize("error", [Unreachable("x", code="131026"), PermanentFailure("x", code="bad_number")])
def test_who_is_not_to_be_had_there_is_asked_by_the_next_channel(mixed, error):
    mixed.providers["a"].outcomes = [error]
    id = mixed.code()
    mixed.deliver(id)
    assert calls(mixed) == {"a": 1, "b": 0, "c": 1}
    assert (store.get(id).state, store.get(id).alias) == (State.SENT, "c")


def test_it_says_nothing_bad_of_the_alias(mixed):
    mixed.providers["a"].always = Unreachable("x", code="131026")
    for _ in range(20):
        mixed.deliver(mixed.code())
    assert calls(mixed) == {"a": 20, "b": 0, "c": 20}
    (counted,) = tally.read("counts")
    assert counted["calls|unreachable|a|US"] == 20


def test_the_last_channel_ends_it(mixed):
    mixed.providers["a"].outcomes = [Unreachable("x", code="131026")]
    mixed.providers["c"].outcomes = [PermanentFailure("x", code="bad_number")]
    id = mixed.code()
    mixed.deliver(id)
    message = store.get(id)
    assert (message.state, message.fault, message.error) == (State.FAILED, "number_refused", "bad_number")


def test_where_the_other_channel_has_failed_already_it_ends_too(mixed):
    mixed.providers["a"].outcomes = [AccountFailure("x", code="token")]
    mixed.providers["b"].outcomes = [TemporaryFailure("x", code="busy")]
    mixed.providers["c"].outcomes = [PermanentFailure("x", code="bad_number")]
    id = mixed.code()
    mixed.deliver(id)
    assert calls(mixed) == {"a": 1, "b": 1, "c": 1}
    assert store.get(id).state is State.FAILED


def test_within_a_channel_a_refused_number_is_not_asked_again(house):
    house.providers["a"].outcomes = [PermanentFailure("x", code="bad_number")]
    id = house.code()
    house.deliver(id)
    assert calls(house) == {"a": 1, "b": 0, "c": 0}
    assert store.get(id).state is State.FAILED


def test_the_log_of_a_call_that_failed_names_what_it_was_for(mixed):
    id = mixed.send(queue="otp", reference="order-1")
    mixed.providers["a"].outcomes = [TemporaryFailure("x", code="busy")]
    mixed.providers["b"].outcomes = [Unreachable("x", code="131026")]
    with capture_logs() as logs:
        mixed.deliver(id)
    told = {log["event"]: log for log in logs}
    for event in ("alias_failed", "channel_failed"):
        assert (told[event]["message_id"], told[event]["reference"]) == (id, "order-1")
        assert told[event]["country"] == "US"
