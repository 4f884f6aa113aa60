"""How things stand just now: what waits, which breakers are open, how much room Redis has.

``sms.tally`` has what happened; this is what no counter tells. Times are in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sms import names, registry, store
from sms.breaker import Breaker
from sms.names import BEAT, DEAD, LEASES, RATE, SWEPT, UNSWEPT, WAITING, key


@dataclass(frozen=True, slots=True)
class Queue:
    """The messages of one queue, and its sweeps."""

    unsettled: int  # accepted, and not in a final state yet
    due: int  # of those: anybody may claim them
    backlog: int  # wait for their first call, and for nothing but a worker
    held_back: int  # wait for it too, as their alias is left out or over its rate
    oldest: float  # how long the first of the backlog has waited; 0: there is none
    unswept: float  # how long sweeps have been asked for that no worker runs; 0: one does


@dataclass(frozen=True, slots=True)
class Rate:
    """Of an alias that has one."""

    wait: float  # until its next call may begin
    lines: Mapping[str, int]  # queue → how many wait for it


@dataclass(frozen=True, slots=True)
class Health:
    """Of an alias, or of an alias in one country."""

    open: bool  # its breaker
    since: float | None  # since it opened; None: it is not open, or nobody knows
    wait: float  # until it may be asked again; 0: it may be
    good: int  # outcomes of the last ``Standing.window``, about: as the breaker sees them
    bad: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Of the Redis server, in bytes."""

    used: int
    most: int  # 0: there is no limit


@dataclass(frozen=True, slots=True)
class Standing:
    queues: Mapping[str, Queue]
    dead_letters: int
    beat: float | None  # since beat asked for a sweep; None: nobody knows
    swept: float | None  # since a worker ran one
    health: Mapping[tuple[str, str], Health]  # by alias and country ("": everywhere)
    window: float  # of the breakers
    rates: Mapping[str, Rate]  # by alias
    memory: Memory | None  # None: the server does not say

    @property
    def left_out(self) -> dict[tuple[str, str], bool]:
        """Alias and country ("": everywhere) → its breaker is open."""
        return {place: health.open for place, health in self.health.items()}


_STANDING = store.script("standing")


def read(places: Iterable[tuple[str, str]] = ()) -> Standing:
    """Ask Redis. ``places``: alias and country whose breakers to look at, beside those of each alias.

    One round trip; raises ``Unavailable``.
    """
    aliases = registry.aliases()
    wanted = {(name, "") for name in aliases} | {place for place in places if place[0] in aliases}
    breakers = {f"{alias} {country}": names.health(alias, country or None) for alias, country in wanted}
    breaker = Breaker.in_ms()
    rated = [name for name, alias in aliases.items() if alias.rates]
    found = _STANDING.ask(
        (),
        {
            "queues": {queue: _keys(queue) for queue in store.QUEUES},
            **{"dead": key(DEAD), "beat": key(BEAT), "swept": key(SWEPT)},
            "breakers": breakers,
            "window": breaker["window"],
            "rates": {alias: key(RATE + alias) for alias in rated},
            "lines": {alias: {queue: names.line(alias, queue) for queue in store.QUEUES} for alias in rated},
        },
    )
    memory = found.get("memory")
    return Standing(
        queues={name: Queue(**queue) for name, queue in found["queues"].items()},
        dead_letters=found["dead_letters"],
        beat=found.get("beat"),
        swept=found.get("swept"),
        health={place: _health(found["health"][f"{place[0]} {place[1]}"]) for place in sorted(wanted)},
        window=breaker["window"] / 1000,
        rates={alias: Rate(**rate) for alias, rate in dict(found["rates"]).items()},  # as in ``store.choose``
        memory=Memory(**memory) if memory else None,
    )


def _health(found: Mapping[str, Any]) -> Health:
    return Health(found["open"], found.get("since"), found["wait"], found["good"], found["bad"])


def _keys(queue: str) -> dict[str, str]:
    return {"leases": key(LEASES + queue), "waiting": key(WAITING + queue), "unswept": key(UNSWEPT + queue)}


@dataclass(frozen=True, slots=True)
class Known:
    """A configured provider."""

    alias: str
    vendor: str
    channel: str
    rates: Mapping[str, float]  # messages or segments a second
    reports: bool  # whether it tells what became of a message


def providers() -> list[Known]:
    """Those of ``SMS_PROVIDERS``, in their order. Raises ``ImproperlyConfigured``."""
    return [
        Known(
            name,
            one.provider.name,
            one.provider.channel,
            one.rates,
            one.provider.takes_receipts or one.provider.reports_by_poll,
        )
        for name, one in registry.aliases().items()
    ]
