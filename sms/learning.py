"""Learn which alias to choose: the setting ``SMS_ROUTING``.

    weights     the weights of SMS_ROUTES decide where a route gives a choice (``a|b``)
    shadow      the same, and the dashboard shows what learning would do
    learn       conversion and cost decide for codes; see ``sms.shares`` for the rule

Each step of a route learns by itself in each country. To let a prefix learn by itself, give it its own route.
Only codes teach and only codes follow. Other messages go by the weights, as nothing tells whether they were
of use. A code teaches about every alias that took it, also as a substitute, and about one that refused the
number for good. The measure is whether the code was typed, which includes its arrival. If one alias could not
deliver a code and another could, it counts against the first and for the second. Messages that no provider
gets (test numbers) teach nothing.

Scripts count in one hash for every five minutes of sending, a slice. Each cell has its own (see
``sms.cells``). A code typed later counts in the slice in which it was sent. A slice is read ``RIPE`` seconds
after its end, when most codes have been typed. Each process reads by itself, in a thread, when a code finds
its figures old. So a start never waits, and goes by the weights until there are figures. Routes are keyed
digests in Redis, because a prefix is part of phone numbers.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Literal, NamedTuple, get_args

import structlog
from django.core.exceptions import ImproperlyConfigured

from sms import cells, conf, digests, registry, routing, shares, store
from sms.errors import Unavailable
from sms.names import LEARNING, key
from sms.phone import Phone
from sms.routing import Hop, Route
from sms.scripts import gather
from sms.shares import ENOUGH, Count, Known, Shares
from sms.tally import added_up

__all__ = ["ENOUGH", "Mode", "Report", "Row", "Step", "mark", "mode", "order", "refresh", "reports", "worth"]

log = structlog.get_logger("sms")

Mode = Literal["weights", "shadow", "learn"]

#: Seconds: length of a slice, and how long it is kept. Same as SLICE and LEARNING_KEPT in
#: learn_conversion.lua.
SLICE, KEPT = 300, 7 * 86_400

#: Seconds after its end at which a slice is read. Codes live for 120 s by default.
RIPE = 180

#: Seconds between a process's looks for another ripe slice.
PAUSE = 30.0

#: Slices to read in one round trip: those of a day.
MOST = 86_400 // SLICE


class Step(NamedTuple):
    """The unit of learning: a step of a route that gives a choice, in one country."""

    target: str  # name of the route in SMS_ROUTES
    number: int  # number of the step, from 0
    country: str


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one alias in a step."""

    alias: str
    sent: float  # codes, weighted by age
    conversion: tuple[float, float, float]  # lower bound, expected, upper bound
    price: float | None
    by_weight: float
    learned: float


@dataclass(frozen=True, slots=True)
class Report:
    """The result of learning for a step."""

    step: Step
    enough: bool
    priced: bool
    rows: tuple[Row, ...]

    @property
    def sent(self) -> float:
        return sum(row.sent for row in self.rows)


@conf.cached
def mode() -> Mode:
    """``SMS_ROUTING``. Raises ``ImproperlyConfigured``."""
    found = conf.get("SMS_ROUTING")
    for known in get_args(Mode):
        if found == known:
            return known  # type: ignore[no-any-return]
    raise ImproperlyConfigured(f"SMS_ROUTING is {found!r}. Write one of: {', '.join(get_args(Mode))}.")


@conf.cached
def worth() -> float:
    """``SMS_CODE_WORTH``, of an accepted code; 0: ignore prices. Raises ``ImproperlyConfigured``."""
    found = conf.get("SMS_CODE_WORTH")
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 10**9:
        raise ImproperlyConfigured(
            f"SMS_CODE_WORTH is {found!r}. Write what an accepted code is worth, such as 0.5, in the "
            "currency of price=; 0 ignores prices."
        )
    return float(found)


def order(number: Phone, route: Route) -> list[Hop]:
    """Order the aliases for one code, as ``routing.order`` does, by learned shares if there are any.

    ``route``: of the number, or the part of it that can carry the code. No round trip.
    """
    if mode() != "learn" or not gives_choice(route):
        return routing.order(route)
    found = _reader().shares(routing.target_of(number.country, number.e164), number.country)
    return routing.order(
        tuple(tuple(replace(hop, weight=found.get(hop.alias, hop.weight)) for hop in step) for step in route)
    )


def mark(number: Phone, route: Route) -> str:
    """The digest of the route for a code's record, so that it teaches; "" if it does not."""
    if mode() == "weights" or not gives_choice(route):
        return ""
    return _digest(_keys()[0], routing.target_of(number.country, number.e164))


def gives_choice(route: Route) -> bool:
    return any(len(step) > 1 for step in route)


def refresh() -> None:
    """Read ripe slices, unless this process just did. Raises ``Unavailable``."""
    _reader().refresh()


def reports() -> list[Report]:
    """Reports of all steps that have sent codes, the busiest first; call ``refresh`` before."""
    found = [_report(step, known) for step, known in _reader().known().items()]
    return sorted(found, key=lambda report: -report.sent)


class Reader:
    """The figures of one process."""

    def __init__(self) -> None:
        self._known: dict[Step, Known] = {}
        self._shares: Mapping[tuple[str, str], Mapping[str, float]] = {}  # by target and country
        self._next = 0  # next slice to read
        self._read_at = 0.0  # by the clock of Redis
        self._due = self._asked = 0.0  # when to read again, and when a code triggers that
        self._reading = threading.Lock()

    def shares(self, target: str, country: str) -> Mapping[str, float]:
        """The learned shares by alias. Renews old figures in the background."""
        if monotonic() >= self._asked:
            self._asked = monotonic() + PAUSE
            threading.Thread(target=self._refresh_quietly, name="learning", daemon=True).start()
        return self._shares.get((target, country), {})

    def known(self) -> dict[Step, Known]:
        """The figures at the time of the last read."""
        return {step: known.later(self._read_at) for step, known in self._known.copy().items()}

    def refresh(self) -> None:
        with self._reading:
            if monotonic() < self._due:
                return
            self._read_at = store.now()
            end = int(self._read_at - RIPE) // SLICE  # the first that is not ripe
            for begin in range(max(self._next, end - KEPT // SLICE), end, MOST):
                self._add(range(begin, min(begin + MOST, end)))
            shares: dict[tuple[str, str], dict[str, float]] = {}
            for step, known in self.known().items():
                found = _decide(step, known)
                if found.enough:
                    shares.setdefault((step.target, step.country), {}).update(found.by_alias)
            self._shares = shares
            self._due = monotonic() + PAUSE

    def _refresh_quietly(self) -> None:
        try:
            self.refresh()
        except Unavailable:
            pass  # reported elsewhere; until Redis is back, the known figures hold
        except Exception as error:
            log.error("learning_failed", error=type(error).__name__)

    def _add(self, numbers: range) -> None:
        """Read slices and add them to the figures."""

        def put(pipe: Any, cell: int) -> None:
            for number in numbers:
                pipe.hgetall(key(f"{LEARNING}{number}", cell))

        found = gather(cells.every(), put).values()
        for number, *fields in zip(numbers, *found, strict=True):
            for step, counts in _steps(added_up(fields)):
                self._known[step] = self._known.get(step, Known()).add((number + 1) * SLICE, counts)
            self._next = number + 1


@conf.cached
def _reader() -> Reader:
    return Reader()


# A forked child has none of its parent's threads, one of which may have held the lock.
os.register_at_fork(after_in_child=_reader.cache_clear)


@conf.cached
def _keys() -> list[bytes]:
    """Keys of the digests for routes: the current one, then former ones."""
    return digests.derive_all(conf.phone_secrets(), "learning") or [b""]


@functools.cache
def _digest(secret: bytes, target: str) -> str:
    return digests.digest(secret, target)[:6].hex()


def _steps(fields: Mapping[str, int]) -> Iterator[tuple[Step, dict[str, Count]]]:
    """The counts of a slice by step. Skips routes that are gone."""
    targets = {_digest(secret, target): target for secret in _keys() for target in routing.all_routes()}
    sums: dict[tuple[str, str], dict[str, Count]] = {}
    for name, value in fields.items():
        what, digest, country, alias = name.split("|")
        by_alias = sums.setdefault((digest, country), {})
        by_alias[alias] = replace(by_alias.get(alias, Count()), **{what: float(value)})
    for (digest, country), by_alias in sums.items():
        for number, hops in _choices(targets.get(digest, "")):
            counts = {hop.alias: by_alias[hop.alias] for hop in hops if hop.alias in by_alias}
            if counts:
                yield Step(targets[digest], number, country), counts


def _choices(target: str) -> Iterable[tuple[int, tuple[Hop, ...]]]:
    route = routing.all_routes().get(target, ())
    return ((number, hops) for number, hops in enumerate(route) if len(hops) > 1)


def _hops(step: Step) -> tuple[Hop, ...]:
    return routing.all_routes()[step.target][step.number]


def _costs(step: Step) -> dict[str, float]:
    """Costs by alias, as a share of a code's worth. {} if one has no price, as it would look cheap."""
    prices = {hop.alias: registry.aliases()[hop.alias].price(step.country) for hop in _hops(step)}
    if not worth() or None in prices.values():
        return {}
    return {alias: (price or 0.0) / worth() for alias, price in prices.items()}


def _decide(step: Step, known: Known) -> Shares:
    weights = {hop.alias: hop.weight for hop in _hops(step)}
    return shares.decide(known.counts, weights, _costs(step))


def _report(step: Step, known: Known) -> Report:
    weights = {hop.alias: hop.weight for hop in _hops(step)}
    by_weight, found = shares.by_weights(weights), _decide(step, known)
    rows = []
    for alias in weights:
        count = known.counts.get(alias, Count())
        mean, deviation = count.conversion
        bound = shares.BOUNDS * deviation
        rows.append(
            Row(
                alias,
                count.sent,
                (max(mean - bound, 0.0), mean, min(mean + bound, 1.0)),
                registry.aliases()[alias].price(step.country),
                by_weight[alias],
                found.by_alias[alias],
            )
        )
    return Report(step, found.enough, bool(_costs(step)), tuple(rows))
