"""The environment, or ``.env``, as ``config.settings`` reads it; what cannot be right is refused by name."""

from __future__ import annotations

import io
import os
import re
import unicodedata
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from sms.typed import INVISIBLE

_TRUE, _FALSE = {"true", "yes", "on", "y", "ok", "1"}, {"false", "no", "off", "n", "0"}

_LINE = re.compile(r"(?:export )?[A-Za-z_0-9]+=.*")


class Environment(environ.Env):
    """``environ.Env`` that says what is wrong, never repeats a value, and remembers what was asked for.

    ``$NAME`` is not looked up as another variable: whoever writes it had something filled in that was not,
    or has a secret that begins so.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        self.names.add(var)
        if fault := _fault(var, os.environ.get(var, "")):
            raise ImproperlyConfigured(f"{var} {fault}")
        return super().get_value(var, *args, **kwargs)

    def bool(self, var: str, default: Any = False) -> bool:
        word = self.str(var, default="").strip().lower()
        if word in _TRUE | _FALSE:
            return word in _TRUE
        if word:
            raise ImproperlyConfigured(f"{var} must be true or false.")
        return bool(default)


def read_file(path: Path) -> None:
    """Read a ``.env`` into the environment, whose own variables come first.

    There may be none, or one that only the supervisor can read, which hands over what stands in it.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError:
        return
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{path.name} is not UTF-8. Save it as such.") from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#") and not _LINE.fullmatch(line):
            raise ImproperlyConfigured(
                f"{path.name}, line {number}: write NAME=value without blanks around the =, or a # in front."
            )
    environ.Env.read_env(io.StringIO("\n".join(filter(_LINE.fullmatch, lines))))


def _fault(name: str, value: str) -> str:
    if value.startswith("$"):
        return "begins with $, and nothing is filled in here. Write the value itself, or a secret without $."
    if any(unicodedata.category(char) == "Cs" for char in value):
        return "is not UTF-8. Type it anew."
    if any(unicodedata.category(char) == "Cc" and not char.isspace() for char in value):
        return "holds a control character. Type it anew."
    # The name that SMS show may have joined letters and emoji.
    if name != "OTP_SITE_NAME" and (found := INVISIBLE.search(value)):
        return f"holds an invisible character (U+{ord(found[0]):04X}). Type it anew."
    return ""
