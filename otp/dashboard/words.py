"""Figures as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from sms import services as sms
from sms import tally

#: The text for a missing figure.
NONE = "–"

#: The reasons of the guard, in words.
GUARD = {
    "blocked": "blocked by an operator",
    "budget": "the daily budget is spent",
    "countries": "one address, too many countries",
    "hour": "unverified codes in an hour",
    "day": "unverified codes in a day",
    "fortnight": "unverified codes in 14 days",
}


def number(value: float) -> str:
    return f"{value:,.0f}"


def share(part: float, whole: float) -> str:
    """In per cent. Only the whole is written as 100 %, and only nothing as 0 %."""
    if not whole:
        return NONE
    found = 100 * part / whole
    if 99 <= found < 100 or 0 < found < 1:
        return f"{min(max(found, 0.1), 99.9):.1f} %"
    return f"{found:.0f} %"


def seconds(value: float | None) -> str:
    """A duration, in a fitting unit."""
    if value is None:
        return NONE
    for limit, unit, length in ((1, "ms", 0.001), (120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if value < limit:
            in_units = value / length
            return f"{in_units:.1f} {unit}" if in_units < 10 and unit == "s" else f"{in_units:.0f} {unit}"
    return f"{value / 86_400:.0f} d"


def money(micro: float) -> str:
    """An amount from millionths, in the currency of GUARD_PRICES."""
    value = micro / 1_000_000
    return f"{value:,.2f}" if value >= 0.1 or not value else f"{value:.4f}"


class Moment(NamedTuple):
    """A time for a ``<time>``, in UTC. A script shows it in local time."""

    iso: str
    text: str


def moment(at: datetime) -> Moment:
    return Moment(f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at.day} {at:%b %H:%M} UTC")


def moment_of(seconds: float) -> Moment:
    """``seconds``: since the epoch."""
    return moment(datetime.fromtimestamp(seconds, UTC))


def day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def country(code: str) -> str:
    """The name of a country. 001 stands for numbers that belong to none."""
    if code in (tally.OTHER, "", "001"):
        return "others" if code == tally.OTHER else "none"
    found = sms.country_name(code).removeprefix("the ")
    return f"{found} ({code})" if found != code else code


def alias(name: str) -> str:
    return "others" if name == tally.OTHER else name
