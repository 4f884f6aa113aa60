"""The fate of the messages of one fault, whether it is as promised, and the table."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sms.message import State
from tests.faults.load import Start
from tests.faults.provider import Call

_COLUMNS = {
    "fault": "fault",
    "accepted": "accepted",
    "sent": "sent",
    "delivered": "delivered",
    "expired": "expired",
    "unknown": "unknown",
    "doubled": "doubled",
    "lost": "lost",
    "recovered": "seconds to recover",
}

#: Nothing of ours touches a message again in these; only receipts and replays may still move it.
SETTLED = frozenset(State) - {State.QUEUED, State.SENDING}

#: A message is tried again once after an unknown outcome, so a provider can have it twice.
MOST_TAKEN = 2

#: The share of what was accepted that a provider must have taken. Messages in doubt may be missing. A row
#: with many of them shows nothing.
LEAST_SENT = 0.95

#: Seconds that a call may be on its way to the provider, or its answer on the way back.
ON_THE_WAY = 0.1


class Doubt(NamedTuple):
    """When calls under way ended with an unknown outcome (``time.monotonic``), and their messages.

    For a process that died, this is an instant. For a provider that lies, it is as long as that lied, so
    ``in_flight`` counts all calls of that time. Only ``messages`` is a useful bound there.
    """

    since: float
    until: float
    messages: Set[str]

    def in_flight(self, calls: Iterable[Call]) -> int:
        """How many taken calls were under way then."""
        return sum(
            call.taken and call.begun <= self.until + ON_THE_WAY and call.at >= self.since - ON_THE_WAY
            for call in calls
        )


class End(NamedTuple):
    """Where a message stands: its id, and state and error of its record."""

    message: str
    state: str
    error: str


@dataclass(slots=True)
class Row:
    """One line of the table. ``problems`` says what was not as promised."""

    fault: str
    times: int  # how often the fault happened
    seconds: float  # of load
    accepted: int  # answers 202
    refused: int  # answers 503
    unanswered: int  # the connection broke
    sent: int  # messages that a provider took
    delivered: int
    expired: int
    unknown: int
    failed: int
    doubled: int  # messages that a provider took more than once
    in_doubt: int  # messages with a call of unknown outcome: these may be doubled
    in_flight: int  # calls that the provider had in hand in those instants
    lost: int
    recovered: float | None  # seconds, the longest
    restarts: int  # processes that ended by themselves
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.problems


def judge(
    fault: str,
    *,
    definite: bool,
    starts: Sequence[Start],
    calls: Sequence[Call],
    ends: Mapping[str, End],
    delivered: set[str],
    doubts: Sequence[Doubt],
    recoveries: Sequence[float | None],
    seconds: float,
    restarts: int,
    problems: Iterable[str],
) -> Row:
    """The line for a fault.

    Messages are named by their ids. Those of ``doubts`` had a call with an unknown outcome. For those of
    ``delivered`` a genuine receipt was taken. ``ends``: by verification. ``definite``: no message may end as
    unknown, or be doubled.
    """
    doubted = {message for doubt in doubts for message in doubt.messages}
    accepted = [start.id for start in starts if start.accepted]
    mine = [ends.get(id, End("", "gone", "")) for id in accepted]
    taken = Counter(call.reference for call in calls if call.taken)
    doubled = {message for message, times in taken.items() if times > 1}
    count = Counter(end.state for end in mine)
    statuses = Counter(start.status for start in starts)
    lost = [end for end in mine if _lost(end, taken[end.message], end.message in doubted)]
    row = Row(
        fault=fault,
        times=len(recoveries),
        seconds=round(seconds, 1),
        accepted=len(accepted),
        refused=statuses[503],
        unanswered=statuses[0],
        sent=sum(taken[end.message] > 0 for end in mine),
        delivered=count[State.DELIVERED],
        expired=count[State.EXPIRED],
        unknown=count[State.UNKNOWN],
        failed=count[State.FAILED],
        doubled=len(doubled),
        in_doubt=len(doubted),
        in_flight=sum(doubt.in_flight(calls) for doubt in doubts),
        lost=len(lost),
        recovered=None if None in recoveries else round(max(filter(None, recoveries), default=0), 1),
        restarts=restarts,
        problems=list(problems),
    )
    unknown = {end.message for end in mine if end.state == State.UNKNOWN}
    told = {end.message for end in mine if end.state == State.DELIVERED}
    checks = {
        f"only {row.sent} of {row.accepted} were sent": row.sent < max(1, LEAST_SENT * row.accepted),
        f"{row.lost} lost, in the states {dict(Counter(end.state for end in lost))}": row.lost,
        # The other provider takes everything, or both do before the last round: nothing has a reason to fail.
        f"{row.failed} failed": row.failed,
        # What would expire is refused at the start, so no accepted message may be left until it expires.
        f"{row.expired} expired": row.expired,
        f"{len(unknown - doubted)} unknown without a doubt": unknown - doubted,
        f"{len(doubled - doubted)} doubled without a doubt": doubled - doubted,
        f"a message was taken {max(taken.values(), default=0)} times": max(taken.values(), default=0)
        > MOST_TAKEN,
        f"{row.unknown} unknown where every outcome is definite": definite and row.unknown,
        f"{row.doubled} doubled where every outcome is definite": definite and row.doubled,
        f"{len(told - delivered)} delivered without a receipt": told - delivered,
        f"{len(delivered - told)} receipts forgotten": delivered & {end.message for end in mine} - told,
        "it did not recover": row.recovered is None,
        f"strange answers: {dict(statuses)}": statuses.keys() - {0, 202, 503},
    }
    row.problems += [text for text, wrong in checks.items() if wrong]
    row.problems += _too_many_doubled(doubled, calls, doubts)
    return row


def _too_many_doubled(doubled: Set[str], calls: Sequence[Call], doubts: Sequence[Doubt]) -> list[str]:
    """In each instant of doubt at most so many may be doubled as calls were in flight.

    A doubled message belongs to the first instant that ended after its first call began.
    """
    first: dict[str, float] = {}
    for call in calls:
        if call.taken and call.reference in doubled:
            first[call.reference] = min(call.begun, first.get(call.reference, call.begun))
    found = []
    ordered = sorted(doubts, key=lambda doubt: doubt.until)
    for doubt in ordered:
        mine = {message for message, begun in first.items() if begun <= doubt.until + ON_THE_WAY}
        first = {message: begun for message, begun in first.items() if message not in mine}
        if len(mine) > (flying := doubt.in_flight(calls)):
            found.append(f"{len(mine)} doubled where {flying} calls were in flight")
    return found


def _lost(end: End, taken: int, doubted: bool) -> bool:
    """It has not ended, or no provider has it and there is no reason."""
    if end.state not in SETTLED:
        return True
    if end.state == State.FAILED:
        return not end.error
    if end.state in (State.SENT, State.DELIVERED):
        return not taken
    return not taken and not doubted


def as_table(rows: Iterable[Row], left_out: Mapping[str, str]) -> str:
    """All rows as aligned columns; below it, what is wrong. ``left_out``: fault → why it was not run."""
    rows = list(rows)
    lines = [
        tuple(_COLUMNS.values()),
        *(tuple(_cell(getattr(row, name)) for name in _COLUMNS) for row in rows),
        *((fault, *["not run"] * (len(_COLUMNS) - 1)) for fault in left_out),
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_COLUMNS))]
    table = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    wrong = [f"FAILED {row.fault}: {problem}" for row in rows for problem in row.problems]
    wrong += [f"NOT RUN {fault}: {why}" for fault, why in left_out.items()]
    return "\n".join([table[0], "  ".join("-" * width for width in widths), *table[1:], *wrong])


def as_json(rows: Iterable[Row], **more: Any) -> str:
    """All that is known of each row."""
    found = [dataclasses.asdict(row) | {"good": row.good} for row in rows]
    return json.dumps(more | {"rows": found}, indent=2)


def _cell(value: Any) -> str:
    return "never" if value is None else str(value)
