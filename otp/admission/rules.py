"""The grammar of limits: ``phone=5/10m,10/1d;ip=20/10m`` as rules. No settings, no Redis.

otp.admission.limits says what the parts mean. What cannot be read raises ``ImproperlyConfigured``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain

from django.core.exceptions import ImproperlyConfigured

from sms.phone import is_prefix

#: What each setting can count, and an example of it.
_SETTINGS = {
    "OTP_LIMITS": (("phone", "ip", "country", "purpose", "key", "all"), "phone=5/10m,10/1d;ip=20/10m"),
    "OTP_GUESS_LIMITS": (("ip", "key", "all"), "ip=20/1h,60/1d;key=1000/1h"),
}

#: Before the name of a rule of OTP_GUESS_LIMITS.
GUESS = "guess-"

#: Subjects that identify a person. Redis has only their digests, and those of several subjects together.
PERSONAL = ("phone", "ip")

#: A window remembers when each of its SMS was asked for, so it must be small; a rate need not.
LARGEST_WINDOW = 1000

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FIGURES = re.compile(r"(\d{1,9})/(\d{1,6})([smhd])(?:\+(\d{1,9}))?", re.ASCII)

#: Longer than a month nothing is counted: Redis is not a ledger.
_LONGEST = 31 * 86400


@dataclass(frozen=True)
class Rule:
    """At most ``most`` SMS, or wrong guesses, for one subject in ``seconds``."""

    name: str  # what is counted, as it stands in the setting: "phone", "phone-ip", "+4477"
    most: int
    seconds: int
    at_once: int = 0  # 0: in any window of that length; else on average, so many in a bunch

    # Every start and check asks for these of each rule, so they are made once.
    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """What is counted together; of a prefix it is that."""
        return tuple(self.name.removeprefix(GUESS).split("-"))

    @cached_property
    def figures(self) -> str:
        """As they stand in the setting, in seconds: ``5/600``, ``1000/3600+100``."""
        return f"{self.most}/{self.seconds}" + (f"+{self.at_once}" if self.at_once else "")

    @cached_property
    def in_lua(self) -> dict[str, int]:
        """What limits.lua wants to know of it."""
        bunch = {"at_once": self.at_once} if self.at_once else {}
        return {"most": self.most, "window": self.seconds * 1000, **bunch}

    @property
    def alarming(self) -> bool:
        """Whether the operator shall hear that it was reached: somebody guesses, or all users are refused."""
        return self.name.startswith(GUESS) or not set(self.subjects).intersection(PERSONAL)


def read(setting: str, value: object) -> tuple[Rule, ...]:
    """The rules in ``value`` of ``OTP_LIMITS`` or ``OTP_GUESS_LIMITS``, a text or a dict of texts."""
    if isinstance(value, str):
        entries = dict(_split(setting, value))
    elif isinstance(value, Mapping) and all(isinstance(text, str) for text in chain(value, value.values())):
        entries = dict(value)
    else:
        example = _SETTINGS[setting][1]
        texts = ", ".join('"{}": "{}"'.format(*entry.split("=")) for entry in example.split(";"))
        raise _wrong(setting, f'it is a text such as "{example}", or a dict of texts such as {{{texts}}}')
    return tuple(
        rule for name, text in entries.items() for rule in _rules(setting, _name(setting, name), text)
    )


@lru_cache(maxsize=64)
def of_key(text: str) -> tuple[Rule, ...]:
    """The own rules of an API key, ``600/1m,20000/1d``; none in an empty text."""
    return _rules("API_ACCESS", "key", text) if text else ()


def _rules(setting: str, name: str, text: str) -> tuple[Rule, ...]:
    """``"5/10m,10/1d"`` as rules that count ``name``."""
    before = GUESS if setting == "OTP_GUESS_LIMITS" else ""
    return tuple(_rule(setting, name, figures.strip(), before) for figures in text.split(","))


def _split(setting: str, text: str) -> Iterator[tuple[str, str]]:
    if text.strip().lower() == "off":
        return
    if not text.strip():
        raise _wrong(
            setting, "it is empty; write off for no limits, or leave it out for those that are usual"
        )
    seen = set()
    for entry in text.split(";"):
        name, separator, figures = (part.strip() for part in entry.partition("="))
        if not separator or not name:
            example = _SETTINGS[setting][1]
            raise _wrong(setting, f"{entry.strip()!r} is no rule; write them as {example}, or off")
        if name in seen:
            raise _wrong(setting, f"{name} stands in it twice; join its figures with a comma")
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
            f"{name!r} is nothing that can be counted; use {', '.join(subjects)}, several of them joined by -"
            + (", or a prefix such as +4477" if by_number else ""),
        )
    return name


def _rule(setting: str, name: str, figures: str, before: str) -> Rule:
    found = _FIGURES.fullmatch(figures)
    most, seconds = (int(found[1]), int(found[2]) * _UNITS[found[3]]) if found else (0, 0)
    if not found and "=" in figures:
        fault = f"{figures!r} is a rule of its own; write a ; before it, no comma"
    elif not found:
        fault = (
            f"{figures!r} cannot be read; write 5/10m (a window; s, m, h or d), or 50/1s+200 "
            "(a rate, and how many at once)"
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


def _wrong(setting: str, mend: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{setting}: {mend}.")
