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
from django.utils.functional import Promise

_Check = TypeVar("_Check", bound=Callable[..., Sequence[CheckMessage]])
_Types = type[Any] | tuple[type[Any], ...]

#: How alike two names are of which one is taken for the other misspelled, from 0 to 1.
ALIKE = 0.85

#: What begins so is meant for us.
OURS = ("SMS_", "OTP_", "OTPOST_", "GUARD_", "PHONE_", "TEST_NUMBER", "MESSAGE_RECORD", "MESSAGE_LIFE")


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of a setting, of what it holds, and an example in words."""

    whole: _Types
    words: str
    parts: _Types = object

    def fits(self, value: Any) -> bool:
        if not isinstance(value, self.whole) or isinstance(value, bool):
            return False
        if isinstance(value, str | Promise):
            return True
        return all(
            isinstance(part, self.parts) for part in (value.values() if isinstance(value, Mapping) else value)
        )


TEXT = Shape((str, Promise), "a text")

_defaults: dict[str, Any] = {}
_shapes: dict[str, Shape] = {}


def add(defaults: Mapping[str, Any], shapes: Mapping[str, Shape]) -> None:
    """Declare the settings of a package. What has no shape is judged where it is read."""
    _defaults.update(defaults)
    _shapes.update(shapes)


def declared() -> Set[str]:
    """The names of all settings."""
    return _defaults.keys()


def get(name: str) -> Any:
    """The setting ``name``, or its default; None for a text is none. Raises ``ImproperlyConfigured``."""
    found = getattr(settings, name, _defaults[name])
    shape = _shapes.get(name)
    if shape is None:
        return found
    if found is None and _defaults[name] == "":
        return ""
    if not shape.fits(found):
        raise ImproperlyConfigured(f"{name} must be {shape.words}.")
    return found


def faults() -> list[str]:
    """What is of a wrong type."""
    found = []
    for name in _shapes:
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
