"""The guard's settings, read and validated once. Errors name the setting and the fix."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any

import phonenumbers
from django.core.exceptions import ImproperlyConfigured

from otp import conf
from otp.admission.limits import NO_COUNTRY
from sms.message import Channel
from sms.phone import is_prefix


@dataclass(frozen=True)
class Figures:
    """``GUARD_FIGURES``. Tuples: how many codes may stay unverified in an hour, a day and 14 days."""

    ratio: float = 1.0  # added to the caps for each verified send; 1.0 tolerates a conversion of 50 %
    proven: int = 5  # verified sends in 14 days after which a country is no longer new
    # Codes a day that may stay unverified while a wider scope is over its cap: in a range with a verified
    # code in 14 days, or in a new country.
    strict: int = 2
    known: int = 5  # sends beyond the caps to a phone that verified within 14 days; 0: none
    # In how many countries a day an IP address may ask for codes without verifying one there. Each verified
    # code adds one.
    countries: int = 3
    new: tuple[int, int, int] = (20, 60, 200)
    country: tuple[int, int, int] = (20, 30, 90)
    # A range may have 14 times as many in 14 days as in one. So strangers cannot shut it for over a day.
    coarse: tuple[int, int, int] = (10, 20, 280)
    fine: tuple[int, int, int] = (6, 10, 140)
    address: tuple[int, int, int] = (4, 6, 15)


def scope_problem(text: str) -> str:
    """The problem with ``text`` as a country (``DE``, ``001``) or prefix (``+4930``); "" if it is fine."""
    if not text.startswith("+"):
        known = text == NO_COUNTRY or text in phonenumbers.SUPPORTED_REGIONS
        return "" if known else "write countries such as DE (ISO 3166) and prefixes such as +4477"
    digits = text[1:]
    if not (text.isascii() and digits.isdecimal() and digits[0] != "0"):
        return "write a prefix with + and digits that begin with a country code, such as +4477"
    if not is_prefix(text):
        return "no country code begins like this"
    code = next((n for n in (1, 2, 3) if int(digits[:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 0)
    if code and len(digits) > code + 3 and not _holds_ranges(text):
        return "no number has this prefix and four more digits; write a shorter prefix"
    return ""


def _holds_ranges(prefix: str) -> bool:
    """Whether any valid number begins with ``prefix`` and has four more digits.

    Rules are looked up without the last four digits of a number, so a longer prefix would never match.
    ``phonenumbers`` only validates whole numbers, so this tries some out.
    """
    rests = [f"{two:02d}3456789"[:more] for more in range(4, 16 - len(prefix) + 1) for two in range(100)]
    return any(phonenumbers.is_valid_number(phonenumbers.parse(prefix + rest)) for rest in rests)


#: Money is counted in millionths, as whole numbers.
MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """All five settings, in the order of ``READERS``."""

    mode: str
    allow: frozenset[str]
    prices: dict[str, Decimal]
    budget: Decimal
    figures: Figures

    def price(self, country: str, channel: Channel = Channel.SMS) -> int:
        """The price of one SMS part, or of one message by another channel, in millionths.

        0 if no price is known. A channel without prices of its own has those of SMS; e-mail is free.
        """
        scopes = [f"{channel}:{country}", f"{channel}:default"]
        if channel is not Channel.EMAIL:
            scopes += [country, "default"]
        return int(next((self.prices[scope] for scope in scopes if scope in self.prices), 0) * MICRO)

    def cost(self, country: str, channel: Channel, parts: int) -> int:
        """The price of a whole message in millionths. Only SMS is billed by its parts."""
        return self.price(country, channel) * (parts if channel is Channel.SMS else 1)


@conf.cached
def read() -> Setting:
    """All five settings, read once. Raises ``ImproperlyConfigured``."""
    return Setting(*(reader(conf.get(name)) for name, reader in READERS.items()))


def read_mode(value: Any) -> str:
    """Raises ``ImproperlyConfigured`` naming the setting and the fix, as all readers do."""
    if value not in ("off", "shadow", "enforce"):
        raise ImproperlyConfigured(f"GUARD_MODE is {value!r}. Write one of: off, shadow, enforce.")
    return str(value)


def read_allow(value: Any) -> frozenset[str]:
    _require("GUARD_ALLOW", value, (list, tuple, set, frozenset), ["DE", "+4477"])
    for scope in value:
        problem = scope_problem(scope) if isinstance(scope, str) else "write strings such as 'DE' and '+4477'"
        if problem:
            raise ImproperlyConfigured(f"GUARD_ALLOW, {scope!r}: {problem}.")
    return frozenset(value)


def read_prices(value: Any) -> dict[str, Decimal]:
    _require("GUARD_PRICES", value, (dict,), {"US": "0.0079", "default": "0.06"})
    prices = {}
    for scope, text in value.items():
        channel, colon, country = str(scope).rpartition(":")
        if colon and channel not in [known.value for known in Channel]:
            raise ImproperlyConfigured(
                f"GUARD_PRICES, {scope}: there is no channel {channel!r}; write a channel as in voice:DE."
            )
        if country not in ("default", NO_COUNTRY, *phonenumbers.SUPPORTED_REGIONS):
            raise ImproperlyConfigured(
                f"GUARD_PRICES, {scope}: write a country such as DE (ISO 3166), or default."
            )
        prices[scope] = _money(f"GUARD_PRICES, {scope}", text, "0.0079")
    return prices


def read_budget(value: Any) -> Decimal:
    return _money("GUARD_BUDGET", 0 if value in (None, "") else value, "50")


def read_figures(value: Any) -> Figures:
    _require("GUARD_FIGURES", value, (dict,), {"ratio": 0.8})
    known = {field.name: field.default for field in fields(Figures)}
    given: dict[str, Any] = {}
    for name, figure in value.items():
        if name not in known:
            raise ImproperlyConfigured(f"GUARD_FIGURES has no {name!r}. It has: {', '.join(known)}.")
        given[name] = tuple(figure) if isinstance(figure, list) else figure
        if isinstance(known[name], tuple):
            shape, parts = "three numbers over 0 (an hour, a day, 14 days)", given[name]
            good = isinstance(parts, tuple) and len(parts) == 3 and all(map(_counts, parts))
        else:
            is_none = name == "known" and figure == 0 and figure is not False
            shape, good = "a number over 0", is_none or _counts(figure)
        if not good:
            raise ImproperlyConfigured(f"GUARD_FIGURES, {name}: give {shape}.")
    return Figures(**given)


#: The readers of the settings, in the order of ``Setting``.
READERS: dict[str, Any] = {
    "GUARD_MODE": read_mode,
    "GUARD_ALLOW": read_allow,
    "GUARD_PRICES": read_prices,
    "GUARD_BUDGET": read_budget,
    "GUARD_FIGURES": read_figures,
}


def _require(name: str, value: Any, kinds: tuple[type, ...], example: Any) -> None:
    if not isinstance(value, kinds):
        shape = type(example).__name__
        raise ImproperlyConfigured(f"{name} is {value!r}. Write a {shape} such as {example!r}.")


def _counts(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 10**9


def _money(where: str, value: Any, example: str) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("nan")
    if not (found.is_finite() and 0 <= found < 10**9):
        raise ImproperlyConfigured(f"{where}: {value!r} must be a number, 0 or more, such as {example}.")
    return found
