"""Learn how to share codes between the aliases of a step, from how many codes of each alias are typed.

This is Thompson sampling (1933): the share of an alias is the probability that it is the best of its step.
With few codes nothing is certain, so all aliases are tried. The more codes there are, the more go to the
best. Shares are computed for one batch at a time, as in Scott, "A modern Bayesian look at the multi-armed
bandit" (2010).

The best alias has the highest conversion less its price. If a code costs a twentieth of the worth of an
accepted code, the alias must convert a twentieth better than a free one. The price is a factor, not a
difference: if an attack never types its codes, all conversions become small. That must not make the cheapest
alias the best.

Providers change, so old codes are forgotten. They count less with every ``MEMORY`` codes of a step, and over
each ``HALF_LIFE`` with few codes. Raj and Kalyani, "Taming non-stationary bandits" (2017), discount only by
codes. All aliases of a step forget by the same clock. If an event makes all of them worse at once, each looks
worse by the same factor, and the shares stay.

This module uses no Redis and no settings: ``sms.learning`` provides both. ``tests/bench/learning.py`` meets
its goals with these figures, and with a ``MEMORY`` of 100 to 300.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from types import MappingProxyType

#: After this many codes, earlier ones count for 1/e.
MEMORY = 200.0

#: After this many seconds, earlier codes count for half, even if few new ones came.
HALF_LIFE = 2 * 86_400.0

#: The smallest share of an alias, so that we notice if it becomes good.
FLOOR = 0.05

#: Codes of a step that learning needs, by their remaining weight. With fewer, the configured weights hold. 14
#: codes a day are enough.
ENOUGH = 40.0

#: The factor for the conversion of an alias that costs as much as an accepted code is worth, or more.
LEAST_WORTH = 0.001

#: The bounds of a conversion, in standard deviations of a normal distribution: 90 %.
BOUNDS = 1.645

#: The points at which a probability is computed: the middles of 64 equally likely parts.
_POINTS = tuple(NormalDist().inv_cdf((part + 0.5) / 64) for part in range(64))


@dataclass(frozen=True, slots=True)
class Count:
    """Codes of one alias."""

    sent: float = 0.0
    typed: float = 0.0

    def times(self, part: float) -> Count:
        return Count(self.sent * part, self.typed * part)

    @property
    def conversion(self) -> tuple[float, float]:
        """Mean and standard deviation of the belief: a beta distribution with a uniform prior."""
        typed, missed = 1 + self.typed, 1 + max(self.sent - self.typed, 0.0)
        mean = typed / (typed + missed)
        return mean, math.sqrt(mean * (1 - mean) / (typed + missed + 1))


@dataclass(frozen=True, slots=True)
class Known:
    """The counted codes of a step. Old codes have less weight."""

    at: float = 0.0  # seconds since the epoch
    counts: Mapping[str, Count] = field(default_factory=dict)  # by alias

    def later(self, at: float) -> Known:
        """The counts at a later time, when they have less weight."""
        part = 0.5 ** (max(at - self.at, 0.0) / HALF_LIFE)
        return Known(at, {alias: count.times(part) for alias, count in self.counts.items()})

    def add(self, at: float, more: Mapping[str, Count]) -> Known:
        """Add the codes of one more time slice, which ends ``at``."""
        left = self.later(at).counts
        part = math.exp(-sum(count.sent for count in more.values()) / MEMORY)
        none = Count()
        counts = {}
        for alias in {**left, **more}:
            old, new = left.get(alias, none).times(part), more.get(alias, none)
            counts[alias] = Count(old.sent + new.sent, old.typed + min(new.typed, new.sent))
        return Known(at, counts)


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of the aliases of a step."""

    by_alias: Mapping[str, float]  # their sum is 1
    enough: bool  # False: too few codes, so these are the shares by the weights


def decide(
    counts: Mapping[str, Count],
    weights: Mapping[str, float],
    costs: Mapping[str, float] = MappingProxyType({}),
) -> Shares:
    """The shares of the aliases of a step, which are the keys of ``weights``.

    ``counts``: as of now, see ``Known.later``. ``costs``: the cost of a code by an alias, as a part of the
    worth of an accepted code; {}: prices do not count.
    """
    found = {alias: counts.get(alias, Count()) for alias in weights}
    if sum(count.sent for count in found.values()) < ENOUGH:
        return Shares(by_weights(weights), enough=False)
    arms = {}
    for alias, count in found.items():
        mean, deviation = count.conversion
        factor = max(1 - costs.get(alias, 0.0), LEAST_WORTH)
        arms[alias] = NormalDist(mean * factor, deviation * factor)
    best = {alias: _is_best(alias, arms) for alias in arms}
    floor, total = min(FLOOR, 0.5 / len(best)), sum(best.values())
    rest = 1 - floor * len(best)
    return Shares({alias: floor + rest * part / total for alias, part in best.items()}, enough=True)


def by_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The configured shares."""
    total = sum(weights.values())
    return {alias: weight / total for alias, weight in weights.items()}


def _is_best(alias: str, arms: Mapping[str, NormalDist]) -> float:
    """The probability that this alias is above all others, to about a hundredth."""
    own, others = arms[alias], [arm for name, arm in arms.items() if name != alias]
    values = (own.mean + own.stdev * point for point in _POINTS)
    return math.fsum(math.prod(other.cdf(value) for other in others) for value in values) / len(_POINTS)
