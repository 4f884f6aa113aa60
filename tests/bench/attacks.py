"""Attacks by SMS pumping, of several shapes.

The figures of ``otp.guard.settings.Figures`` were chosen with the attacks in ``TUNED``, with other seeds than
``pumping.SEED``, and without those in ``JUDGED``. ``BOUNDED`` holds what a cap can only keep cheap. Each
begins at noon of the day after the two weeks of history, or lasts for two days from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sms.phone import Phone

from .traffic import BEGIN, DAY, HISTORY, HONEST, HOUR, Send, World

#: The ranges of the attackers' numbers. No honest user asks for codes there. ISO name, country code.
_PUMPED = (
    "TJ=992 AZ=994 SO=252 TD=235 ML=223 GN=224 SL=232 LR=231 MG=261 BI=257 KM=269 DZ=213 LY=218 KG=996 "
    "UZ=998 PS=970 IQ=964 YE=967 LK=94 MM=95 NP=977 BD=880 KH=855 LA=856 MZ=258 ZW=263 TG=228 GA=241"
)
EXOTIC = [(entry[:2], entry[3:]) for entry in _PUMPED.split()]
EXOTIC_PRICE = 0.25


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


def reading_the_codes(world: World) -> Iterator[Send]:
    """One range of 10,000 numbers whose owner types a little more than half of the codes."""
    for at in _steady(world, NOON, 24, 600):
        verified = world.random.uniform(5, 20) if world.random.random() < 0.52 else 0.0
        yield _attack(("TJ", "+99291755" + world.digits(4)), at, world.ip(), EXOTIC_PRICE, verified)


TUNED: tuple[Shape, ...] = (one_prefix, many_prefixes, exotic_slowly, random_of_big_with_few_ips)
JUDGED: tuple[Shape, ...] = (
    *(ranges_of_an_operator, waves_of_countries, verifying_some, tiny_country, botnet_from_few_countries),
)
BOUNDED: tuple[Shape, ...] = (random_of_big, drip, reading_the_codes)
