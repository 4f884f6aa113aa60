"""The present state: waiting messages, open breakers, the memory of Redis.

``sms.tally`` counts past events. This module has the state that counters cannot show. Times are in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sms import names, registry, steps
from sms.breaker import Breaker
from sms.names import BEAT, DEAD, LEASES, RATE, SWEPT, UNSWEPT, WAITING, key


@dataclass(frozen=True, slots=True)
class Queue:
    """The messages of one queue, and its sweeps."""

    unsettled: int  # accepted, not in a final state
    due: int  # of these, may be claimed now
    backlog: int  # wait for their first call, and only for a worker
    held_back: int  # wait for it because their alias is left out or over its rate
    oldest: float  # wait of the first in the backlog; 0: empty
    unswept: float  # how long sweeps were requested and not run; 0: they are run


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate of an alias that has one."""

    wait: float  # until its next call may begin
    lines: Mapping[str, int]  # queue → messages that wait for it


@dataclass(frozen=True, slots=True)
class Health:
    """The health of an alias, everywhere or in one country."""

    open: bool  # whether its breaker is open
    since: float | None  # since it opened; None: not open, or unknown
    wait: float  # until it may be asked again; 0: now
    good: int  # outcomes in ``Standing.window``, approximately, as the breaker counts
    bad: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of the Redis server, in bytes."""

    used: int
    most: int  # 0: no limit


@dataclass(frozen=True, slots=True)
class Standing:
    queues: Mapping[str, Queue]
    dead_letters: int
    beat: float | None  # since beat requested a sweep; None: unknown
    swept: float | None  # since a worker ran one
    health: Mapping[tuple[str, str], Health]  # by alias and country ("": everywhere)
    window: float  # of the breakers
    rates: Mapping[str, Rate]  # by alias
    memory: Memory | None  # None: the server does not report it

    @property
    def left_out(self) -> dict[tuple[str, str], bool]:
        """Alias and country ("": everywhere) → whether its breaker is open."""
        return {place: health.open for place, health in self.health.items()}


_STANDING = steps.script("standing")


def read(places: Iterable[tuple[str, str]] = ()) -> Standing:
    """Read the present state. One round trip. Raises ``Unavailable``.

    ``places``: alias and country of further breakers to read, besides those of each alias.
    """
    aliases = registry.aliases()
    wanted = {(name, "") for name in aliases} | {place for place in places if place[0] in aliases}
    breakers = {f"{alias} {country}": names.health(alias, country or None) for alias, country in wanted}
    breaker = Breaker.in_ms()
    rated = [name for name, alias in aliases.items() if alias.rates]
    found = _STANDING.ask(
        (),
        {
            "queues": {queue: _keys(queue) for queue in steps.QUEUES},
            **{"dead": key(DEAD), "beat": key(BEAT), "swept": key(SWEPT)},
            "breakers": breakers,
            "window": breaker["window"],
            "rates": {alias: key(RATE + alias) for alias in rated},
            "lines": {alias: {queue: names.line(alias, queue) for queue in steps.QUEUES} for alias in rated},
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
        rates={alias: Rate(**rate) for alias, rate in dict(found["rates"]).items()},  # see ``store.choose``
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
    reports: bool  # whether it sends receipts or can be asked


def providers() -> list[Known]:
    """Configured providers in the order of ``SMS_PROVIDERS``. Raises ``ImproperlyConfigured``."""
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
