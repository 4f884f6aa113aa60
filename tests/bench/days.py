"""The tally of a busy installation: 35 days of counters by the day and hour."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

DAYS = 35

#: Countries, each with its part of the codes.
COUNTRIES = {
    **{"US": 30, "DE": 14, "GB": 10, "FR": 8, "IR": 7, "ES": 5, "IT": 5, "NL": 4, "PL": 3, "TR": 3},
    **{"BR": 2, "IN": 2, "CA": 2, "AT": 2, "CH": 2, "SE": 1, "NO": 1, "DK": 1, "FI": 1, "PT": 1},
    **{"GR": 1, "CZ": 1, "RO": 1, "HU": 1, "IE": 1, "BE": 1, "UA": 1, "AE": 1, "AU": 1, "JP": 1},
}
PURPOSES = {"login": 70, "signup": 25, "payment": 5}
KEYS = {"shop": 60, "app": 35, "ops": 5}
REFUSALS = {"cooldown": 50, "limit:phone": 25, "limit:ip": 15, "pause": 4, "guard:hour": 6}

#: By alias: its part, delivered, typed, ms of a call, and how often a call ends badly.
ALIASES = {
    "main": (60, 0.97, 0.86, 180, 0.004),
    "local": (25, 0.93, 0.81, 420, 0.02),
    "spare": (15, 0.9, 0.74, 900, 0.05),
}
WORDS = {"temporary": ("429", "503", "busy"), "refused": ("21211", "21614"), "account": ("21606",)}


def fill(redis: Any, now: float, an_hour: int = 1200, aliases: Sequence[str] = tuple(ALIASES)) -> None:
    """Write them; ``an_hour``: codes of a busy one."""
    from sms import tally

    chance = random.Random(7)
    this_hour = int(now) // 3600
    days: dict[tuple[Any, int], Counter[str]] = {}
    for hour in range(this_hour - DAYS * 24 + 1, this_hour + 1):
        swing = 0.55 + 0.45 * math.sin((hour % 24 - 8) / 24 * 2 * math.pi)
        share = (now % 3600) / 3600 if hour == this_hour else 1
        found = _hour(chance, max(int(an_hour * swing * share), 1), aliases)
        pipe = redis.pipeline(transaction=False)
        for family, counts in found.items():
            days.setdefault((family, hour // 24), Counter()).update(counts)
            pipe.hset(tally.place(family, "hour", hour), mapping=counts)
        pipe.execute()
    pipe = redis.pipeline(transaction=False)
    everything: dict[Any, Counter[str]] = {}
    for (family, day), counts in days.items():
        everything.setdefault(family, Counter()).update(counts)
        pipe.hset(tally.place(family, "day", day), mapping=counts)
    for family, counts in everything.items():
        pipe.hset(tally.place(family), mapping=counts)
    pipe.execute()


def _hour(chance: random.Random, codes: int, aliases: Sequence[str]) -> dict[Any, Counter[str]]:
    counts: Counter[str] = Counter()
    times: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for _ in range(codes):
        for field in _code(chance, aliases, times, words):
            counts[field] += 1
        counts[f"spent|{_drawn(chance, COUNTRIES)}"] += 60_000
    found = {"counts": counts, "times": times, "words": words}
    return {family: counted for family, counted in found.items() if counted}


def _code(
    chance: random.Random, aliases: Sequence[str], times: Counter[str], words: Counter[str]
) -> Iterator[str]:
    country, purpose, key = _drawn(chance, COUNTRIES), _drawn(chance, PURPOSES), _drawn(chance, KEYS)
    if chance.random() < 0.06:
        yield f"starts|{_drawn(chance, REFUSALS)}|{purpose}|{country}|{key}"
        return
    alias = _drawn(chance, {name: ALIASES[name][0] for name in aliases})
    _, delivered, typed, ms, bad = ALIASES[alias]
    yield f"starts|{'resent' if chance.random() < 0.04 else 'issued'}|{purpose}|{country}|{key}"
    yield from (f"messages|queued||{country}|otp", f"codes|queued|{purpose}")
    if chance.random() < bad:
        outcome = chance.choice(list(WORDS))
        yield f"calls|{outcome}|{alias}|{country}"
        words[f"call|{outcome}|{alias}|{chance.choice(WORDS[outcome])}"] += 1
    _timed(chance, times, f"call|{alias}", ms)
    yield from (
        f"calls|accepted|{alias}|{country}",
        f"messages|sent|{alias}|{country}|otp",
        f"codes|sent|{purpose}",
    )
    _timed(chance, times, "to_sent|otp", ms * 1.5)
    if chance.random() > delivered:
        words[f"receipt|failed|{alias}|{chance.choice(('30003', '30005', 'expired'))}"] += 1
        yield from (f"receipts|failed|{alias}|{country}", f"messages|failed|{alias}|{country}|otp")
        return
    yield from (f"receipts|delivered|{alias}|{country}", f"messages|delivered|{alias}|{country}|otp")
    yield f"codes|delivered|{purpose}"
    _timed(chance, times, f"to_delivered|{alias}", ms * 12)
    if chance.random() < 0.08:
        yield f"checks|invalid|{purpose}|{key}"
    if chance.random() < typed:
        yield from (f"checks|valid|{purpose}|{key}", f"verified|{alias}|{country}")
        _timed(chance, times, f"to_verified|{alias}", ms * 60)


def _timed(chance: random.Random, times: Counter[str], name: str, typical: float) -> None:
    ms = int(typical * chance.lognormvariate(0, 0.6))
    times[f"{name}|{min((max(ms, 1) - 1).bit_length(), 21)}"] += 1
    times[f"{name}|sum"] += ms


def _drawn(chance: random.Random, parts: dict[str, int]) -> str:
    return chance.choices(list(parts), list(parts.values()))[0]
