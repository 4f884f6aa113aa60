"""Plots as SVG, without a script. A table below each has the same figures.

A drawing is 100 wide and 100 high, and is stretched to its place. So it holds no text: the text around it is
HTML. Repeated parts are put together here, because a template takes ten times as long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from otp.dashboard import words
from otp.dashboard.words import Moment, seconds


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    kind: str  # a class of dashboard.css
    paths: tuple[str, ...]  # points in SVG's notation; a missing value ends a path
    dots: tuple[tuple[float, float], ...]  # values without a neighbour


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table. ``day``: for values by the day; otherwise ``at`` is when the hour began."""

    day: str
    at: Moment
    cells: SafeString


@dataclass(frozen=True, slots=True)
class Plot:
    title: str
    scale: tuple[str, str, str]  # the texts at the upper edge, the middle and the lower edge
    head: tuple[str, ...]
    rows: tuple[Row, ...]  # the same figures as a table, the latest first
    bars: SafeString  # the columns, or the places to point at on lines
    lines: tuple[Line, ...] = ()

    @property
    def begin(self) -> Row:
        return self.rows[-1]


#: The values of each time; None where a value is missing.
Values = Sequence[tuple[datetime, Sequence[float | None]]]


def times(title: str, names: Sequence[tuple[str, str]], values: Values, *, by_day: bool) -> Plot | None:
    """Lines of seconds on a logarithmic scale; None if there is nothing to draw.

    ``names``: the name and CSS class of each line.
    """
    known = [max(value, 0.001) for _, row in values for value in row if value is not None]
    if not known:
        return None
    # Powers of two, at least four apart, so that a calm line does not fill the plot.
    low = 2.0 ** math.floor(math.log2(min(known)))
    high = max(2.0 ** math.ceil(math.log2(max(known))), low * 4)
    shown = [(at, tuple(seconds(value) for value in row)) for at, row in values]
    heads = tuple(name for name, _ in names)
    return Plot(
        title,
        (seconds(high), seconds(math.sqrt(low * high)), seconds(low)),
        heads,
        _rows(shown, by_day=by_day),
        _columns(
            "point", [(100, "; ".join(map(" ".join, zip(heads, cells, strict=True)))) for _, cells in shown]
        ),
        tuple(
            _line(name, kind, [row[number] for _, row in values], low, high)
            for number, (name, kind) in enumerate(names)
        ),
    )


def bars(
    title: str, name: str, values: Sequence[tuple[datetime, float, str]], *, by_day: bool
) -> Plot | None:
    """Columns. Each value comes with its text. None if there is nothing to draw."""
    _, most, highest = max(values, key=lambda one: one[1])
    if not most:
        return None
    return Plot(
        title,
        (highest, "", "0"),
        (name,),
        _rows([(at, (text,)) for at, _, text in values], by_day=by_day),
        _columns("column", [(100 * value / most, text) for _, value, text in values]),
    )


def parts(
    title: str, names: tuple[str, str], values: Sequence[tuple[datetime, int, int]], *, by_day: bool
) -> Plot | None:
    """Columns of counts, each with a good and a bad part; None if there are none.

    ``names``: of the two parts. ``values``: a time and the two counts.
    """
    most = max(good + bad for _, good, bad in values)
    if not most:
        return None
    shown = [(at, (words.number(good), words.number(bad))) for at, good, bad in values]
    told = [", ".join(map(" ".join, zip(cells, names, strict=True))) for _, cells in shown]
    # The good part covers the lower part of the whole.
    whole = [(100 * (good + bad) / most, text) for (_, good, bad), text in zip(values, told, strict=True)]
    well = [(100 * good / most, text) for (_, good, _), text in zip(values, told, strict=True)]
    return Plot(
        title,
        (words.number(most), "", "0"),
        names,
        _rows(shown, by_day=by_day),
        _columns("column failed", whole) + _columns("column", well),
    )


def _rows(values: Sequence[tuple[datetime, tuple[str, ...]]], *, by_day: bool) -> tuple[Row, ...]:
    cell = '<td class="number">{}</td>'
    return tuple(
        Row(
            words.day(at) if by_day else "",
            words.moment(at),
            format_html_join("", cell, [(text,) for text in cells]),
        )
        for at, cells in reversed(values)
    )


def _columns(kind: str, values: Sequence[tuple[float, str]]) -> SafeString:
    """Columns side by side. Each has a height, and a text that appears when the user points at it."""
    width = 100 / len(values)
    return format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
        [
            (kind, round(number * width, 2), round(100 - height, 2), round(width, 2), round(height, 2), title)
            for number, (height, title) in enumerate(values)
        ],
    )


def _line(name: str, kind: str, values: Sequence[float | None], low: float, high: float) -> Line:
    runs: list[list[tuple[float, float]]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            runs.append([])
            continue
        share = math.log2(max(value, low) / low) / math.log2(high / low)
        runs[-1].append((round((number + 0.5) * 100 / len(values), 2), round(100 - 100 * share, 2)))
    paths = tuple(" ".join(f"{x},{y}" for x, y in run) for run in runs if len(run) > 1)
    return Line(name, kind, paths, tuple(run[0] for run in runs if len(run) == 1))
