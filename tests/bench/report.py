"""The result of a measure, and the one table (or JSON) of all results."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

_COLUMNS = ("measure", "baseline", "ours", "ratio", "spread", "goal", "met")


@dataclass(frozen=True, slots=True)
class Goal:
    """``of`` (ours, or its ratio to the baseline) shall be ``how`` ``limit``."""

    of: Literal["ours", "ratio"]
    how: Literal["<", "<=", ">=", "="]
    limit: float

    def met(self, value: float) -> bool:
        """Whether ``value`` is as it should be."""
        return {
            "<": value < self.limit,
            "<=": value <= self.limit,
            ">=": value >= self.limit,
            "=": value == self.limit,
        }[self.how]

    def __str__(self) -> str:
        sign = {"<=": "≤", ">=": "≥"}.get(self.how, self.how)
        return f"{sign} {self.limit:g}{' ×' if self.of == 'ratio' else ''}"


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the table. ``ours`` and ``baseline`` hold one value a round, in ``unit``.

    The ratio is ours ÷ baseline, round by round. Of each, the median is shown and compared with
    the goal; the spread is the smallest and the largest ratio, or value where nothing is compared.
    """

    name: str
    unit: str
    ours: Sequence[float]
    baseline: Sequence[float] = ()
    goal: Goal | None = None
    note: str = ""
    ratios: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        pairs = zip(self.ours, self.baseline, strict=True) if self.baseline else ()
        object.__setattr__(self, "ratios", tuple(ours / base for ours, base in pairs if base))

    @property
    def ratio(self) -> float | None:
        """The median ratio, None where nothing is compared."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def met(self) -> bool | None:
        """Whether the goal was met, None if there is none."""
        if self.goal is None:
            return None
        value = self.ratio if self.goal.of == "ratio" else statistics.median(self.ours)
        return value is not None and self.goal.met(value)

    def as_dict(self) -> dict[str, Any]:
        """The output of ``--json``."""
        return {
            "measure": self.name,
            "unit": self.unit,
            "baseline": statistics.median(self.baseline) if self.baseline else None,
            "ours": statistics.median(self.ours),
            "ratio": self.ratio,
            "spread": [min(self.ratios or self.ours), max(self.ratios or self.ours)],
            "rounds": {"baseline": list(self.baseline), "ours": list(self.ours)},
            "goal": str(self.goal) if self.goal else None,
            "met": self.met,
            "note": self.note,
        }

    def cells(self) -> tuple[str, ...]:
        """The line of the table."""
        low, high = min(self.ratios or self.ours), max(self.ratios or self.ours)
        unit = self.goal is not None and self.goal.of == "ours" and self.unit
        return (
            self.name,
            f"{_number(statistics.median(self.baseline))} {self.unit}" if self.baseline else "–",
            f"{_number(statistics.median(self.ours))} {self.unit}",
            f"{self.ratio:.2f} ×" if self.ratio is not None else "–",
            f"{_number(low)}–{_number(high)}{' ×' if self.ratios else ''}",
            f"{self.goal}{f' {unit}' if unit else ''}" if self.goal else "–",
            {True: "yes", False: "NO", None: "–"}[self.met],
        )


def as_table(measures: Iterable[Measure]) -> str:
    """All measures as aligned columns, with their notes below."""
    measures = list(measures)
    lines = [_COLUMNS, *(measure.cells() for measure in measures)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_COLUMNS))]

    def row(cells: Sequence[str]) -> str:
        name, *rest = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join((name, *rest)).rstrip()

    table = [row(lines[0]), "  ".join("-" * width for width in widths), *map(row, lines[1:])]
    notes = [f"{measure.name}: {measure.note}" for measure in measures if measure.note]
    return "\n".join([*table, *([""] if notes else []), *notes])


def as_json(measures: Iterable[Measure]) -> str:
    """All measures as a JSON array."""
    return json.dumps([measure.as_dict() for measure in measures], indent=2, ensure_ascii=False)


def _number(value: float) -> str:
    """Three digits or so: more would claim more than was measured."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
