"""Every setting of ours, as each package declares it: its default, and what it must be."""

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
from django.dispatch import receiver
from django.utils.functional import Promise

_Check = TypeVar("_Check", bound=Callable[..., Sequence[CheckMessage]])
_Types = type[Any] | tuple[type[Any], ...]

#: How alike two names are of which one is taken for the other misspelled, from 0 to 1.
ALIKE = 0.85

#: What begins so is meant for us.
OURS = ("SMS_", "OTP_", "OTPOST_", "GUARD_", "PHONE_", "TEST_NUMBER", "MESSAGE_RECORD", "MESSAGE_LIFE")

#: A text, or a lazy one of Django.
TEXT = (str, Promise)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. Without a ``kind`` it is judged where it is read."""

    default: Any
    kind: _Types = ()
    words: str = ""  # what it must be, and an example
    parts: _Types = object  # what it holds

    def fits(self, value: Any) -> bool:
        if not self.kind:
            return True
        held = value.values() if isinstance(value, Mapping) else value
        return isinstance(value, self.kind) and all(isinstance(part, self.parts) for part in held)


_declared: dict[str, Setting] = {}

#: Declare the settings of a package, by their names.
add = _declared.update


def declared() -> Set[str]:
    """The names of all settings."""
    return _declared.keys()


def default(name: str) -> Any:
    return _declared[name].default


@functools.cache  # a start asks twenty times, and Django takes a microsecond for each
def get(name: str) -> Any:
    """The setting ``name``, or its default; None for a text is none. Raises ``ImproperlyConfigured``."""
    setting = _declared[name]
    found = getattr(settings, name, setting.default)
    if found is None and setting.default == "":
        return ""
    if not setting.fits(found):
        raise ImproperlyConfigured(f"{name} must be {setting.words}.")
    return found


@receiver(setting_changed)
def _read_anew(**_: Any) -> None:
    get.cache_clear()


def _faults() -> list[str]:
    """What is of a wrong type."""
    found = []
    for name in _declared:
        try:
            get(name)
        except ImproperlyConfigured as error:
            found.append(str(error))
    return found


def register(*tags: str, **kwargs: Any) -> Callable[[_Check], _Check]:
    """Django's, for checks that read settings: they are silent while a setting is of a wrong type."""

    def registered(check: _Check) -> _Check:
        @functools.wraps(check)
        def waiting(**given: Any) -> Sequence[CheckMessage]:
            return [] if _faults() else check(**given)

        django_register(waiting, *tags, **kwargs)
        return check

    return registered


def nearest(name: str, known: Collection[str]) -> str:
    """The one of ``known`` for which ``name`` seems misspelled, "" if there is none."""
    return next(iter(difflib.get_close_matches(name.upper().replace("-", "_"), known, 1, ALIKE)), "")


@django_register()
def types(**_: Any) -> list[CheckMessage]:
    """Every setting must be of its type."""
    return [Error(text, id="sms.E012") for text in _faults()]


@django_register()
def names(**_: Any) -> list[CheckMessage]:
    """A setting whose name is not quite one of ours has no effect, and nobody would notice."""
    others = {name for name in dir(settings) if name.isupper() and name.startswith(OURS)} - declared()
    return [
        Warning(f"{name} is no setting of Otpost, and has no effect. Did you mean {near}?", id="sms.W008")
        for name in sorted(others)
        if (near := nearest(name, declared()))
    ]
