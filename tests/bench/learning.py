"""Learning which alias to choose, in virtual time: the rule of ``sms.shares`` alone, without a server.

Two providers share the one step of a route. In a dozen countries, from 200 to 10,000 codes a day, one
converts 85 % and the other 60 %, in half of them this way round and in half the other; after a week they
swap. Each has its prices. The rule learns of a slice when it is ripe, as ``sms.learning`` does. The oracle
sends each code by whichever is better at that moment. The fate of a code at both providers is drawn once, so
that all are compared with the same users.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from sms import shares
from sms.learning import RIPE, SLICE
from sms.shares import Count, Known

from .report import Goal, Measure
from .surroundings import Surroundings

DAY = 86_400
WEEK = 7 * DAY

#: Codes a day, by country.
TRAFFIC = (200, 250, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 5000, 10_000)

GOOD, BAD = 0.85, 0.60

#: The worth of an accepted code. Prices are in the same currency.
WORTH = 1.0

WEIGHTS = {"a": 1.0, "b": 1.0}

#: The bars: per cent of what a code is worth, codes, points of conversion.
MOST_REGRET, MOST_LATE, LEAST_MARGIN = 5.0, 500, 0.0

#: The share at which the better alias counts as found.
FOUND = 0.8

#: So many times the usual traffic come from an attacker who types no code.
FORCES = (1, 5, 20)


@dataclass(frozen=True, slots=True)
class Country:
    """The true conversion there."""

    traffic: int  # codes a day
    conversion: dict[str, tuple[float, float]]  # by alias: in the first week, and from then on
    price: dict[str, float]
    attack: tuple[float, float, float] = (0.0, 0.0, 0.0)  # from, until, times the traffic

    def worth(self, alias: str, at: float) -> float:
        """The earnings of a code by this alias."""
        return self.conversion[alias][at >= WEEK] * WORTH - self.price[alias]

    def best(self, at: float) -> str:
        return max(WEIGHTS, key=lambda alias: self.worth(alias, at))


@dataclass(slots=True)
class Run:
    """The fate of the honest codes of one country."""

    lost: list[float] = field(default_factory=list)  # against the oracle, by code, expected
    times: list[float] = field(default_factory=list)
    to_best: list[float] = field(default_factory=list)  # the share of the better alias, by code
    days: dict[int, dict[str, float]] = field(default_factory=dict)  # what was earned: learned, a, b, codes

    def regret(self, first: int, last: int) -> float:
        """Per cent of what a code is worth."""
        return 100 * statistics.fmean(self.lost[first:last]) / WORTH

    def between(self, begin: float, end: float) -> tuple[int, int]:
        return sum(at < begin for at in self.times), sum(at < end for at in self.times)

    def late(self, at: float) -> int:
        """Codes from a time on until the better alias has been found."""
        first, _ = self.between(at, at)
        shares_then = self.to_best[first:]
        return next((n for n, share in enumerate(shares_then) if share >= FOUND), len(shares_then) + 1)

    def margin(self) -> float:
        """Points by which the rule beat the worse provider of a day, on the day where that was least."""
        return min(
            100 * (day["learned"] - min(day["a"], day["b"])) / day["codes"] / WORTH
            for day in self.days.values()
        )


def world(seed: int) -> list[Country]:
    """A dozen countries."""
    random = Random(seed)
    found = []
    for number, traffic in enumerate(TRAFFIC):
        falls, rises = (GOOD, BAD), (BAD, GOOD)
        conversion = {"a": falls, "b": rises} if number % 2 else {"a": rises, "b": falls}
        found.append(Country(traffic, conversion, {alias: random.uniform(0.02, 0.08) for alias in WEIGHTS}))
    return found


def run(country: Country, seed: int, days: int = 14) -> Run:
    """Let the rule choose."""
    random, found = Random(seed), Run()
    known, given = Known(), shares.decide({}, WEIGHTS).by_alias
    costs = {alias: price / WORTH for alias, price in country.price.items()}
    unread: list[tuple[float, dict[str, Count]]] = []
    for number in range(days * DAY // SLICE):
        begin = number * SLICE
        while unread and unread[0][0] + RIPE <= begin:
            end, counts = unread.pop(0)
            known = known.add(end, counts)
            given = shares.decide(known.later(begin).counts, WEIGHTS, costs).by_alias
        counts = _slice(country, begin, given["a"], random, found)
        if counts:
            unread.append((begin + SLICE, counts))
    return found


def _slice(country: Country, begin: float, share: float, random: Random, found: Run) -> dict[str, Count]:
    """The codes of one slice: from a third of the mean at night to five thirds at noon."""
    pace = country.traffic * SLICE / DAY * (1 - 2 / 3 * math.cos(2 * math.pi * begin / DAY))
    best = country.best(begin)
    day = found.days.setdefault(int(begin // DAY), {"learned": 0.0, "a": 0.0, "b": 0.0, "codes": 0.0})
    sums = {alias: [0, 0] for alias in WEIGHTS}
    for _ in range(_poisson(pace, random)):
        alias, user = "a" if random.random() < share else "b", random.random()
        typed = {one: user < country.conversion[one][begin >= WEEK] for one in WEIGHTS}
        sums[alias][0] += 1
        sums[alias][1] += typed[alias]
        found.lost.append(country.worth(best, begin) - country.worth(alias, begin))
        found.times.append(begin)
        found.to_best.append(share if best == "a" else 1 - share)
        day["codes"] += 1
        for name, used in {"learned": alias, "a": "a", "b": "b"}.items():
            day[name] += typed[used] * WORTH - country.price[used]
    since, until, force = country.attack
    if since <= begin < until:
        for _ in range(_poisson(pace * force, random)):
            sums["a" if random.random() < share else "b"][0] += 1
    return {alias: Count(sent, typed) for alias, (sent, typed) in sums.items() if sent}


def _poisson(mean: float, random: Random) -> int:
    """Random numbers of arrivals, one after the other, where ``mean`` are expected."""
    at, number = random.expovariate(1), 0
    while at < mean:
        at += random.expovariate(1)
        number += 1
    return number


def learning(bench: Surroundings) -> Iterator[Measure]:
    """Regret, how soon a swap is noticed, the worst day, and what an attack does."""
    seeds = bench.rounds(3)
    bench.say(f"learning: {len(TRAFFIC)} countries, two weeks, {len(seeds)} times")
    yield from swaps([[run(country, seed) for country in world(seed)] for seed in seeds])
    bench.say("learning: attacks")
    for force in FORCES:
        yield from _attacked(force, seeds)
    yield _cheaper(seeds)


def swaps(runs: Sequence[Sequence[Run]]) -> Iterator[Measure]:
    """The worst country of each seed."""
    worst = f"the worst of {len(TRAFFIC)} countries"
    unit, regret = "% of a code's worth", Goal("ours", "<", MOST_REGRET)
    first = [max(run.regret(0, 1000) for run in found) for found in runs]
    yield Measure("regret of the first 1,000 codes, from nothing", unit, first, goal=regret, note=worst)
    rest = [max(run.regret(1000, run.between(0, WEEK)[1]) for run in found) for found in runs]
    yield Measure("regret from then on until the swap", unit, rest, goal=regret, note=worst)
    late = [float(max(run.late(WEEK) for run in found)) for found in runs]
    note = f"{worst}; until the better one gets {FOUND:.0%} of the codes"
    yield Measure("codes until a swap is noticed", "", late, goal=Goal("ours", "<", MOST_LATE), note=note)
    every = [max(run.regret(0, len(run.lost)) for run in found) for found in runs]
    yield Measure("regret of all two weeks", unit, every, goal=regret, note=worst)
    margin = [min(run.margin() for run in found) for found in runs]
    note = f"the worst day of {worst}; points of what a code is worth"
    goal = Goal("ours", ">=", LEAST_MARGIN)
    yield Measure("learned, above the worse provider of the day", "", margin, goal=goal, note=note)


def _attacked(force: int, seeds: range) -> Iterator[Measure]:
    """A country in which nothing swaps is attacked for two days."""
    lost, after = [], []
    since, until = 2 * DAY, 4 * DAY
    for seed in seeds:
        same = {"a": (GOOD, GOOD), "b": (BAD, BAD)}
        price = {"a": 0.08, "b": 0.02}  # an attack must not make the cheaper one the better
        found = run(Country(1000, same, price, (since, until, force)), seed, days=6)
        lost.append(found.regret(*found.between(since, until)))
        after.append(float(found.late(until + SLICE + RIPE)))
    name = f"attacked with {force} × the traffic for two days"
    equal = 100 * (GOOD - BAD - 0.06) / 2
    note = f"equal weights lose {equal:g}"
    goal = Goal("ours", "<", equal)
    yield Measure(f"regret of honest codes, {name}", "% of a code's worth", lost, goal=goal, note=note)
    yield Measure(f"honest codes until it is forgotten, {name}", "", after, goal=Goal("ours", "<", MOST_LATE))


def _cheaper(seeds: range) -> Measure:
    """Two that convert alike."""
    alike = dict.fromkeys(WEIGHTS, (GOOD, GOOD))
    country = Country(1000, alike, {"a": 0.02, "b": 0.08})
    found = [100 * statistics.fmean(run(country, seed, days=7).to_best) for seed in seeds]
    note = "0.02 against 0.08, where an accepted code is worth 1: six points of conversion"
    return Measure("share of the cheaper of two that convert alike", "%", found, note=note)
