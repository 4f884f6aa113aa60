"""How many SMS may be asked for, and for whom: the setting ``OTP_LIMITS``.

    phone=5/10m,10/1d       at most 5 in any 10 minutes and 10 in any day to one phone
    ip=20/10m               … from one address of an end user (IPv6: from one /64)
    phone-ip=7/1d           … to one phone from one address
    all=50/1s+200           50 a second on average, at most 200 in a bunch, in the whole
    +4477=1000/1h           … to numbers that begin so

Rules are separated by ``;``, the figures of one rule by ``,``. What is counted: ``phone``, ``ip``,
``country``, ``purpose``, ``key`` (the API key's name), ``all``, a prefix, or several joined by ``-``.
A rule without its subject does not apply: no address, no rule by address. Numbers of no country, such
as +882, count as of one country.

All rules are checked and counted by the script that issues the code (``lua/generate.lua``,
``lua/resend.lua``), all or nothing: what is refused for any reason is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from django.core.exceptions import ImproperlyConfigured

from otp import codes, conf
from otp.caller import Caller, subscriber
from otp.names import LIMIT, key
from sms.phone import Phone, is_prefix

SUBJECTS = ("phone", "ip", "country", "purpose", "key", "all")

#: What tells of a person stands in Redis as a digest, and so does what is joined of several.
_PERSONAL = ("phone", "ip")

#: What stands for the country of numbers that have none, such as +882: ITU's "world".
NO_COUNTRY = "001"

#: A window remembers when each of its SMS was asked for, so it must be small; a rate need not.
LARGEST_WINDOW = 1000

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FIGURES = re.compile(r"(\d{1,9})/(\d{1,6})([smhd])(?:\+(\d{1,9}))?", re.ASCII)

#: Longer than a month nothing is counted: Redis is not a ledger.
_LONGEST = 31 * 86400


@dataclass(frozen=True, slots=True)
class Rule:
    """At most ``most`` SMS for one subject in ``seconds``."""

    name: str  # what is counted, as it stands in the setting: "phone", "phone-ip", "+4477"
    most: int
    seconds: int
    at_once: int = 0  # 0: in any window of that length; else on average, so many in a bunch

    @property
    def figures(self) -> str:
        """As they stand in the setting, in seconds: ``5/600``, ``1000/3600+100``."""
        return f"{self.most}/{self.seconds}" + (f"+{self.at_once}" if self.at_once else "")


@dataclass(frozen=True, slots=True)
class Spending:
    """What one SMS counts towards: a key and three values for each rule, as limits.lua wants them."""

    rules: tuple[Rule, ...] = ()
    keys: tuple[str, ...] = ()
    values: tuple[int | str, ...] = ()


NOTHING = Spending()


def of_key(caller: Caller) -> Spending:
    """The own rules of an API key alone, for an SMS that is no code."""
    return _spending(_own_rules(caller.limits), {"key": caller.name}, "")


def spending(number: Phone, purpose: str, caller: Caller) -> Spending:
    """The rules for one SMS, and where each is counted. Raises ``ImproperlyConfigured``."""
    known = {
        "phone": number.e164,
        "ip": subscriber(caller.ip) if caller.ip else "",
        "country": number.country or NO_COUNTRY,
        "purpose": purpose,
        "key": caller.name,
        "all": "all",
    }
    return _spending((*all_rules(), *_own_rules(caller.limits)), known, number.e164)


def _spending(wanted: Iterable[Rule], known: Mapping[str, str], e164: str) -> Spending:
    secret = conf.phone_secrets()[0]
    rules: dict[str, Rule] = {}  # by key: a rule that stands in two settings counts an SMS once
    for rule in wanted:
        if rule.name[0] == "+":
            subjects = [rule.name] if e164.startswith(rule.name) else [""]
        else:
            subjects = [known[part] for part in rule.name.split("-")]
        if all(subjects):
            plain = rule.name not in _PERSONAL and len(subjects) == 1
            of = subjects[0] if plain else codes.digest(secret, "limit", *subjects)
            # A window and a rate keep different things: all figures are part of the key.
            rules[key(f"{LIMIT}{rule.name}:{rule.figures}:{of}")] = rule
    values = [(rule.most, rule.seconds * 1000, rule.at_once or "") for rule in rules.values()]
    return Spending(tuple(rules.values()), tuple(rules), tuple(chain.from_iterable(values)))


def all_rules() -> tuple[Rule, ...]:
    """The rules of ``OTP_LIMITS``. Raises ``ImproperlyConfigured``."""
    setting = conf.get("OTP_LIMITS")
    if isinstance(setting, str):
        return _parsed(setting)
    if not isinstance(setting, Mapping) or not all(
        isinstance(text, str) for text in chain.from_iterable(setting.items())
    ):
        raise _wrong(
            'it is a text such as "phone=5/10m,10/1d;ip=20/10m", or a dict of texts such as '
            '{"phone": "5/10m,10/1d", "ip": "20/10m"}'
        )
    return _parsed(tuple(setting.items()))


def _rules(name: str, text: str, setting: str = "OTP_LIMITS") -> tuple[Rule, ...]:
    """``"5/10m,10/1d"`` as rules that count ``name``. Raises ``ImproperlyConfigured``."""
    return tuple(_rule(name, figures.strip(), setting) for figures in text.split(","))


@lru_cache(maxsize=64)
def _own_rules(text: str) -> tuple[Rule, ...]:
    return _rules("key", text, "API_ACCESS") if text else ()


@lru_cache(maxsize=8)
def _parsed(setting: str | tuple[tuple[str, str], ...]) -> tuple[Rule, ...]:
    entries = dict(_split(setting)) if isinstance(setting, str) else dict(setting)
    return tuple(rule for name, text in entries.items() for rule in _rules(_name(name), text))


def _split(text: str) -> Iterator[tuple[str, str]]:
    if text.strip().lower() == "off":
        return
    if not text.strip():
        raise _wrong("it is empty; write off for no limits, or leave it out for those that are usual")
    seen = set()
    for entry in text.split(";"):
        name, separator, figures = (part.strip() for part in entry.partition("="))
        if not separator or not name:
            raise _wrong(f"{entry.strip()!r} is no rule; write them as phone=5/10m,10/1d;ip=20/10m, or off")
        if name in seen:
            raise _wrong(f"{name} stands in it twice; join its figures with a comma")
        seen.add(name)
        yield name, figures


def _name(name: str) -> str:
    parts = name.split("-")
    if name.startswith("+"):
        if not is_prefix(name):
            raise _wrong(f"no number begins with {name}")
    elif set(parts) - set(SUBJECTS) or len(set(parts)) < len(parts):
        raise _wrong(
            f"{name!r} is nothing that can be counted; use {', '.join(SUBJECTS)}, several of them "
            "joined by -, or a prefix such as +4477"
        )
    return name


def _rule(name: str, figures: str, setting: str) -> Rule:
    found = _FIGURES.fullmatch(figures)
    if not found and "=" in figures:
        raise _wrong(f"{name}: {figures!r} is a rule of its own; write a ; before it, no comma", setting)
    if not found:
        raise _wrong(
            f"{name}: {figures!r} cannot be read; write 5/10m (a window; s, m, h or d), or 50/1s+200 "
            "(a rate, and how many at once)",
            setting,
        )
    most, seconds = int(found[1]), int(found[2]) * _UNITS[found[3]]
    if not most or not seconds or found[4] == "0":
        raise _wrong(f"{name}: {figures} would let nothing through; use figures over 0", setting)
    if seconds > _LONGEST:
        raise _wrong(f"{name}: {figures} would count for over 31 days; write at most 31d", setting)
    if most > LARGEST_WINDOW and not found[4]:
        raise _wrong(
            f"{name}: a window counts up to {LARGEST_WINDOW}; write a rate such as {figures}+{most}", setting
        )
    return Rule(name, most, seconds, int(found[4] or 0))


def _wrong(mend: str, setting: str = "OTP_LIMITS") -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{setting}: {mend}.")
