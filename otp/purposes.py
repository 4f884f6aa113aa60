"""What a code is for, and the rules that go with it, out of the setting ``OTP_PURPOSES``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from otp import conf
from otp.codes import DIGITS

#: A code is dead this many seconds after it was made, however often it was resent: NIST SP
#: 800-63B-4 §3.1.3.2 and OWASP ASVS 5.0, 6.5.5 allow 10 minutes.
MAX_LIFETIME = 600

#: Fewest possible codes. ASVS 5.0, 6.5.4 asks for 20 bits and counts six digits (19.93) as that.
MIN_CODES = 10**6

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
    # locale → text with {code}, {site}, {minutes}; "" is for every other locale
    text: Mapping[str, str] = field(default_factory=lambda: {"": TEXT})
    app_hash: str = ""  # of an Android app that reads the SMS itself (SMS Retriever): 11 characters
    new_code_on_resend: bool = False
    allow_weak: bool = False  # silences the checks for under 20 bits or over 600 s

    @property
    def codes(self) -> int:
        """How many different codes there are."""
        return int(len(self.alphabet) ** self.length)

    def render(self, code: str, *, lives: float, site: str, host: str, locale: str = "") -> str:
        """The text of the SMS for a code that ``lives`` so many seconds yet.

        Its last line binds the code to ``host``, so that a phone offers it there only
        (https://wicg.github.io/sms-one-time-codes/). An ``app_hash`` goes before it: Android looks for
        it anywhere (https://developers.google.com/identity/sms-retriever/verify).
        """
        language = locale.partition("-")[0]
        text = self.text.get(locale) or self.text.get(language) or self.text[""]
        minutes = max(math.ceil(lives / 60), 1)
        app = f"{self.app_hash}\n" if self.app_hash else ""
        return f"{text.format(code=code, site=site, minutes=minutes)}\n\n{app}@{host} #{code}"


def get(name: str) -> Purpose:
    """The purpose ``name``. Raises ``KeyError`` if there is none."""
    return all_purposes()[name]


def all_purposes() -> Mapping[str, Purpose]:
    """Every configured purpose by its name. Raises ``ImproperlyConfigured``."""
    global _made
    setting = conf.get("OTP_PURPOSES")
    source, purposes = _made
    if source is not setting:
        purposes = {name: _make(name, options) for name, options in setting.items()}
        _made = (setting, purposes)
    return purposes


#: The setting that the purposes were made from, and they; made anew when the setting is another.
_made: tuple[object, Mapping[str, Purpose]] = (None, {})


def _make(name: str, options: Mapping[str, Any]) -> Purpose:
    known = {f.name for f in fields(Purpose)} - {"name"}
    for option in options:
        if option not in known:
            raise ImproperlyConfigured(
                f"OTP_PURPOSES[{name!r}] has no option {option!r}. It has: {', '.join(sorted(known))}."
            )
    values = dict(options)
    if isinstance(values.get("text"), str):
        values["text"] = {"": values["text"]}
    if "text" in values:
        values["text"] = {"": TEXT} | values["text"]
    if isinstance(values.get("cooldown"), int):
        values["cooldown"] = (values["cooldown"],)
    if "cooldown" in values:
        values["cooldown"] = tuple(values["cooldown"])
    return Purpose(name=name, **values)
