"""Reverse verification: the page shows the code, and the user sends it to us. We send nothing and pay
nothing.

A purpose enables it by ``reverse``. ``OTP_REVERSE`` names the aliases that vouch for the number of a sender,
and our numbers at which they receive. docs/attacks.md explains the risks.

The text that the user must send names the site, so that nobody proves a number by sending bare digits to a
stranger. We require that name in what arrives. The code is the first other word that has the form of a code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, takewhile
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured

from otp import codes, conf, languages, texts
from otp.errors import NotAllowed
from otp.purposes import Purpose
from sms import services as sms

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The SMS that a user must send. Only the caller who started the verification may see it."""

    send_to: str  # E.164
    text: str = field(repr=False)

    @property
    def link(self) -> str:
        """A link that opens the SMS on a phone.

        ``?&``, because Android needs ``?`` before ``body``, and iOS ``&``.
        """
        return f"sms:{self.send_to}?&body={quote(self.text)}"


@conf.cached
def numbers() -> Mapping[str, tuple[str, ...]]:
    """Our numbers, by the alias that receives their messages. Raises ``ImproperlyConfigured``."""
    found = {}
    for alias, text in conf.get("OTP_REVERSE").items():
        known = sms.receivers()
        if alias not in known:
            those = f"Write one of: {', '.join(known)}." if known else "No alias does so."
            raise ImproperlyConfigured(
                f"OTP_REVERSE: {alias} is no alias of SMS_PROVIDERS that hands over the SMS of users. {those}"
            )
        found[alias] = tuple(number.strip() for number in text.split("|"))
        for number in found[alias]:
            if not _E164.fullmatch(number):
                raise ImproperlyConfigured(
                    f"OTP_REVERSE: {alias} has {number!r}; write a number of yours with + and the country "
                    "code, as +12025550100, and | between several."
                )
    return found


def has_name() -> bool:
    """Whether a text can name our site. A name without a letter would be bare digits, like the code."""
    return any(char.isalpha() for char in str(conf.get("OTP_SITE_NAME")))


def is_open(rules: Purpose) -> bool:
    """Whether the users of a purpose may send the code to us."""
    return rules.reverse and bool(numbers()) and has_name()


def require(rules: Purpose, **others: object) -> None:
    """Raise ``NotAllowed`` unless the purpose allows this. ``others``: arguments that it excludes."""
    if not is_open(rules):
        raise NotAllowed(
            "The users of this purpose cannot send the code to us. Leave reverse out.",
            code="reverse_not_allowed",
            field="reverse",
        )
    if given := [name for name, value in others.items() if value]:
        raise NotAllowed(
            f"With reverse nothing is sent, so leave {' and '.join(given)} out.",
            code="reverse_not_allowed",
            field=given[0],
        )


def wanted(code: str, e164: str, locale: str = "") -> Wanted:
    """The SMS for a user to send. It goes to the number of ours that begins most like the user's.

    ``locale``: picks the language.
    """
    ours = [number for several in numbers().values() for number in several]
    nearest = max(ours, key=lambda number: _alike(number, e164))
    text = texts.REVERSE[languages.lookup(locale, texts.REVERSE)]
    return Wanted(nearest, text.format(code=code, site=conf.get("OTP_SITE_NAME")))


def code_in(text: str, rules: Purpose) -> str:
    """The code in the text of a user; "" if the text does not name the site, or holds no code."""
    site, words = _words(str(conf.get("OTP_SITE_NAME"))), _words(text)
    if not has_name() or not set(site) <= set(words):
        return ""
    found = chain((word for word in words if word not in site), _joined(words, rules.length))
    return next(filter(rules.fits, found), "")


def _alike(number: str, other: str) -> int:
    """The length of their common beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(number, other, strict=False)))


def _joined(words: Sequence[str], length: int) -> Iterator[str]:
    """Neighbouring groups of digits as one: ``483 920``."""
    for start in range(len(words)):
        for end in range(start + 2, min(start + length, len(words)) + 1):
            if (joined := "".join(words[start:end])).isdecimal():
                yield joined


def _words(text: str) -> list[str]:
    return [codes.normalise(word) for word in re.findall(r"\w+", unicodedata.normalize("NFKC", text))]
