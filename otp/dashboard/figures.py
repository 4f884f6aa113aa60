"""Sum up the tally of the last hour, day and fortnight. Each page reads it once.

Past hours and days no longer change, so each process caches them. A page that refreshes itself only reads the
current hour and day from Redis.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from django.conf import settings

from sms import services as sms
from sms import tally
from sms.tally import Family, Series, Span, Unit

K = TypeVar("K")
V = TypeVar("V")

#: Hours and days that a process caches: about twice as many as the pages show.
MOST_KEPT = 256


class Period(NamedTuple):
    """The last hours or days. The last one is not over yet."""

    name: str
    title: str
    unit: Unit
    most: int
    words: str  # which hours or days it covers


HOUR = Period("hour", "Hour", "hour", 2, "this hour and the one before it")
DAY = Period("day", "Day", "hour", 24, "this hour and the 23 before it")
FORTNIGHT = Period("fortnight", "14 days", "day", 14, "today (UTC) and the 13 days before it")

PERIODS = {period.name: period for period in (HOUR, DAY, FORTNIGHT)}


class Sums:
    """The counts by name and labels. Adds up fields of different versions that mean the same."""

    def __init__(self, fields: Mapping[str, int]) -> None:
        self._by_name: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in tally.LABELS}
        for (name, labels), value in tally.series(fields):
            self._by_name[name][labels] += value

    def by(self, name: str, *labels: str, **only: Collection[str]) -> Counter[tuple[str, ...]]:
        """The sums of a name by some of its labels. ``only``: the values allowed for another label."""
        places = [tally.LABELS[name].index(label) for label in labels]
        wanted = [(tally.LABELS[name].index(label), values) for label, values in only.items()]
        sums: Counter[tuple[str, ...]] = Counter()
        for found, value in self._by_name[name].items():
            for place, values in wanted:
                if found[place] not in values:
                    break
            else:
                shown = tuple([found[place] for place in places])
                sums[shown] = sums.get(shown, 0) + value
        return sums

    def each(self, name: str, label: str, **only: Collection[str]) -> Counter[str]:
        """``by`` for one label."""
        return Counter({value: count for (value,), count in self.by(name, label, **only).items()})

    def total(self, name: str, **only: Collection[str]) -> int:
        return self.by(name, **only).total()


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures that were read."""

    now: float  # by the clock of Redis, like all hours and days
    _read: Mapping[Span, Mapping[str, int]]

    def sums(self, family: Family, period: Period) -> Sums:
        """``family``: counts or words."""
        return Sums(self._summed(family, period))

    def times(self, period: Period) -> dict[Series, tally.Times]:
        return tally.times(self._summed("times", period))

    def began(self, period: Period) -> datetime:
        """When the first hour or day of a period began, UTC."""
        return datetime.fromtimestamp(_numbers(period, self.now)[0] * tally.LENGTH[period.unit], UTC)

    def each(self, family: Family, period: Period) -> Iterator[tuple[datetime, Mapping[str, int]]]:
        """The hours or days of a period with their fields, up to the current one."""
        for number in _numbers(period, self.now):
            began = datetime.fromtimestamp(number * tally.LENGTH[period.unit], UTC)
            yield began, self._read[Span(family, period.unit, number)]

    def totals(self, period: Period, *begin: str) -> list[tuple[datetime, int]]:
        """By hour or day, the sum of all ``counts`` whose field begins with one of ``begin`` (``spent|``)."""
        return [
            (began, sum(value for field, value in fields.items() if field.startswith(begin)))
            for began, fields in self.each("counts", period)
        ]

    def _summed(self, family: Family, period: Period) -> Counter[str]:
        *ended, present = (Span(family, period.unit, n) for n in _numbers(period, self.now))
        with _lock:
            known = _kept_sums.get((ended[0], ended[-1]))
        if known is None:
            known = Counter()
            for span in ended:
                known.update(self._read[span])
            with _lock:
                _keep(_kept_sums, {(ended[0], ended[-1]): known})
        sums = known.copy()
        sums.update(self._read[present])
        return sums


def read(wanted: Mapping[Family, Iterable[Period]], *, now: float | None = None) -> Figures:
    """Read the figures for a page. ``now``: the time by the clock of Redis, if it is known already.

    One round trip for each server, and one more without ``now``. Raises ``Unavailable``.
    """
    now = sms.now() if now is None else now
    over: dict[Span, bool] = {}  # whether its hour or day is over
    for family, periods in wanted.items():
        for period in periods:
            *ended, present = _numbers(period, now)
            over |= {Span(family, period.unit, number): True for number in ended}
            over[Span(family, period.unit, present)] = False
    with _lock:
        known = {span: _kept[span] for span in over if span in _kept}
    missing = [span for span in over if span not in known]
    found = dict(zip(missing, tally.read_spans(missing), strict=True))
    with _lock:
        _keep(_kept, {span: fields for span, fields in found.items() if over[span]})
    return Figures(now, known | found)


#: For hours and days that are over: the fields of each, and the sums of ranges.
_kept: dict[Span, dict[str, int]] = {}
_kept_sums: dict[tuple[Span, Span], Counter[str]] = {}
_lock = threading.Lock()


def _keep(kept: dict[K, V], more: Mapping[K, V]) -> None:
    """The caller holds the lock. With DEBUG nothing is cached, because the demo fills past hours."""
    if settings.DEBUG:
        return
    kept.update(more)
    while len(kept) > MOST_KEPT:
        del kept[next(iter(kept))]


def _numbers(period: Period, now: float) -> range:
    last = int(now) // tally.LENGTH[period.unit]
    return range(last - period.most + 1, last + 1)
