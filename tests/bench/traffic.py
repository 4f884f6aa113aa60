"""Who asks for codes, and when: honest people of several countries, in virtual time.

Everything follows from a seed. Prices are illustrative, and in no currency.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from sms.phone import Phone

DAY, HOUR = 86_400.0, 3_600.0

#: Virtual time begins on a Monday at midnight, seconds since the epoch.
BEGIN = 1_700_438_400.0
HISTORY = 14  # days before anybody attacks


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


@dataclass(slots=True)
class Send:
    """One message somebody asks for. ``at``: seconds; ``verified``: seconds later, 0 if never."""

    at: float
    number: Phone
    ip: str
    price: float
    attack: bool
    verified: float = 0.0
    event: str = ""  # what the driver tells the guard (JSON), once it is made


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
