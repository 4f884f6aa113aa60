"""The table's own judgement: what it must not let pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from sms.message import State
from tests.faults.kinds import FAULTS
from tests.faults.load import Start
from tests.faults.provider import Call
from tests.faults.report import Doubt, End, Row, judge
from tests.faults.stack import ROOT

MESSAGES = ["m1", "m2", "m3"]


def call(message: str, begun: float, at: float) -> Call:
    return Call(begun, at, "main", "+12025550123", "123456", message, "well", taken=True)


def judged(
    calls: list[Call], doubts: list[Doubt], ends: dict[str, State] | None = None, definite: bool = False
) -> Row:
    """``ends``: message → its state; all of MESSAGES are sent unless it says otherwise."""
    ends = dict.fromkeys(MESSAGES, State.SENT) if ends is None else ends
    return judge(
        "a fault",
        definite=definite,
        starts=[Start("+12025550123", 0, 0, 202, f"v-{message}") for message in ends],
        calls=calls,
        ends={
            f"v-{message}": End(message, str(state), "refused" if state == State.FAILED else "")
            for message, state in ends.items()
        },
        delivered=set(),
        doubts=doubts,
        recoveries=[1.0],
        seconds=60,
        restarts=0,
        problems=[],
    )


def test_the_docs_have_every_row():
    text = (ROOT / "docs" / "promises.md").read_text()
    assert set(re.findall(r"^\| ([a-z]+-[a-z0-9-]+) \|", text, re.MULTILINE)) == set(FAULTS)


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


def many(**counts: int) -> dict[str, State]:
    """So many messages at each end, by the name of the state."""
    return {f"{state}-{n}": State(state) for state, count in counts.items() for n in range(count)}


def taken(ends: dict[str, State]) -> list[Call]:
    """One call for each that says it was sent."""
    return [call(message, 1, 1.1) for message, state in ends.items() if state == State.SENT]


def test_all_sent_is_good():
    ends = many(sent=700)
    assert (judged(taken(ends), [], ends).problems, judged(taken(ends), [], ends).lost) == ([], 0)


def test_nearly_nothing_sent():
    ends = many(sent=1, expired=350, unknown=349)
    row = judged(taken(ends), [], ends)
    assert row.problems[:4] == [
        "only 1 of 700 were sent",
        "699 lost, in the states {'expired': 350, 'unknown': 349}",
        "350 expired",
        "349 unknown without a doubt",
    ]


def test_nothing_sent():
    assert "only 0 of 0 were sent" in judged([], [], {}).problems


@pytest.mark.parametrize("state", [State.EXPIRED, State.UNKNOWN, State.CANCELLED])
def test_one_that_no_provider_has_and_nobody_doubts_is_lost(state):
    ends = many(sent=99, **{state: 1})
    row = judged(taken(ends), [], ends)
    assert row.lost == 1
    assert f"1 lost, in the states {{'{state}': 1}}" in row.problems


@pytest.mark.parametrize("state", [State.QUEUED, State.SENDING])
def test_one_that_is_not_at_its_end_is_lost_though_a_provider_has_it(state):
    ends = many(sent=99, **{state: 1})
    row = judged([*taken(ends), call(f"{state}-0", 1, 1.1)], [Doubt(1, 1, {f"{state}-0"})], ends)
    assert row.lost == 1


def test_sent_to_nobody_is_lost():
    ends = many(sent=100)
    row = judged(taken(ends)[1:], [], ends)
    assert row.problems == ["1 lost, in the states {'sent': 1}"]


def test_expired_is_bad_even_where_a_provider_has_it():
    ends = many(sent=99, expired=1)
    row = judged([*taken(ends), call("expired-0", 1, 1.1)], [Doubt(1, 1, {"expired-0"})], ends)
    assert row.problems == ["1 expired"]


@pytest.mark.parametrize("definite", [True, False])
def test_unknown_needs_a_doubt_and_a_fault_that_may_leave_one(definite):
    ends = many(sent=99, unknown=1)
    row = judged(taken(ends), [Doubt(1, 1, {"unknown-0"})], ends, definite)
    assert row.problems == (["1 unknown where every outcome is definite"] if definite else [])
    assert row.lost == 0


def test_where_every_outcome_is_definite_no_doubt_excuses_a_doubled_one():
    calls = [call(message, 9.8, 10.3) for message in MESSAGES] + AGAIN
    row = judged(calls, [Doubt(10, 10, set(MESSAGES))], definite=True)
    assert row.problems == ["3 doubled where every outcome is definite"]


def test_most_must_have_been_sent_even_where_all_the_rest_is_in_doubt():
    ends = many(sent=94, unknown=6)
    row = judged(taken(ends), [Doubt(1, 1, set(ends))], ends)
    assert row.problems == ["only 94 of 100 were sent"]


def test_failed_has_no_reason():
    ends = many(sent=99, failed=1)
    assert judged(taken(ends), [], ends).problems == ["1 failed"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_row_that_cannot_be_run_is_in_the_table_and_no_success(form):
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--only", "rabbitmq-restarted", *form],
        env=os.environ | {"PATH": "/nowhere"},  # RabbitMQ needs programs of Erlang's from there
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "rabbitmq-server is not installed" in done.stdout
    if not form:
        assert done.stdout.splitlines()[2].split()[:3] == ["rabbitmq-restarted", "not", "run"]
