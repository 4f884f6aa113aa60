"""Read variables from the environment, or from ``.env``, and refuse malformed ones by name."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import sys
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

from sms import conf
from sms.typed import INVISIBLE

N = TypeVar("N", int, float)

#: Required secrets.
SECRETS = ("SECRET_KEY", "PHONE_SECRET_KEY", "SMS_SEAL_KEYS")

_TRUE, _FALSE = {"true", "yes", "on", "y", "ok", "1"}, {"false", "no", "off", "n", "0", ""}
_LINE = re.compile(r"(?:export )?[A-Za-z_0-9]+=.*")

#: The ``.env`` file. Variables of the environment win.
FILE = Path(__file__).resolve().parent.parent / ".env"


def is_debug() -> bool:
    """``DEBUG``, for code that runs before the settings. Off if it is malformed, which they will refuse."""
    with suppress(ImproperlyConfigured):
        read_file(FILE)
        return Environment().flag("DEBUG")
    return False


class Environment:
    """Reads variables, remembers which ones were read, and never repeats a value in an error.

    ``$NAME`` is not expanded but refused: usually some other tool should have filled it in.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()

    def text(self, name: str, unset: str = "") -> str:
        return self._value(name, unset).strip()

    def setting(self, name: str) -> Any:
        """The text; if it is empty, the default of the setting with that name."""
        return self.text(name) or conf.default(name)

    def secret(self, name: str) -> str:
        value = self._value(name)
        if len(value) >= 32 and len(set(value)) >= 8:
            return value
        if sys.argv[1:2] == ["api_key"]:
            return secrets.token_urlsafe(48)  # `manage.py api_key` works before the secrets exist
        # If some secrets are set, make only this one. A new set in .env would replace the others, too.
        which, made = (f" {name}", "one") if any(map(os.environ.get, SECRETS)) else ("", "a new set")
        raise ImproperlyConfigured(
            f"{name} is {'too weak' if value else 'missing'}: it must be random and have at least 32 "
            f"characters. `python manage.py secrets{which} >> .env` writes {made}."
        )

    def flag(self, name: str) -> bool:
        word = self.text(name).lower()
        if word not in _TRUE | _FALSE:
            raise ImproperlyConfigured(f"{name} must be true or false.")
        return word in _TRUE

    def number(self, name: str, default: N, least: float = 0) -> N:
        """A number of the type of ``default``, which is also used if the variable is empty."""
        text = self.text(name)
        with suppress(ValueError):
            value = type(default)(text or default)
            if least <= value < 10**9:
                return value
        kind = "a whole number" if type(default) is int else "a number"
        raise ImproperlyConfigured(f"{name} must be {kind}, {least:g} or more, such as {default:g}.")

    def list(self, name: str, pattern: str = ".*", like: str = "") -> list[str]:
        """The parts between commas. Each must match ``pattern``, which ``like`` describes."""
        parts = [part.strip() for part in self.text(name).split(",") if part.strip()]
        if not all(re.fullmatch(pattern, part, re.DOTALL) for part in parts):
            raise ImproperlyConfigured(f"{name} must hold {like}.")
        return parts

    def entries(self, name: str, example: str, key: str, sign: str = "=") -> dict[str, str]:
        """``key=value,key=value`` as a dict. ``key``: the pattern of keys. ``sign``: in place of =."""
        found: dict[str, str] = {}
        for entry in self.list(name):
            word, separator, value = entry.partition(sign)
            if not separator or not re.fullmatch(key, word):
                raise ImproperlyConfigured(
                    f"{name} must look like {example}, separated by commas. Write a comma inside as %2C."
                )
            if word in found:
                raise ImproperlyConfigured(f"{name} names {word} twice.")
            found[word] = value
        return found

    def json(self, name: str, default: dict[str, Any]) -> dict[str, Any]:
        """A JSON object; ``default`` if the variable is empty."""
        text = self.text(name)
        try:
            found = json.loads(text) if text else default
        except ValueError as error:
            at = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            raise ImproperlyConfigured(f"{name} is not valid JSON{at}.") from None
        if not isinstance(found, dict):
            raise ImproperlyConfigured(f'{name} must be a JSON object, such as {{"login": {{}}}}.')
        return found

    def _value(self, name: str, unset: str = "") -> str:
        self.names.add(name)
        value = os.environ.get(name, unset)
        kinds = {unicodedata.category(char) for char in value if not char.isspace()}
        if value.startswith("$"):
            fix = "Write the value itself, or a secret without $."
            raise ImproperlyConfigured(f"{name} begins with $, but variables are not expanded here. {fix}")
        if "Cs" in kinds:
            raise ImproperlyConfigured(f"{name} is not UTF-8. Type it again.")
        if "Cc" in kinds:
            raise ImproperlyConfigured(f"{name} holds a control character. Type it again.")
        # The site's name may have joiners, for some scripts and emoji.
        if name != "OTP_SITE_NAME" and (found := INVISIBLE.search(value)):
            what = f"an invisible character (U+{ord(found[0]):04X})"
            raise ImproperlyConfigured(f"{name} holds {what}. Type it again.")
        return value


def read_file(path: Path) -> None:
    """Read a ``.env`` into the environment, whose own variables win.

    It is fine if the file is missing, or if only a supervisor can read it, which then sets the variables.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError:
        return
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{path.name} is not UTF-8. Save it as UTF-8.") from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#") and not _LINE.fullmatch(line):
            raise ImproperlyConfigured(
                f"{path.name}, line {number}: write NAME=value without spaces around the =, or a # in front."
            )
    environ.Env.read_env(io.StringIO("\n".join(filter(_LINE.fullmatch, lines))))
