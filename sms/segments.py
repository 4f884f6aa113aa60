"""How many parts a text is sent and paid as: GSM 03.38 (7 bits) or UCS-2. No Django."""

from __future__ import annotations

#: GSM 03.38, basic table. What is not here or in the extension makes the whole text UCS-2.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # an escape and a character: two places each

GSM_7 = _BASIC | _EXTENSION


def count(text: str) -> int:
    """The parts of ``text``: 160 places of GSM-7 in one, 153 in each of several; UCS-2: 70 and 67."""
    if GSM_7.issuperset(text):
        places, one, several = sum(2 if char in _EXTENSION else 1 for char in text), 160, 153
    else:
        places, one, several = len(text.encode("utf-16-le", errors="surrogatepass")) // 2, 70, 67
    return 1 if places <= one else -(-places // several)
