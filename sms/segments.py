"""The billable segments of a text and their number, in GSM 03.38 (7 bits) or UCS-2. Uses no Django."""

from __future__ import annotations

#: GSM 03.38, basic table. Any character outside it and the extension makes the whole text UCS-2.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # an escape and a character: two places each

GSM_7 = _BASIC | _EXTENSION


def split(text: str) -> list[str]:
    """The parts of ``text``. In GSM-7, a single part has 160 places, and each of several has 153. In UCS-2
    they have 70 and 67.

    Some characters take two places: an escape sequence or a surrogate pair. They are not divided between two
    parts. If only one place is left, such a character begins the next part.
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
