"""The present state: waiting messages, open breakers, the memory of Redis.

``sms.tally`` counts past events. This module has the state that counters cannot show. Times are in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from sms import cells, names, registry, steps
from sms.breaker import Breaker
from sms.cells import HUB
from sms.names import BEAT, DEAD, LEASES, RATE, SWEPT, UNSWEPT, WAITING, key
from sms.scripts import gather


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
    """The memory of the Redis server, in bytes; of several, that of the fullest."""

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
    """Read the present state. One round trip, with cells one more for each server. Raises ``Unavailable``.

    ``places``: alias and country of further breakers to read, besides those of each alias.
    """
    aliases = registry.aliases()
    wanted = {(name, "") for name in aliases} | {place for place in places if place[0] in aliases}
    breakers = {f"{alias} {country}": names.health(alias, country or None) for alias, country in wanted}
    breaker = Breaker.in_ms()
    rated = [name for name, alias in aliases.items() if alias.rates]
    found = _STANDING.ask(
        (),
        _keys(HUB)
        | {
            "breakers": breakers,
            "window": breaker["window"],
            "rates": {alias: key(RATE + alias) for alias in rated},
            "lines": {alias: {queue: names.line(alias, queue) for queue in steps.QUEUES} for alias in rated},
        },
    )
    everywhere = [found, *_elsewhere()]
    memories = [Memory(**one["memory"]) for one in everywhere if "memory" in one]
    return Standing(
        queues={name: _added_up([one["queues"][name] for one in everywhere]) for name in steps.QUEUES},
        dead_letters=sum(one["dead_letters"] for one in everywhere),
        beat=found.get("beat"),
        swept=found.get("swept"),
        health={place: _health(found["health"][f"{place[0]} {place[1]}"]) for place in sorted(wanted)},
        window=breaker["window"] / 1000,
        rates={alias: Rate(**rate) for alias, rate in dict(found["rates"]).items()},  # see ``store.choose``
        memory=max(memories, key=_fullness, default=None),
    )


def _health(found: Mapping[str, Any]) -> Health:
    return Health(found["open"], found.get("since"), found["wait"], found["good"], found["bad"])


def _elsewhere() -> list[dict[str, Any]]:
    """What the script finds in the cells besides the hub, which have neither breakers nor rates."""

    def put(pipe: Any, cell: int) -> None:
        _STANDING.join(pipe, (), (to_json(_keys(cell) | {"breakers": {}, "rates": {}}),), cell)

    return [from_json(answer) for (answer,) in gather(cells.every()[1:], put).values()]


def _added_up(queues: Sequence[Mapping[str, float]]) -> Queue:
    """A queue as a whole. ``queues``: what each cell has of it."""
    added: dict[str, Any] = {name: sum(queue[name] for queue in queues) for name in queues[0]}
    return Queue(**added | {name: max(queue[name] for queue in queues) for name in ("oldest", "unswept")})


def _fullness(memory: Memory) -> tuple[float, int]:
    return memory.used / memory.most if memory.most else 0.0, memory.used


def _keys(cell: int) -> dict[str, Any]:
    """The keys of a cell for the script."""
    queues = {"leases": LEASES, "waiting": WAITING, "unswept": UNSWEPT}
    return {
        "queues": {
            queue: {name: key(of + queue, cell) for name, of in queues.items()} for queue in steps.QUEUES
        },
        **{"dead": key(DEAD, cell), "beat": key(BEAT, cell), "swept": key(SWEPT, cell)},
    }


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
