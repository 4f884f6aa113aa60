"""The grammar of limits: ``phone=5/10m,10/1d;ip=20/10m`` as rules. No settings, no Redis.

otp.admission.limits says what the parts mean. What cannot be read raises ``ImproperlyConfigured`` with
the mend.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
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

#: What tells of a person stands in Redis as a digest, and so does what is joined of several.
PERSONAL = ("phone", "ip")

#: A window remembers when each of its SMS was asked for, so it must be small; a rate need not.
LARGEST_WINDOW = 1000

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FIGURES = re.compile(r"(\d{1,9})/(\d{1,6})([smhd])(?:\+(\d{1,9}))?", re.ASCII)

#: Longer than a month nothing is counted: Redis is not a ledger.
_LONGEST = 31 * 86400


@dataclass(frozen=True, slots=True)
class Rule:
    """At most ``most`` SMS, or wrong guesses, for one subject in ``seconds``."""

    name: str  # what is counted, as it stands in the setting: "phone", "phone-ip", "+4477"
    most: int
    seconds: int
    at_once: int = 0  # 0: in any window of that length; else on average, so many in a bunch

    # Every start and check asks for these of each rule, so they are made once.
    #: What is counted together; of a prefix it is that.
    subjects: tuple[str, ...] = field(init=False, repr=False, compare=False)
    #: As they stand in the setting, in seconds: ``5/600``, ``1000/3600+100``.
    figures: str = field(init=False, repr=False, compare=False)
    #: What limits.lua wants to know of it.
    in_lua: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        bunch = f"+{self.at_once}" if self.at_once else ""
        in_lua = {"most": self.most, "window": self.seconds * 1000}
        object.__setattr__(self, "subjects", tuple(self.name.removeprefix(GUESS).split("-")))
        object.__setattr__(self, "figures", f"{self.most}/{self.seconds}{bunch}")
        object.__setattr__(self, "in_lua", in_lua | ({"at_once": self.at_once} if self.at_once else {}))

    @property
    def alarming(self) -> bool:
        """Whether the operator shall hear that it was reached: somebody guesses, or all users are refused."""
        return self.name.startswith(GUESS) or not set(self.subjects).intersection(PERSONAL)


def read(setting: str, value: object) -> tuple[Rule, ...]:
    """The rules in ``value`` of ``OTP_LIMITS`` or ``OTP_GUESS_LIMITS``, a text or a dict of texts."""
    if isinstance(value, str):
        return _parsed(setting, value)
    if not isinstance(value, Mapping) or not all(
        isinstance(text, str) for text in chain.from_iterable(value.items())
    ):
        example = _SETTINGS[setting][1]
        entries = (entry.partition("=") for entry in example.split(";"))
        texts = ", ".join(f'"{name}": "{figures}"' for name, _, figures in entries)
        raise _wrong(setting, f'it is a text such as "{example}", or a dict of texts such as {{{texts}}}')
    return _parsed(setting, tuple(value.items()))


@lru_cache(maxsize=64)
def of_key(text: str) -> tuple[Rule, ...]:
    """The own rules of an API key, ``600/1m,20000/1d``; none in an empty text."""
    return _rules("API_ACCESS", "key", text) if text else ()


@lru_cache(maxsize=16)
def _parsed(setting: str, value: str | tuple[tuple[str, str], ...]) -> tuple[Rule, ...]:
    entries = dict(_split(setting, value)) if isinstance(value, str) else dict(value)
    return tuple(
        rule for name, text in entries.items() for rule in _rules(setting, _name(setting, name), text)
    )


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
            raise _wrong(
                setting, f"{entry.strip()!r} is no rule; write them as {_SETTINGS[setting][1]}, or off"
            )
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
    if not found and "=" in figures:
        raise _wrong(setting, f"{name}: {figures!r} is a rule of its own; write a ; before it, no comma")
    if not found:
        raise _wrong(
            setting,
            f"{name}: {figures!r} cannot be read; write 5/10m (a window; s, m, h or d), or 50/1s+200 "
            "(a rate, and how many at once)",
        )
    most, seconds = int(found[1]), int(found[2]) * _UNITS[found[3]]
    if not most or not seconds or found[4] == "0":
        raise _wrong(setting, f"{name}: {figures} would let nothing through; use figures over 0")
    if seconds > _LONGEST:
        raise _wrong(setting, f"{name}: {figures} would count for over 31 days; write at most 31d")
    if most > LARGEST_WINDOW and not found[4]:
        raise _wrong(
            setting, f"{name}: a window counts up to {LARGEST_WINDOW}; write a rate such as {figures}+{most}"
        )
    return Rule(before + name, most, seconds, int(found[4] or 0))


def _wrong(setting: str, mend: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{setting}: {mend}.")
