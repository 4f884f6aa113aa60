"""The table's own judgement: what it must not let pass."""

from __future__ import annotations

import pytest

from sms.message import State
from tests.faults.load import Start
from tests.faults.provider import Call
from tests.faults.report import Doubt, End, Row, judge

MESSAGES = ["m1", "m2", "m3"]


def call(message: str, begun: float, at: float) -> Call:
    return Call(begun, at, "main", "+12025550123", "123456", message, "well", taken=True)


def judged(calls: list[Call], doubts: list[Doubt]) -> Row:
    return judge(
        "a fault",
        definite=False,
        starts=[Start("+12025550123", 0, 0, 202, f"v-{message}") for message in MESSAGES],
        calls=calls,
        ends={f"v-{message}": End(message, State.SENT, "") for message in MESSAGES},
        delivered=set(),
        doubts=doubts,
        recoveries=[1.0],
        seconds=60,
        restarts=0,
        problems=[],
    )


#: A worker dies at 10.0 and another at 50.0; the lease brings back what each held.
AGAIN = [call(message, 41, 41.5) for message in MESSAGES]


def test_what_was_in_flight_may_be_doubled():
    calls = [call(message, 9.8, 10.3) for message in MESSAGES] + AGAIN
    # The later death, with nothing in hand, is not blamed for what the first has doubled.
    row = judged(calls, [Doubt(10, 10, set(MESSAGES)), Doubt(50, 50, set())])
    assert (row.problems, row.doubled, row.in_flight) == ([], 3, 3)


def test_more_doubled_than_in_flight():
    """Two of them had their answer seconds before the worker died."""
    calls = [call("m1", 9.8, 10.3), call("m2", 5, 5.5), call("m3", 6, 6.5), *AGAIN]
    row = judged(calls, [Doubt(10, 10, set(MESSAGES))])
    assert row.problems == ["3 doubled where 1 calls were in flight"]


def test_each_instant_counts_for_itself():
    """Many calls in flight when another worker died excuse nothing."""
    calls = [call(message, 9, 9.5) for message in MESSAGES] + AGAIN
    calls += [call(f"other-{n}", 49.9, 50.4) for n in range(9)]
    row = judged(calls, [Doubt(50, 50, set()), Doubt(10, 10, set(MESSAGES))])
    assert row.problems == ["3 doubled where 0 calls were in flight"]


@pytest.mark.parametrize("doubts", [[], [Doubt(10, 10, {"m1", "m2"})]])
def test_doubled_without_a_doubt(doubts):
    calls = [call(message, 9.8, 10.3) for message in MESSAGES] + AGAIN
    assert f"{3 - (2 if doubts else 0)} doubled without a doubt" in judged(calls, doubts).problems
