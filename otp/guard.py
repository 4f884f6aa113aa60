"""The pumping guard: who sends codes that nobody ever types pays for it, not the operator.

It counts sends and verifications per country, per two prefixes of the number and per address, and
caps what stays unverified by what was verified: see lua/guard.lua for the rule, docs/operations.md
for its use. It is part of the scripts that issue and check codes, so it costs no round trip.
"""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import phonenumbers
import structlog
from django.core.exceptions import ImproperlyConfigured

from otp import codes, conf, signals
from otp.errors import RateLimited
from sms.phone import Phone

log = structlog.get_logger("otp")

#: The functions of the guard, and their keys.
LUA = Path(__file__).parent / "lua" / "guard.lua"
KEY, FAN, SPEND, RULES = "otp:guard:", "otp:guard-fan:", "otp:guard-spend", "otp:guard-rules"

MODES = ("off", "shadow", "enforce")

#: Countries without proof together; numbers of no country, as satellite phones have (phonenumbers).
NEW, NOWHERE = "new", "001"

#: Characters of a prefix that still leaves four of 15 digits open.
MAX_PREFIX = 12

#: Money is counted in millionths, so that it stays a whole number.
MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """The setting ``GUARD_FIGURES``: unverified sends that are free, an hour, a day and 14 days.

    To them come ``ratio`` unverified sends for every verified one.
    """

    ratio: float = 1.0  # 1.0 bears a conversion of 50 %
    proven: int = 5  # verified in 14 days, from which on a country is no longer new
    strict: int = 2  # free sends of a proven range while something wider is over its cap
    countries: int = 3  # of one address a day without a verified code, one more for each verified
    new: tuple[int, int, int] = (20, 60, 200)
    country: tuple[int, int, int] = (20, 30, 90)
    coarse: tuple[int, int, int] = (10, 20, 60)
    fine: tuple[int, int, int] = (6, 10, 20)
    address: tuple[int, int, int] = (4, 6, 15)


@dataclass(frozen=True, slots=True)
class Call:
    """What ``guard_refuses``, ``guard_note`` and ``guard_sent`` take beside the time."""

    keys: tuple[str, ...]
    values: tuple[Any, ...]


OFF = Call((), ("off",))


def call(number: Phone, ip: str = "") -> Call:
    """The keys and values of the guard's functions for one send.

    ``ip``: the end user's address, "" where it is not known. Raises ``ImproperlyConfigured``.
    """
    return _call(number.e164, number.country or NOWHERE, address(ip), _setting())


def apply(refusal: bytes, wait: int, number: Phone, purpose: str) -> None:
    """Tell of a refusal, in a log line and a signal, and raise ``RateLimited`` if it counts.

    ``refusal``: "<reason> <scope>", as ``guard_refuses`` answered; ``wait``: its milliseconds.
    In the mode ``shadow`` this returns, and the code goes out.
    """
    reason, _, scope = refusal.decode().partition(" ")
    seconds = max(math.ceil(wait / 1000), 1)
    enforced = mode() == "enforce"
    log.warning(
        "guard_refused" if enforced else "guard_would_refuse",
        reason=reason,
        scope=scope,
        country=number.country,
        purpose=purpose,
        retry_after=seconds,
    )
    signals.guard_decided.send_robust(
        Figures, reason=reason, scope=scope, country=number.country, purpose=purpose, enforced=enforced
    )
    if enforced:
        raise RateLimited(
            "No code can be sent to this number now.", retry_after=seconds, code="guard", limit="guard"
        )


def scopes(e164: str, country: str) -> tuple[str, ...]:
    """What a number counts for: its country, and two prefixes that leave six and four digits open.

    The longer one is told by a ``tag``. A number with fewer than seven digits after its country code
    counts for its country alone.
    """
    end = next((n for n in (2, 3, 4) if int(e164[1:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 4)
    if len(e164) - end < 7:
        return (country,)
    return country, e164[:-6], tag(e164[:-4])


def tag(prefix: str) -> str:
    """``+491511234`` → ``+4915112~5c0f9a1e``: a keyed digest hides the last two digits of a prefix.

    The record of a message shows the last two digits of a number, so no more than the first ones up
    to the last six may stand beside them.
    """
    return f"{prefix[:-2]}~{codes.digest(_key(), 'guard', prefix)[:8]}"


def readable(scope: str) -> str:
    """The prefix behind a ``tag``, for the eyes of an operator; any other scope as it is."""
    start, hidden, _ = scope.partition("~")
    if not hidden:
        return scope
    return next((p for n in range(100) if tag(p := f"{start}{n:02d}") == scope), scope)


def address(ip: str) -> str:
    """A keyed digest that stands for an address, of IPv6 for its /64; "" for what is none."""
    try:
        found = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False).network_address
    return codes.digest(_key(), "guard", str(found))


def _key() -> bytes:
    key: str = conf.get("PHONE_SECRET_KEY")
    return key.encode()


def mode() -> str:
    """The setting ``GUARD_MODE``. Raises ``ImproperlyConfigured``."""
    return _setting().mode


def figures() -> Figures:
    """The setting ``GUARD_FIGURES``. Raises ``ImproperlyConfigured``."""
    return _setting().figures


def budget() -> Decimal:
    """The setting ``GUARD_BUDGET``, 0 for none. Raises ``ImproperlyConfigured``."""
    return _setting().budget


def is_scope(text: str) -> bool:
    """Whether ``text`` is a country (``DE``, ``001``) or a prefix (``+4930``)."""
    if text.startswith("+"):
        return text.isascii() and text[1:].isdecimal() and text[1] != "0" and len(text) <= MAX_PREFIX
    return text == NOWHERE or text in phonenumbers.SUPPORTED_REGIONS


# --- settings -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Setting:
    mode: str
    allow: frozenset[str]
    prices: dict[str, Decimal]
    budget: Decimal
    figures: Figures


def _setting() -> _Setting:
    """All five settings, read and judged once; made anew when one of them is another object."""
    global _made
    source = tuple(conf.get(name) for name in READERS)
    known, setting = _made
    if setting is None or any(old is not new for old, new in zip(known, source, strict=True)):
        setting = _Setting(*(read(value) for read, value in zip(READERS.values(), source, strict=True)))
        _made = (source, setting)
    return setting


def read_mode(value: Any) -> str:
    """Raises ``ImproperlyConfigured`` that names the setting and the mend, as all of these do."""
    if value not in MODES:
        raise ImproperlyConfigured(f"GUARD_MODE is {value!r}. Write one of: {', '.join(MODES)}.")
    return str(value)


def read_allow(value: Any) -> frozenset[str]:
    for scope in value:
        if not isinstance(scope, str) or not is_scope(scope):
            raise ImproperlyConfigured(
                f"GUARD_ALLOW, {scope!r}: write countries such as DE (ISO 3166) and prefixes such as +4477."
            )
    return frozenset(value)


def read_prices(value: Any) -> dict[str, Decimal]:
    prices = {}
    for country, text in value.items():
        if country != "default" and not (is_scope(country) and not country.startswith("+")):
            raise ImproperlyConfigured(
                f"GUARD_PRICES, {country}: write a country such as DE (ISO 3166), or default."
            )
        prices[country] = _money(f"GUARD_PRICES, {country}", text, "0.0079")
    return prices


def read_budget(value: Any) -> Decimal:
    return _money("GUARD_BUDGET", value or 0, "50")


def read_figures(value: Any) -> Figures:
    known = {field.name: field.default for field in fields(Figures)}
    given: dict[str, Any] = {}
    for name, figure in value.items():
        if name not in known:
            raise ImproperlyConfigured(f"GUARD_FIGURES has no {name!r}. It has: {', '.join(known)}.")
        several = isinstance(known[name], tuple)
        parts = tuple(figure) if several and isinstance(figure, tuple | list) else (figure,)
        if len(parts) != (3 if several else 1) or not all(map(_counts, parts)):
            shape = "three numbers over 0 (an hour, a day, 14 days)" if several else "a number over 0"
            raise ImproperlyConfigured(f"GUARD_FIGURES, {name}: give {shape}.")
        given[name] = parts if several else figure
    return Figures(**given)


READERS: dict[str, Any] = {
    "GUARD_MODE": read_mode,
    "GUARD_ALLOW": read_allow,
    "GUARD_PRICES": read_prices,
    "GUARD_BUDGET": read_budget,
    "GUARD_FIGURES": read_figures,
}

_made: tuple[tuple[Any, ...], _Setting | None] = ((), None)


def _counts(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _money(where: str, value: Any, example: str) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("nan")
    if not (found.is_finite() and 0 <= found < 10**9):
        raise ImproperlyConfigured(f"{where}: {value!r} must be a number, 0 or more, such as {example}.")
    return found


# --- keys and values ----------------------------------------------------------------------------


def _call(e164: str, country: str, digest: str, setting: _Setting) -> Call:
    if setting.mode == "off":
        return OFF
    counted = scopes(e164, country)
    prefixes = [e164[:end] for end in range(len(e164) - 4, 1, -1)]
    named = (*map(tag, prefixes[:2]), *prefixes[2:], country)
    price = setting.prices.get(country, setting.prices.get("default", Decimal(0)))
    numbers = setting.figures
    return Call(
        (RULES, SPEND, KEY + NEW, *(KEY + scope for scope in counted)),
        (
            setting.mode,
            int(not setting.allow.isdisjoint((*prefixes, country))),
            *(int(price * MICRO), int(setting.budget * MICRO)),
            *(numbers.ratio, numbers.proven, numbers.strict),
            *(digest, numbers.countries, *numbers.address),
            *numbers.new,
            *numbers.country,
            *(numbers.coarse + numbers.fine if len(counted) > 1 else ()),
            *named,
        ),
    )
