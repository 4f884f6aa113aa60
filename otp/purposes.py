"""Purposes of codes, and the rules of each, from the setting ``OTP_PURPOSES``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from otp import conf, languages, texts
from otp.codes import DIGITS
from otp.errors import NotAllowed
from sms import given
from sms.message import Channel

#: Seconds that a code may live, however often it is sent again. NIST SP 800-63B-4 §3.1.3.2 and OWASP ASVS
#: 5.0, 6.5.5 allow 10 minutes.
MAX_LIFETIME = 600

#: The fewest possible codes. ASVS 5.0, 6.5.4 requires 20 bits, and accepts six digits (19.93) as that.
MIN_CODES = 10**6

#: Characters of a code. A guess may have 64, with spaces and dashes. An HMAC has enough bits for 49.
MAX_LENGTH = 32

#: A language tag, or a locale as POSIX and Django write it. RFC 5646, 4.4.1 requires room for 35 characters.
_LOCALE = re.compile(r"(?!.{36})[a-z]{1,8}([-_][a-z0-9]{1,8})*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Purpose:
    """The rules for one kind of proof. Times are in seconds."""

    name: str
    length: int = 6
    lifetime: int = 120
    attempts: int = 3
    cooldown: tuple[int, ...] = (30, 60, 120)  # before the 2nd, 3rd, 4th … code; the last one repeats
    alphabet: str = DIGITS
    # Texts with {code}, {site} and {minutes}, by tags as languages.tag writes them; "" is the default.
    text: Mapping[str, str] = field(default_factory=dict)
    app_hash: str = ""  # of an Android app that reads the SMS itself (SMS Retriever): 11 characters
    # The channels, in order; () leaves them to SMS_ROUTES, but never uses e-mail.
    channels: tuple[Channel, ...] = ()
    # With ``channels``: seconds without a receipt until the next channel gets the code. The time is learned,
    # between these two.
    next_channel_after: tuple[float, float] = (15, 60)
    new_code_on_resend: bool = False
    reverse: bool = False  # the user may send the code to us instead, see otp.inbound
    allow_weak: bool = False  # silences the checks for under 20 bits or over 600 s

    @property
    def codes(self) -> int:
        """The number of possible codes."""
        return int(len(self.alphabet) ** self.length)

    def fits(self, code: str) -> bool:
        """Whether ``code``, as ``codes.normalise`` leaves it, could be one of its codes."""
        return len(code) == self.length and set(code) <= set(self.alphabet)

    @property
    def longest_life(self) -> int:
        """Seconds that a code may live, however often it is sent again."""
        return max(self.lifetime, MAX_LIFETIME)

    def life(self, following: int = 0) -> float:
        """Seconds that a code lives if it may move on to ``following`` channels by itself.

        It gets the time for all of them at the start, so that its end does not reveal whether it moved on.
        """
        return min(self.lifetime + following * self.next_channel_after[1], self.longest_life)

    @property
    def texts(self) -> Mapping[str, str]:
        """The purpose's own texts, and our defaults unless it has a default of its own.

        With an ``app_hash``, our only default is the English one, because the others are too long for Android
        (140 bytes).
        """
        if "" in self.text:
            return self.text
        ours = {"": texts.TEXTS[""]} if self.app_hash else texts.TEXTS
        return {**ours, **self.text}

    def render(
        self, code: str, *, lives: float, site: str, host: str, locale: str = "", country: str = ""
    ) -> str:
        """The text of the SMS for a code with ``lives`` seconds left.

        Its language is ``locale``, or the longest tag with which that begins (RFC 4647, 3.4). Without a
        locale, and without a text of the purpose's own, it is the language of ``country``.

        The last line binds the code to ``host``, so that phones only offer it there
        (https://wicg.github.io/sms-one-time-codes/). Without a ``host`` there is no such line: a wrong one
        would keep the code from the right site. An ``app_hash`` goes before that line, because Android
        finds it anywhere (https://developers.google.com/identity/sms-retriever/verify).
        """
        if not locale and "" not in self.text:
            locale = texts.LANGUAGES.get(country, "")
        known = self.texts
        text = known[languages.lookup(locale, known)].format(
            code=code, site=site, minutes=max(math.ceil(lives / 60), 1)
        )
        last = [self.app_hash, f"@{host} #{code}" if host else ""]
        return "\n\n".join(filter(None, [text, "\n".join(filter(None, last))]))


def get(name: object) -> Purpose:
    """The purpose ``name``. Raises ``KeyError`` if there is none."""
    return all_purposes()[given.text(name) or ""]


def required(name: object) -> Purpose:
    """The purpose ``name``. Raises ``NotAllowed`` (``purpose_unknown``) if there is none."""
    try:
        return get(name)
    except KeyError:
        known = ", ".join(sorted(all_purposes()))
        raise NotAllowed(
            f"There is no such purpose. Use one of: {known}.", code="purpose_unknown", field="purpose"
        ) from None


@conf.cached
def all_purposes() -> Mapping[str, Purpose]:
    """Every configured purpose by its name. Raises ``ImproperlyConfigured``."""
    setting = conf.get("OTP_PURPOSES") or {}
    if not isinstance(setting, Mapping):
        raise ImproperlyConfigured(f"OTP_PURPOSES must be a dict such as {_EXAMPLE}.")
    return {name: _make(name, options) for name, options in setting.items()}


_EXAMPLE = '{"login": {}, "payment": {"length": 8}}'

_TYPES = {
    "alphabet": (str, "a text"),
    "app_hash": (str, "a text"),
    "new_code_on_resend": (bool, "True or False"),
    "reverse": (bool, "True or False"),
    "allow_weak": (bool, "True or False"),
}


def _make(name: Any, options: Any) -> Purpose:
    if not isinstance(name, str) or not isinstance(options, Mapping):
        raise ImproperlyConfigured(
            f"OTP_PURPOSES[{name!r}] must be a purpose and a dict of its options, such as {_EXAMPLE}."
        )
    if "|" in name:  # the tally uses it as a separator
        raise ImproperlyConfigured(f"OTP_PURPOSES[{name!r}]: the name of a purpose must not hold |.")
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
        values["text"] = _texts(name, values["text"])
    if "channels" in values:
        values["channels"] = _channels(name, values["channels"])
    if "next_channel_after" in values:
        values["next_channel_after"] = _bounds(name, values["next_channel_after"])
    if "cooldown" in values:
        several = isinstance(values["cooldown"], list | tuple)
        values["cooldown"] = tuple(values["cooldown"]) if several else (values["cooldown"],)
    return Purpose(name=name, **values)


def _channels(name: str, given: Any) -> tuple[Channel, ...]:
    known = [channel.value for channel in Channel]
    if isinstance(given, str) or not isinstance(given, Sequence) or not set(given) <= set(known):
        raise ImproperlyConfigured(
            f"OTP_PURPOSES[{name!r}]: channels must be a list of {', '.join(known)}, in the order in which "
            'they are tried, such as ["whatsapp", "sms", "voice"].'
        )
    if len(set(given)) < len(given):
        raise ImproperlyConfigured(f"OTP_PURPOSES[{name!r}]: channels names one twice. Name each once.")
    return tuple(map(Channel, given))


#: Seconds. Receipts take a while, and a code with less than half its life left is not sent again.
_SHORTEST_WAIT, _LONGEST_WAIT = 5, 300


def _bounds(name: str, given: Any) -> tuple[float, float]:
    good = isinstance(given, list | tuple) and len(given) == 2 and all(type(n) in (int, float) for n in given)
    if not good or not _SHORTEST_WAIT <= given[0] <= given[1] <= _LONGEST_WAIT:
        raise ImproperlyConfigured(
            f"OTP_PURPOSES[{name!r}]: next_channel_after must be two numbers of seconds, the least and the "
            f"most, from {_SHORTEST_WAIT} to {_LONGEST_WAIT}, such as [15, 60]."
        )
    return given[0], given[1]


def _texts(name: str, text: Any) -> dict[str, str]:
    given = {"": text} if isinstance(text, str) else text
    if not isinstance(given, Mapping) or not all(
        isinstance(part, str) for pair in given.items() for part in pair
    ):
        raise ImproperlyConfigured(
            f"OTP_PURPOSES[{name!r}]: text must be a text, or a dict of locales and their texts, such as "
            '{"": "{code} …", "de": "{code} …"}.'
        )
    written: dict[str, str] = {}  # by tag
    for locale in given:
        if locale and not _LOCALE.fullmatch(locale):
            fault = f"has {locale!r}, which is not a locale; write one such as de, pt-BR or zh-Hant"
        elif (other := written.setdefault(languages.tag(locale), locale)) != locale:
            fault = f"names {other!r} and {locale!r}, which are the same locale; drop one"
        else:
            continue
        raise ImproperlyConfigured(f"OTP_PURPOSES[{name!r}]: text {fault}.")
    return {languages.tag(locale): re.sub(r"\r\n?", "\n", text) for locale, text in given.items()}
