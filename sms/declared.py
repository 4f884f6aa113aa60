"""Every setting of ours, as each package declares its own: what there is, and of which type each is."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.checks import register as django_register
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.functional import Promise

_Made = TypeVar("_Made")
_Check = TypeVar("_Check", bound=Callable[..., Sequence[CheckMessage]])
_Types = type[Any] | tuple[type[Any], ...]

#: How alike two names are of which one is taken for the other misspelled, from 0 to 1.
ALIKE = 0.85

#: What begins so is meant for us.
OURS = ("SMS_", "OTP_", "OTPOST_", "GUARD_", "PHONE_", "TEST_NUMBER", "MESSAGE_RECORD", "MESSAGE_LIFE")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. Without a ``kind`` it is judged where it is read."""

    default: Any
    kind: _Types = ()
    words: str = ""  # what it must be, and an example
    parts: _Types = object  # what it holds

    def fits(self, value: Any) -> bool:
        if not isinstance(value, self.kind) or isinstance(value, bool):
            return False
        if isinstance(value, str | Promise):
            return True
        return all(
            isinstance(part, self.parts) for part in (value.values() if isinstance(value, Mapping) else value)
        )


#: A text, or a lazy one of Django.
TEXT = (str, Promise)

_declared: dict[str, Setting] = {}


def cached(make: Callable[..., _Made]) -> functools._lru_cache_wrapper[_Made]:
    """``functools.cache`` for what is made of settings: a test that changes one has it made anew."""
    found = functools.cache(make)
    setting_changed.connect(lambda **_: found.cache_clear(), weak=False)
    return found


def add(given: Mapping[str, Setting]) -> None:
    """Declare the settings of a package."""
    _declared.update(given)


def declared() -> Set[str]:
    """The names of all settings."""
    return _declared.keys()


def default(name: str) -> Any:
    """What the setting ``name`` is where nobody sets it."""
    return _declared[name].default


@cached  # a start asks twenty times, and Django takes a microsecond for each
def get(name: str) -> Any:
    """The setting ``name``, or its default; None for a text is none. Raises ``ImproperlyConfigured``."""
    setting = _declared[name]
    found = getattr(settings, name, setting.default)
    if not setting.kind:
        return found
    if found is None and setting.default == "":
        return ""
    if not setting.fits(found):
        raise ImproperlyConfigured(f"{name} must be {setting.words}.")
    return found


def faults() -> list[str]:
    """What is of a wrong type."""
    found = []
    for name in _declared:
        try:
            get(name)
        except ImproperlyConfigured as error:
            found.append(str(error))
    return found


def register(*tags: str, **kwargs: Any) -> Callable[[_Check], _Check]:
    """Django's, for checks that read settings: they wait until ``faults`` finds none.

    What is of a wrong type is told once, and trips nothing over.
    """

    def registered(check: _Check) -> _Check:
        @functools.wraps(check)
        def waiting(**given: Any) -> Sequence[CheckMessage]:
            return [] if faults() else check(**given)

        django_register(waiting, *tags, **kwargs)
        return check

    return registered


def nearest(name: str, known: Collection[str]) -> str:
    """The one of ``known`` that ``name``, which is none of them, is most like; "" if it is like none."""
    return next(iter(difflib.get_close_matches(name.upper().replace("-", "_"), known, 1, ALIKE)), "")


@django_register()
def types(**_: Any) -> list[CheckMessage]:
    """Every setting must be of its type; in a project somebody may write it otherwise."""
    return [Error(text, id="sms.E012") for text in faults()]


@django_register()
def names(**_: Any) -> list[CheckMessage]:
    """A setting whose name is not quite one of ours has no effect, and nobody would notice."""
    known = declared()
    others = {name for name in dir(settings) if name.isupper() and name.startswith(OURS)} - known
    return [
        Warning(
            f"{name} is no setting of Otpost, and has no effect. Did you mean {near}?",
            id="sms.W008",
        )
        for name in sorted(others)
        if (near := nearest(name, known))
    ]
