"""What a code is for, and the rules that go with it, out of the setting ``OTP_PURPOSES``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from otp import conf
from otp.codes import DIGITS
from sms import given

#: Seconds that a code may live, however often it is sent again: NIST SP 800-63B-4 §3.1.3.2 and OWASP ASVS
#: 5.0, 6.5.5 allow 10 minutes.
MAX_LIFETIME = 600

#: Fewest possible codes. ASVS 5.0, 6.5.4 asks for 20 bits and counts six digits (19.93) as that.
MIN_CODES = 10**6

#: Characters of a code. Of a guess 64 are read, blanks and dashes included; 256 random bits make 49.
MAX_LENGTH = 32

#: A language tag, or a locale as POSIX and Django write them. RFC 5646, 4.4.1 asks to bear 35 characters.
_LOCALE = re.compile(r"(?!.{36})[a-z]{1,8}([-_][a-z0-9]{1,8})*", re.ASCII | re.IGNORECASE)

TEXT = "{code} is your {site} code. It expires in {minutes} min. Do not share it."


@dataclass(frozen=True, slots=True)
class Purpose:
    """The rules for one kind of proof. Times are in seconds."""

    name: str
    length: int = 6
    lifetime: int = 120
    attempts: int = 3
    cooldown: tuple[int, ...] = (30, 60, 120)  # before the 2nd, 3rd, 4th … code; the last one stays
    alphabet: str = DIGITS
    # language tag, as _tag writes it → text with {code}, {site}, {minutes}; "": for every other
    text: Mapping[str, str] = field(default_factory=lambda: {"": TEXT})
    app_hash: str = ""  # of an Android app that reads the SMS itself (SMS Retriever): 11 characters
    new_code_on_resend: bool = False
    allow_weak: bool = False  # silences the checks for under 20 bits or over 600 s

    @property
    def codes(self) -> int:
        """How many different codes there are."""
        return int(len(self.alphabet) ** self.length)

    @property
    def longest_life(self) -> int:
        """Seconds that a code may live, however often it is sent again."""
        return max(self.lifetime, MAX_LIFETIME)

    def render(self, code: str, *, lives: float, site: str, host: str, locale: str = "") -> str:
        """The text of the SMS for a code that ``lives`` so many seconds yet.

        It is that of ``locale``, or of the longest tag that ``locale`` begins with (RFC 4647, 3.4). The last
        line binds the code to ``host``, so that a phone offers it there only
        (https://wicg.github.io/sms-one-time-codes/). An ``app_hash`` goes before it: Android looks for
        it anywhere (https://developers.google.com/identity/sms-retriever/verify).
        """
        tag = _tag(locale)
        while tag and tag not in self.text:
            tag = re.sub("-.$", "", tag.rpartition("-")[0])  # a single letter only introduces what follows
        text = self.text[tag].format(code=code, site=site, minutes=max(math.ceil(lives / 60), 1))
        app = f"{self.app_hash}\n" if self.app_hash else ""
        return f"{text}\n\n{app}@{host} #{code}"


def _tag(locale: str) -> str:
    """A language tag as it is compared: ``pt_BR`` and ``PT-br`` are ``pt-br``."""
    return locale.replace("_", "-").lower()


def get(name: object) -> Purpose:
    """The purpose ``name``. Raises ``KeyError`` if there is none."""
    return all_purposes()[given.text(name) or ""]


@conf.cached
def all_purposes() -> Mapping[str, Purpose]:
    """Every configured purpose by its name. Raises ``ImproperlyConfigured``."""
    setting = conf.get("OTP_PURPOSES") or {}
    if not isinstance(setting, Mapping):
        raise ImproperlyConfigured(f"OTP_PURPOSES is a dict such as {_EXAMPLE}.")
    return {name: _make(name, options) for name, options in setting.items()}


_EXAMPLE = '{"login": {}, "payment": {"length": 8}}'

_TYPES = {
    "alphabet": (str, "a text"),
    "app_hash": (str, "a text"),
    "new_code_on_resend": (bool, "True or False"),
    "allow_weak": (bool, "True or False"),
}


def _make(name: Any, options: Any) -> Purpose:
    if not isinstance(name, str) or not isinstance(options, Mapping):
        raise ImproperlyConfigured(
            f"OTP_PURPOSES[{name!r}] must be the name of a purpose and a dict of its options, as {_EXAMPLE}."
        )
    known = {f.name for f in fields(Purpose)} - {"name"}
    for option, value in options.items():
        if option not in known:
            raise ImproperlyConfigured(
                f"OTP_PURPOSES[{name!r}] has no option {option!r}. It has: {', '.join(sorted(known))}."
            )
        kind, words = _TYPES.get(option, (object, ""))
        if not isinstance(value, kind):
            raise ImproperlyConfigured(f"OTP_PURPOSES[{name!r}]: {option} must be {words}.")
    values = dict(options)
    if "text" in values:
        values["text"] = {"": TEXT} | _texts(name, values["text"])
    if "cooldown" in values:
        several = isinstance(values["cooldown"], list | tuple)
        values["cooldown"] = tuple(values["cooldown"]) if several else (values["cooldown"],)
    return Purpose(name=name, **values)


def _texts(name: str, text: Any) -> dict[str, str]:
    texts = {"": text} if isinstance(text, str) else text
    if not isinstance(texts, Mapping) or not all(
        isinstance(part, str) for pair in texts.items() for part in pair
    ):
        raise ImproperlyConfigured(
            f"OTP_PURPOSES[{name!r}]: text must be a text, or a dict of locales and their texts, as "
            '{"": "{code} …", "de": "{code} …"}.'
        )
    written: dict[str, str] = {}  # by tag
    for locale in texts:
        if locale and not _LOCALE.fullmatch(locale):
            fault = f"has {locale!r}, which is no locale; write one as de, pt-BR or zh-Hant"
        elif (other := written.setdefault(_tag(locale), locale)) != locale:
            fault = f"names {other!r} and {locale!r}, which are one locale; drop one"
        else:
            continue
        raise ImproperlyConfigured(f"OTP_PURPOSES[{name!r}]: text {fault}.")
    return {_tag(locale): re.sub(r"\r\n?", "\n", text) for locale, text in texts.items()}
