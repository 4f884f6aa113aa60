"""The pumping guard against attacks, in virtual time: the real script on a real server.

Two weeks of honest traffic, beginning with an installation that knows nothing, then for each shape
of attack two days of both together, each from the same state: a launch day of one country, the
first days of another. A message that would have been sent and was refused counts as stopped, or as
refused where it was honest. Prices are illustrative, and in no currency.

The shapes of ``TUNED`` were used to choose the figures of ``otp.guard.Figures``, with other seeds;
those of ``JUDGED`` were not. ``BOUNDED`` holds what a cap can only keep cheap.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.test import override_settings
from django_redis import get_redis_connection

from otp import conf, guard
from sms.phone import Phone
from sms.scripts import Script

from .report import Goal, Measure
from .surroundings import Surroundings

DAY, HOUR = 86_400.0, 3_600.0

#: Virtual time begins on a Monday at midnight, seconds since the epoch.
BEGIN = 1_700_438_400.0
HISTORY = 14  # days

SEED = 20_240_617  # not one of those that the figures were chosen with

#: Per cent: the bars.
LEAST_STOPPED, MOST_REFUSED = 95.0, 0.5

DRIVER = Script(guard.LUA, Path(__file__).with_suffix(".lua"))
BATCH = 1000  # events of one call: some 100 ms of the server


@dataclass(frozen=True, slots=True)
class Country:
    """``daily``: people who ask for a code. ``ranges``: of a million numbers, as operators have."""

    name: str
    code: str
    digits: int  # after the country code
    daily: float
    conversion: float
    ranges: int
    price: float
    noon: float = 13.0  # hour (UTC) of the most traffic


HONEST = (
    Country("US", "1", 10, 1500, 0.78, 300, 0.008, noon=20.0),
    Country("GB", "44", 10, 700, 0.80, 60, 0.04),
    Country("DE", "49", 11, 600, 0.75, 60, 0.08),
    Country("BR", "55", 11, 450, 0.62, 120, 0.02, noon=17.0),
    Country("ID", "62", 11, 250, 0.60, 80, 0.18, noon=6.0),
    Country("EE", "372", 8, 30, 0.70, 4, 0.06),
    Country("IS", "354", 7, 6, 0.75, 2, 0.05),
)
NEWCOMER = Country("KE", "254", 9, 40, 0.65, 20, 0.11, noon=11.0)
LAUNCH = ("GB", 8.0)  # on the first day of the attack, so many times the usual traffic

#: Where the numbers of pumpers are; nobody else asks for codes there. ISO name, country code.
EXOTIC = (
    *(
        ("TJ", "992"),
        ("AZ", "994"),
        ("SO", "252"),
        ("TD", "235"),
        ("ML", "223"),
        ("GN", "224"),
        ("SL", "232"),
    ),
    *(
        ("LR", "231"),
        ("MG", "261"),
        ("BI", "257"),
        ("KM", "269"),
        ("DZ", "213"),
        ("LY", "218"),
        ("KG", "996"),
    ),
    *(("UZ", "998"), ("PS", "970"), ("IQ", "964"), ("YE", "967"), ("LK", "94"), ("MM", "95"), ("NP", "977")),
    *(
        ("BD", "880"),
        ("KH", "855"),
        ("LA", "856"),
        ("MZ", "258"),
        ("ZW", "263"),
        ("TG", "228"),
        ("GA", "241"),
    ),
)
EXOTIC_PRICE = 0.25


@dataclass(slots=True)
class Send:
    """One message somebody asks for. ``at``: seconds; ``verified``: seconds later, 0 if never."""

    at: float
    number: Phone
    ip: str
    price: float
    attack: bool
    verified: float = 0.0
    event: str = ""  # for the driver, once it was made


@dataclass(slots=True)
class Outcome:
    """What became of the messages of one run."""

    honest: int = 0
    refused: int = 0
    attack: int = 0
    stopped: int = 0
    saved: float = 0.0
    lost: float = 0.0  # spent on attack messages
    reasons: Counter[str] = field(default_factory=Counter)  # of honest refusals

    def add(self, other: Outcome) -> None:
        """Add up two runs."""
        for name in ("honest", "refused", "attack", "stopped", "saved", "lost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons += other.reasons

    @property
    def stopped_share(self) -> float:
        """Per cent of the attack's messages."""
        return 100 * self.stopped / max(self.attack, 1)

    @property
    def refused_share(self) -> float:
        """Per cent of honest messages."""
        return 100 * self.refused / max(self.honest, 1)


class World:
    """Who asks for codes. Everything follows from the seed."""

    def __init__(self, seed: int, scale: float = 1.0, force: float = 1.0) -> None:
        """``scale``: of the honest traffic, ``force``: of the attacks; 1 is the full size."""
        self.random = random.Random(seed)
        self.scale = scale
        self.force = force
        self._ranges = {
            country.name: self.random.sample(range(10 ** (country.digits - 6)), country.ranges)
            for country in (*HONEST, NEWCOMER)
            if 10 ** (country.digits - 6) >= country.ranges
        }
        self._known: dict[str, list[str]] = {}

    def ranges(self, country: Country) -> list[str]:
        """The coarse prefixes in which a country has mobile numbers."""
        width = country.digits - 6
        return [f"+{country.code}{number:0{width}d}" for number in self._ranges[country.name]]

    def honest(self, first: int, days: int) -> Iterator[Send]:
        """Sends of honest people from day ``first`` on."""
        for day in range(first, first + days):
            for country in HONEST if day < HISTORY else (*HONEST, NEWCOMER):
                many = LAUNCH[1] if day == HISTORY and country.name == LAUNCH[0] else 1.0
                expected = country.daily * self.scale * many * (0.8 if day % 7 > 4 else 1.0)
                for _ in range(self._poisson(expected)):
                    yield from self._person(country, BEGIN + day * DAY + self._time_of_day(country))

    def digits(self, count: int) -> str:
        """So many random digits."""
        return f"{self.random.randrange(10**count):0{count}d}"

    def ip(self) -> str:
        """Any address."""
        return ".".join(str(self.random.randrange(1, 255)) for _ in range(4))

    def _person(self, country: Country, at: float) -> Iterator[Send]:
        number, ip = Phone(self._number(country), country.name, ""), self._home(country)
        for _ in range(3):  # most give up after one; some let it be sent again
            verifies = self.random.random() < country.conversion
            delay = min(self.random.lognormvariate(math.log(25), 0.6), 115.0) if verifies else 0.0
            yield Send(at, number, ip, country.price, False, delay)
            if verifies or self.random.random() > 0.3:
                return
            at += self.random.uniform(35, 120)

    def _number(self, country: Country) -> str:
        known = self._known.setdefault(country.name, [])
        if known and self.random.random() < 0.6:  # somebody who has an account
            return self.random.choice(known)
        number = self.random.choice(self.ranges(country)) + self.digits(6)
        if len(known) < 8 * country.daily * self.scale:
            known.append(number)
        return number

    def _home(self, country: Country) -> str:
        kind = self.random.random()
        if kind < 0.05:
            return ""  # the caller does not tell
        if kind < 0.20:  # many behind one address of their operator
            return f"100.{sum(map(ord, country.name)) % 200}.0.{self.random.randrange(20)}"
        if kind < 0.21:
            return f"198.51.100.{self.random.randrange(3)}"  # a VPN's exit, whatever the country
        return self.ip()

    def _time_of_day(self, country: Country) -> float:
        while True:
            at = self.random.random() * DAY
            if self.random.random() < 0.55 + 0.45 * math.cos((at / HOUR - country.noon) / 24 * 2 * math.pi):
                return at

    def _poisson(self, expected: float) -> int:
        return max(0, round(self.random.gauss(expected, math.sqrt(expected))))


# --- shapes of attack: each begins at noon of the first day, or lasts for both -----------------------


def _attack(number: tuple[str, str], at: float, ip: str, price: float, verified: float = 0.0) -> Send:
    country, e164 = number
    return Send(at, Phone(e164, country, ""), ip, price, True, verified)


Shape = Callable[[World], Iterator[Send]]
NOON = BEGIN + HISTORY * DAY + 12 * HOUR
DAWN = BEGIN + HISTORY * DAY


def _steady(world: World, start: float, hours: float, per_hour: float) -> Iterator[float]:
    at = start
    while (at := at + world.random.expovariate(per_hour * world.force / HOUR)) < start + hours * HOUR:
        yield at


def one_prefix(world: World) -> Iterator[Send]:
    """A range of 10,000 numbers at full speed, few addresses."""
    ips = [world.ip() for _ in range(5)]
    for at in _steady(world, NOON, 4, 2500):
        yield _attack(("TJ", "+99291755" + world.digits(4)), at, world.random.choice(ips), EXOTIC_PRICE)


def many_prefixes(world: World) -> Iterator[Send]:
    """300 ranges of one country in which there are honest users too, no address known."""
    country = next(c for c in HONEST if c.name == "ID")
    blocks = [world.random.choice(world.ranges(country)) + world.digits(2) for _ in range(300)]
    for at in _steady(world, NOON, 12, 800):
        yield _attack(("ID", world.random.choice(blocks) + world.digits(4)), at, "", country.price)


def exotic_slowly(world: World) -> Iterator[Send]:
    """Twelve countries, 20 an hour in each, a new address each time."""
    for at in _steady(world, DAWN, 48, 240):
        name, code = world.random.choice(EXOTIC[:12])
        yield _attack((name, f"+{code}{world.digits(9)}"), at, world.ip(), EXOTIC_PRICE)


def random_of_big_with_few_ips(world: World) -> Iterator[Send]:
    """Numbers all over the largest country from 50 addresses."""
    ips, country = [world.ip() for _ in range(50)], HONEST[0]
    for at in _steady(world, NOON, 24, 400):
        number = world.random.choice(world.ranges(country)) + world.digits(6)
        yield _attack(("US", number), at, world.random.choice(ips), country.price)


def ranges_of_an_operator(world: World) -> Iterator[Send]:
    """Two ranges of 100,000 numbers within an honest country's, as many addresses as messages."""
    country = next(c for c in HONEST if c.name == "DE")
    blocks = [world.random.choice(world.ranges(country)) + world.digits(1) for _ in range(2)]
    for at in _steady(world, NOON, 10, 900):
        yield _attack(("DE", world.random.choice(blocks) + world.digits(5)), at, world.ip(), country.price)


def waves_of_countries(world: World) -> Iterator[Send]:
    """Every hour another country of 28 gets all of it, from a few dozen ranges."""
    for at in _steady(world, DAWN, 48, 300):
        name, code = EXOTIC[int((at - DAWN) // HOUR) % len(EXOTIC)]
        number = f"+{code}{world.random.randrange(40, 80)}{world.digits(7)}"
        yield _attack((name, number), at, world.ip(), EXOTIC_PRICE)


def verifying_some(world: World) -> Iterator[Send]:
    """Full speed in a country of honest users; every 30th code is typed, so that it looks like people."""
    country = next(c for c in HONEST if c.name == "BR")
    blocks = [world.random.choice(world.ranges(country)) + world.digits(2) for _ in range(20)]
    ips = [world.ip() for _ in range(400)]
    for at in _steady(world, NOON, 12, 900):
        verified = world.random.uniform(10, 60) if world.random.random() < 1 / 30 else 0.0
        number = world.random.choice(blocks) + world.digits(4)
        yield _attack(("BR", number), at, world.random.choice(ips), country.price, verified)


def tiny_country(world: World) -> Iterator[Send]:
    """All over a tiny country that has honest users, from many addresses."""
    country = next(c for c in HONEST if c.name == "EE")
    for at in _steady(world, NOON, 20, 400):
        number = f"+{country.code}{world.random.choice((5, 8))}{world.digits(7)}"
        yield _attack(("EE", number), at, world.ip(), country.price)


def botnet_from_few_countries(world: World) -> Iterator[Send]:
    """300 addresses, each asking for numbers of any country, honest ones among them."""
    ips = [world.ip() for _ in range(300)]
    for at in _steady(world, DAWN, 48, 300):
        name, code = world.random.choice((*EXOTIC, *((c.name, c.code) for c in HONEST[1:5])))
        number = f"+{code}{world.random.randrange(30, 99)}{world.digits(7)}"
        yield _attack((name, number), at, world.random.choice(ips), 0.2)


def random_of_big(world: World) -> Iterator[Send]:
    """Numbers all over the largest country, a new address for each message."""
    country = HONEST[0]
    for at in _steady(world, NOON, 24, 400):
        number = world.random.choice(world.ranges(country)) + world.digits(6)
        yield _attack(("US", number), at, world.ip(), country.price)


def drip(world: World) -> Iterator[Send]:
    """One message an hour, each time another of 28 countries and another address."""
    for at in _steady(world, DAWN, 48, 1 / world.force):
        name, code = world.random.choice(EXOTIC)
        yield _attack((name, f"+{code}{world.digits(9)}"), at, world.ip(), EXOTIC_PRICE)


TUNED: tuple[Shape, ...] = (one_prefix, many_prefixes, exotic_slowly, random_of_big_with_few_ips)
JUDGED: tuple[Shape, ...] = (
    *(ranges_of_an_operator, waves_of_countries, verifying_some, tiny_country, botnet_from_few_countries),
)
BOUNDED: tuple[Shape, ...] = (random_of_big, drip)


# --- running ------------------------------------------------------------------------------------


def run(sends: list[Send]) -> Outcome:
    """Let the guard decide about all of them in the order of time."""
    outcome = Outcome()
    events: list[tuple[float, int, int]] = []  # time, kind, number
    for number, send in enumerate(sends):
        events.append((send.at, 0, number))
        if send.verified:
            events.append((send.at + send.verified, 1, number))
    events.sort()
    for first in range(0, len(events), BATCH):
        batch: list[str] = []
        asked: list[Send] = []
        for at, kind, number in events[first : first + BATCH]:
            if kind:
                batch.append(f"[{at * 1000:.0f},{number}]")
                continue
            send = sends[number]
            if not send.event:
                call = guard.call(send.number, send.ip)
                values = [str(value) for value in call.values]
                send.event = json.dumps([int(at * 1000), number, call.keys, values])
            batch.append(send.event)
            asked.append(send)
        answers: list[bytes] = DRIVER((), (f"[{','.join(batch)}]",))
        for send, answer in zip(asked, answers, strict=True):
            _count(outcome, send, answer.decode())
    return outcome


def _count(outcome: Outcome, send: Send, answer: str) -> None:
    if send.attack:
        outcome.attack += 1
        outcome.stopped += bool(answer)
        outcome.saved += send.price if answer else 0.0
        outcome.lost += 0.0 if answer else send.price
    else:
        outcome.honest += 1
        outcome.refused += bool(answer)
        if answer:
            outcome.reasons[answer.partition(" ")[2]] += 1


def snapshot() -> dict[bytes, bytes]:
    """What the guard knows."""
    redis: Any = get_redis_connection()
    keys = list(redis.scan_iter("otp:guard*", count=1000))
    return dict(zip(keys, redis.mget(keys), strict=True)) if keys else {}


def restore(known: dict[bytes, bytes]) -> None:
    """Let the guard know this and nothing else."""
    redis = get_redis_connection()
    redis.flushall()
    if known:
        redis.mset(known)


def simulate(seed: int, shapes: tuple[Shape, ...], scale: float, force: float) -> dict[str, Outcome]:
    """The outcome of each shape by its name, and of the two weeks before as ``history``."""
    world = World(seed, scale, force)
    get_redis_connection().flushall()
    with override_settings(**{name: conf.DEFAULTS[name] for name in guard.READERS}):
        found = {"history": run(list(world.honest(0, HISTORY)))}
        known = snapshot()
        honest = list(world.honest(HISTORY, 2))
        for shape in shapes:
            restore(known)
            found[shape.__name__] = run(honest + list(shape(world)))
    return found


def total(outcomes: dict[str, Outcome]) -> Outcome:
    """All of them together."""
    every = Outcome()
    for outcome in outcomes.values():
        every.add(outcome)
    return every


def pumping(bench: Surroundings) -> Iterator[Measure]:
    """Shares of attack messages stopped and of honest ones refused, and the money, per shape."""
    bench.say("pumping: two weeks of honest traffic, then attacks")
    size = 0.3 if bench.quick else 0.6
    found = simulate(SEED, JUDGED + BOUNDED, size, size)
    history = found.pop("history")
    yield Measure(
        "honest refused by a new guard in two weeks without attack",
        "%",
        [history.refused_share],
        goal=Goal("ours", "<", MOST_REFUSED),
        note=f"{history.refused} of {history.honest} messages",
    )
    for shape in JUDGED + BOUNDED:
        yield from _measures(shape.__name__.replace("_", " "), found[shape.__name__])
    judged = total({shape.__name__: found[shape.__name__] for shape in JUDGED})
    yield from _measures("pumping", judged, goals=True)
    yield from _measures("pumping, with what can only be bounded", total(found))


def _measures(title: str, outcome: Outcome, *, goals: bool = False) -> Iterator[Measure]:
    note = (
        f"{outcome.attack} messages, saved {outcome.saved:.0f}, lost {outcome.lost:.1f}; "
        f"of {outcome.honest} honest {outcome.refused} refused"
    )
    stopped = Goal("ours", ">=", LEAST_STOPPED) if goals else None
    yield Measure(f"{title}, stopped", "%", [outcome.stopped_share], goal=stopped, note=note)
    refused = Goal("ours", "<", MOST_REFUSED) if goals else None
    yield Measure(f"{title}, honest refused", "%", [outcome.refused_share], goal=refused)
