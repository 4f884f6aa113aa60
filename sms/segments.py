"""The billable segments of a text, and how many it has: GSM 03.38 (7 bits) or UCS-2. No Django."""

from __future__ import annotations

#: GSM 03.38, basic table. What is not here or in the extension makes the whole text UCS-2.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # an escape and a character: two places each

GSM_7 = _BASIC | _EXTENSION


def split(text: str) -> list[str]:
    """The parts of ``text``: 160 places of GSM-7 in one, 153 in each of several; UCS-2: 70 and 67.

    A character of two places, an escape sequence or a surrogate pair, is not divided between two parts:
    where one place is left it begins the next part.
    """
    gsm = GSM_7.issuperset(text)
    one, several = (160, 153) if gsm else (70, 67)
    wide = [char in _EXTENSION for char in text] if gsm else [char > "\uffff" for char in text]
    if len(text) + sum(wide) <= one:
        return [text]
    parts, left, begun = [], several, 0
    for place, is_wide in enumerate(wide):
        if 1 + is_wide > left:
            parts.append(text[begun:place])
            left, begun = several, place
        left -= 1 + is_wide
    return [*parts, text[begun:]]


def count(text: str) -> int:
    """How many parts ``text`` has; see ``split``."""
    return len(split(text))
