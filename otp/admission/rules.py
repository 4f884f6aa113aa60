"""Parse limits: ``phone=5/10m,10/1d;ip=20/10m`` as rules. No settings, no Redis.

``otp.admission.limits`` explains the grammar. Bad values raise ``ImproperlyConfigured``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain

from django.core.exceptions import ImproperlyConfigured

from sms.phone import is_prefix

#: Subjects that each setting can count by, and an example of it.
_SETTINGS = {
    "OTP_LIMITS": (("phone", "ip", "country", "purpose", "key", "all"), "phone=5/10m,10/1d;ip=20/10m"),
    "OTP_GUESS_LIMITS": (("ip", "key", "all"), "ip=20/1h,60/1d;key=1000/1h"),
}

#: Prefix of the names of ``OTP_GUESS_LIMITS`` rules.
GUESS = "guess-"

#: Subjects that identify a person. Redis holds only digests of them, and of joined subjects.
PERSONAL = ("phone", "ip")

#: A window keeps the time of each of its SMS, so it must be small. A rate keeps one number.
LARGEST_WINDOW = 1000

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FIGURES = re.compile(r"(\d{1,9})/(\d{1,6})([smhd])(?:\+(\d{1,9}))?", re.ASCII)

#: Limits reach back a month at most: Redis is no ledger.
_LONGEST = 31 * 86400


@dataclass(frozen=True)
class Rule:
    """At most ``most`` SMS, or wrong guesses, for one subject in ``seconds``."""

    name: str  # the subject as the setting names it: "phone", "phone-ip", "+4477"
    most: int
    seconds: int
    at_once: int = 0  # 0: at most ``most`` in any window; otherwise an average, with bursts of this many

    # Cached, because every start and check reads these of each rule.
    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """The subjects that are counted together; for a prefix, the prefix itself."""
        return tuple(self.name.removeprefix(GUESS).split("-"))

    @cached_property
    def figures(self) -> str:
        """The figures as in the setting, in seconds: ``5/600``, ``1000/3600+100``."""
        return f"{self.most}/{self.seconds}" + (f"+{self.at_once}" if self.at_once else "")

    @cached_property
    def in_lua(self) -> dict[str, int]:
        """The rule in the form of limits.lua."""
        bunch = {"at_once": self.at_once} if self.at_once else {}
        return {"most": self.most, "window": self.seconds * 1000, **bunch}

    @property
    def alarming(self) -> bool:
        """Whether reaching it should alert the operator: somebody guesses codes, or all users are refused."""
        return self.name.startswith(GUESS) or not set(self.subjects).intersection(PERSONAL)


def read(setting: str, value: object) -> tuple[Rule, ...]:
    """Parse ``value`` of ``OTP_LIMITS`` or ``OTP_GUESS_LIMITS``, a string or a dict of strings."""
    if isinstance(value, str):
        entries = dict(_split(setting, value))
    elif isinstance(value, Mapping) and all(isinstance(text, str) for text in chain(value, value.values())):
        entries = dict(value)
    else:
        example = _SETTINGS[setting][1]
        texts = ", ".join('"{}": "{}"'.format(*entry.split("=")) for entry in example.split(";"))
        raise _wrong(setting, f'write a string such as "{example}", or a dict of strings such as {{{texts}}}')
    return tuple(
        rule for name, text in entries.items() for rule in _rules(setting, _name(setting, name), text)
    )


@lru_cache(maxsize=64)
def of_key(text: str) -> tuple[Rule, ...]:
    """Parse an API key's own limits, ``600/1m,20000/1d``; an empty string has none."""
    return _rules("API_ACCESS", "key", text) if text else ()


def _rules(setting: str, name: str, text: str) -> tuple[Rule, ...]:
    """Parse ``"5/10m,10/1d"`` as rules that count by ``name``."""
    before = GUESS if setting == "OTP_GUESS_LIMITS" else ""
    return tuple(_rule(setting, name, figures.strip(), before) for figures in text.split(","))


def _split(setting: str, text: str) -> Iterator[tuple[str, str]]:
    if text.strip().lower() == "off":
        return
    if not text.strip():
        raise _wrong(setting, "it is empty; write off for no limits, or remove it for the defaults")
    seen = set()
    for entry in text.split(";"):
        name, separator, figures = (part.strip() for part in entry.partition("="))
        if not separator or not name:
            example = _SETTINGS[setting][1]
            raise _wrong(setting, f"{entry.strip()!r} is not a rule; write rules as {example}, or off")
        if name in seen:
            raise _wrong(setting, f"{name} appears twice; join its figures with a comma")
        seen.add(name)
        yield name, figures


def _name(setting: str, name: str) -> str:
    subjects, parts = _SETTINGS[setting][0], name.split("-")
    by_number = "phone" in subjects
    if by_number and name.startswith("+"):
        if not is_prefix(name):
            raise _wrong(setting, f"no number begins with {name}")
    elif set(parts) - set(subjects) or len(set(parts)) < len(parts):
        raise _wrong(
            setting,
            f"{name!r} cannot be counted; use {', '.join(subjects)}, several of them joined by -"
            + (", or a prefix such as +4477" if by_number else ""),
        )
    return name


def _rule(setting: str, name: str, figures: str, before: str) -> Rule:
    found = _FIGURES.fullmatch(figures)
    most, seconds = (int(found[1]), int(found[2]) * _UNITS[found[3]]) if found else (0, 0)
    if not found and "=" in figures:
        fault = f"{figures!r} is a separate rule; write ; before it, not a comma"
    elif not found:
        fault = (
            f"{figures!r} cannot be read; write 5/10m (a window; s, m, h or d), or 50/1s+200 "
            "(a rate and its burst)"
        )
    elif not most or not seconds or found[4] == "0":
        fault = f"{figures} would let nothing through; use figures over 0"
    elif seconds > _LONGEST:
        fault = f"{figures} would count for over 31 days; write at most 31d"
    elif most > LARGEST_WINDOW and not found[4]:
        fault = f"a window counts up to {LARGEST_WINDOW}; write a rate such as {figures}+{most}"
    else:
        return Rule(before + name, most, seconds, int(found[4] or 0))
    raise _wrong(setting, f"{name}: {fault}")


def _wrong(setting: str, fix: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{setting}: {fix}.")
