"""The failover rule as a table, and how often and to whom a code goes that may have arrived."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import pytest

from sms import names, receipts, services
from sms.delivery import run as delivery
from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, TemporaryFailure
from sms.message import State
from tests.sms.house import exactly, lease_ends, leave_out

DELIVERED, FAILED, QUEUED = State.DELIVERED, State.FAILED, State.QUEUED
SENDING, SENT, UNKNOWN = State.SENDING, State.SENT, State.UNKNOWN


@dataclass
class Row:
    """One row of the failover rule, see ``sms.delivery``. The route is a>b, or a alone."""

    outcome: BaseException | str | None  # of the call to a; a str: what its receipt says after it
    # The message: its state, who is called in this run, who when it comes back.
    code: tuple[State, str, str]
    other: tuple[State, str, str]  # a message that is no code
    alone: tuple[State, str, str]  # a code whose route has no other alias
    # The alias: outcomes that count for it, and for it in this country; where it is left out, of
    # which a log line at level error and a signal tell.
    good: int = 0
    bad: int = 0
    good_there: int = 0
    bad_there: int = 0
    left_out: str | None = None  # "" everywhere, or a country
    repeats_safely: bool = False  # the vendor de-duplicates


RULE = {
    "accepted": Row(None, (SENT, "a", ""), (SENT, "a", ""), (SENT, "a", ""), good=1),
    "temporary": Row(
        TemporaryFailure("x", code="503"), (SENT, "ab", ""), (SENT, "ab", ""), (QUEUED, "a", "a"), bad=1
    ),
    "number": Row(
        PermanentFailure("x", code="21211"), (FAILED, "a", ""), (FAILED, "a", ""), (FAILED, "a", ""), good=1
    ),
    "account": Row(
        AccountFailure("x", code="20003"),
        (SENT, "ab", ""),
        (SENT, "ab", ""),
        (QUEUED, "a", ""),  # it looks again, but may not ask before the probe
        bad=1,
        left_out="",
    ),
    "sender": Row(
        AccountFailure("x", code="21408", here=True),
        (SENT, "ab", ""),
        (SENT, "ab", ""),
        (QUEUED, "a", ""),
        bad_there=1,
        left_out="US",
    ),
    "unknown": Row(
        OutcomeUnknown("x", code="read_timeout"),
        (QUEUED, "a", "b"),
        (UNKNOWN, "a", ""),
        (QUEUED, "a", "a"),
        bad=1,
    ),
    "unknown, and repeated": Row(
        OutcomeUnknown("x", code="read_timeout"),
        (SENT, "aa", ""),
        (SENT, "aa", ""),
        (SENT, "aa", ""),
        good=1,
        bad=1,
        repeats_safely=True,
    ),
    "worker died in it": Row(
        SystemExit(), (SENDING, "a", "b"), (SENDING, "a", ""), (SENDING, "a", "a"), bad=1
    ),
    "receipt: undelivered": Row(
        "failed", (QUEUED, "a", "b"), (FAILED, "a", ""), (FAILED, "a", ""), good=1, bad_there=1
    ),
    "receipt: delivered": Row(
        "delivered", (DELIVERED, "a", ""), (DELIVERED, "a", ""), (DELIVERED, "a", ""), good=1, good_there=1
    ),
}


@pytest.mark.parametrize("kind", ["code", "other", "alone"])
@pytest.mark.parametrize("outcome", RULE)
def test_the_rule(house, left_out, caplog, outcome, kind):
    redis, row, a = house.redis, RULE[outcome], house.providers["a"]
    if kind == "alone":
        house.settings.SMS_ROUTES = {"default": "a"}
    a.repeats_safely = row.repeats_safely
    id = house.send() if kind == "other" else house.code()
    a.outcomes = [row.outcome] if isinstance(row.outcome, BaseException) else []
    with suppress(SystemExit):
        house.deliver(id)
    if isinstance(row.outcome, str):
        receipts.take("a", {}, f"{id} {row.outcome}".encode(), "/", "")
    state, calls = services.get(id).state, house.calls

    lease_ends(redis, id)
    good = int(redis.hget(names.HEALTH + "a", "good") or 0)
    house.deliver(id)
    later = Counter(house.calls) - Counter(calls)
    assert (state, calls, "".join(later)) == getattr(row, kind)
    ended = UNKNOWN if state is SENDING else state  # unless somebody took it now
    assert services.get(id).state is (SENT if later else ended)
    assert services.get(id).attempts == len(house.calls)

    if kind != "alone":  # else it was asked twice
        counts = [
            int(redis.hget(names.HEALTH + key, name) or 0)
            for key, name in (("a", "bad"), ("a:US", "good"), ("a:US", "bad"))
        ]
        assert (good, *counts) == (row.good, row.bad, row.good_there, row.bad_there)
    loud = [record.msg for record in caplog.records if record.levelname == "ERROR"]
    if row.left_out is None:
        assert (house.left_out(), left_out, loud) == (set(), [], [])
    else:
        assert house.left_out() == {"a:US" if row.left_out else "a"}
        assert left_out == [("a", row.left_out)]
        assert [(line["event"], line["alias"], line["country"]) for line in loud] == [
            ("provider_left_out", "a", row.left_out)
        ]


@pytest.mark.parametrize("code", ["", "their_word"])
@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (TemporaryFailure, "temporary"),
        (PermanentFailure, "permanent"),
        (AccountFailure, "account"),
        (OutcomeUnknown, "unknown"),
    ],
)
def test_the_error_of_a_message_is_the_vendors_word_for_it_or_ours(house, outcome, word, code):
    house.settings.SMS_ROUTES = {"default": "a"}
    house.providers["a"].outcomes = [outcome("x", code=code)]
    message = house.deliver(house.send())
    assert message.error == (code or word)


def test_an_unknown_code_goes_to_the_next_alias_once(house, clock):
    for name in "ab":
        house.providers[name].always = OutcomeUnknown("x")
    id = house.code()
    house.deliver(id)
    due = house.redis.zscore(names.LEASES + "otp", id) / 1000 - clock.now
    assert due == exactly(5)  # SMS_RECEIPT_WAIT
    assert house.deliver(id).state is State.UNKNOWN
    assert house.calls == "ab"
    assert house.deliver(id).state is State.UNKNOWN
    assert house.calls == "ab"


def test_nobody_else_is_asked_in_the_millisecond_in_which_a_code_dies(house, clock, monkeypatch):
    id = house.send(queue="otp", expires_at=clock.now + 20)

    def refuse(sms):
        clock.advance(20)
        raise TemporaryFailure("x")

    monkeypatch.setattr(house.providers["a"], "send", refuse)
    house.deliver(id)
    assert house.calls == ""


def test_an_unknown_message_that_is_no_code_stops(house):
    house.providers["a"].always = OutcomeUnknown("x")
    assert house.deliver(house.send()).state is State.UNKNOWN
    assert house.calls == "a"


def test_an_unknown_code_does_not_return_while_the_route_has_another(house):
    """Neither while the other fails nor while it is left out: further rounds go only to the other."""
    house.providers["a"].outcomes = [OutcomeUnknown("x")]
    b = house.providers["b"]
    b.outcomes = [TemporaryFailure("x")]
    id = house.code()
    house.deliver(id)
    assert house.deliver(id).state is State.QUEUED
    assert house.redis.hget(names.RECORD + id, "rounds") == b"1"
    leave_out("b")
    assert house.deliver(id).state is State.QUEUED
    house.pause_is_over("b")
    assert house.deliver(id).state is State.SENT
    assert house.calls == "abb"


def test_an_unknown_code_goes_to_the_only_alias_once_more(house):
    house.settings.SMS_ROUTES = {"default": "a"}
    house.providers["a"].always = OutcomeUnknown("x")
    id = house.code()
    assert [house.deliver(id).state for _ in range(3)] == [State.QUEUED, State.UNKNOWN, State.UNKNOWN]
    assert house.calls == "aa"


class TestOnceMoreInAll:
    """A code that an alias may have goes to one more, whatever happens there."""

    def test_unknown_then_undelivered(self, house):
        house.providers["a"].outcomes = [OutcomeUnknown("x")]
        id = house.code()
        house.deliver(id)
        assert house.deliver(id).alias == "b"
        receipts.take("b", {}, f"{id} failed".encode(), "/", "")
        assert services.get(id).state is State.FAILED
        house.deliver(id)
        assert house.calls == "ab"

    def test_undelivered_then_unknown(self, house):
        house.providers["b"].outcomes = [OutcomeUnknown("x")]
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")
        assert house.deliver(id).state is State.UNKNOWN
        house.deliver(id)
        assert house.calls == "ab"

    def test_undelivered_then_the_worker_died(self, house, monkeypatch):
        id = house.code()
        house.deliver(id)
        receipts.take("a", {}, f"{id} failed".encode(), "/", "")

        def dies(_):
            raise SystemExit

        monkeypatch.setattr(house.providers["b"], "send", dies)
        with pytest.raises(SystemExit):
            delivery.deliver(id)
        lease_ends(house.redis, id)
        assert house.deliver(id).state is State.UNKNOWN
        assert house.calls == "a"


def test_a_receipt_ends_the_wait_for_the_next_alias(house):
    house.providers["a"].always = OutcomeUnknown("x")
    id = house.code()
    house.deliver(id)
    receipts.take("a", {}, f"{id} delivered".encode(), "/", "")
    assert house.deliver(id).state is State.DELIVERED
    assert house.calls == "a"


def test_all_aliases_failed(house, redis, clock):
    """Rounds after 3, 10 and 20 s, each through the whole route; then a dead letter."""
    house.settings.SMS_BREAKER = {"fewest": 100}
    for name in "ab":
        house.providers[name].always = TemporaryFailure("x", code="busy")
    id = house.code()
    waits = []
    for _ in range(3):
        assert house.deliver(id).state is State.QUEUED
        waits.append(redis.zscore(names.LEASES + "otp", id) / 1000 - clock.now)
    assert waits == [exactly(3), exactly(10), exactly(20)]
    assert house.deliver(id).state is State.FAILED
    assert house.calls == "aaaabbbb"
    assert [message.id for message in services.dead_letters()] == [id]
    assert services.dead_letter(id).error == "busy"
