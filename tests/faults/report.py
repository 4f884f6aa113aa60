"""What came of the messages of one fault, whether that is as promised, and the table of it all."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sms.message import SETTLED, State
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

#: A message is tried again once after an outcome that nobody knows, so a provider can have it twice.
MOST_TAKEN = 2


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
    in_doubt: int  # calls whose outcome nobody could know: as many may be doubled
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
    states: dict[str, tuple[str, str]],
    delivered: set[str],
    in_doubt: int,
    recoveries: Sequence[float | None],
    seconds: float,
    restarts: int,
    problems: Iterable[str],
) -> Row:
    """The line for a fault. ``delivered``: numbers whose message a genuine receipt was taken for."""
    accepted = [start for start in starts if start.accepted]
    taken = Counter(call.to for call in calls if call.taken)
    ends = {start.phone: states.get(start.id, ("gone", "")) for start in accepted}
    count = Counter(state for state, _ in ends.values())
    statuses = Counter(start.status for start in starts)
    lost = [phone for phone, end in ends.items() if _lost(end, taken[phone])]
    row = Row(
        fault=fault,
        times=len(recoveries),
        seconds=round(seconds, 1),
        accepted=len(accepted),
        refused=statuses[503],
        unanswered=statuses[0],
        sent=sum(taken[phone] > 0 for phone in ends),
        delivered=count[State.DELIVERED],
        expired=count[State.EXPIRED],
        unknown=count[State.UNKNOWN],
        failed=count[State.FAILED],
        doubled=sum(times > 1 for times in taken.values()),
        in_doubt=in_doubt,
        lost=len(lost),
        recovered=None if None in recoveries else round(max(filter(None, recoveries), default=0), 1),
        restarts=restarts,
        problems=list(problems),
    )
    told = {phone for phone, (state, _) in ends.items() if state == State.DELIVERED}
    checks = {
        "nothing was sent": not row.sent,
        f"{row.lost} lost, in the states {Counter(ends[phone] for phone in lost)}": row.lost,
        # The other provider takes everything, so nothing has a reason to fail.
        f"{row.failed} failed": row.failed,
        f"{row.doubled} doubled, of {in_doubt} calls in doubt": row.doubled > in_doubt,
        f"a message was taken {max(taken.values(), default=0)} times": max(taken.values(), default=0)
        > MOST_TAKEN,
        f"{row.unknown} unknown, {row.expired} expired, but nothing was in doubt": definite
        and row.unknown + row.expired,
        "delivered and receipts differ": told != delivered & ends.keys(),
        "it did not recover": row.recovered is None,
        f"strange answers: {dict(statuses)}": statuses.keys() - {0, 202, 503},
    }
    row.problems += [text for text, wrong in checks.items() if wrong]
    return row


def _lost(end: tuple[str, str], taken: int) -> bool:
    """Neither in a provider's hands nor in a final state that says why it is not."""
    state, error = end
    if state in (State.SENT, State.DELIVERED):
        return not taken
    return state not in SETTLED or (state == State.FAILED and not error)


def as_table(rows: Iterable[Row]) -> str:
    """All rows as aligned columns; below it, what is wrong."""
    rows = list(rows)
    lines = [
        tuple(_COLUMNS.values()),
        *(tuple(_cell(getattr(row, name)) for name in _COLUMNS) for row in rows),
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
    return "\n".join([table[0], "  ".join("-" * width for width in widths), *table[1:], *wrong])


def as_json(rows: Iterable[Row], **more: Any) -> str:
    """All that is known of each row."""
    found = [dataclasses.asdict(row) | {"good": row.good} for row in rows]
    return json.dumps(more | {"rows": found}, indent=2)


def _cell(value: Any) -> str:
    return "never" if value is None else str(value)
