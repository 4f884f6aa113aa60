"""Typed and pasted texts, as they were meant. Standard library only; ``otp`` reads codes with it too."""

from __future__ import annotations

import re
import unicodedata

#: Characters that nothing shows (Default_Ignorable_Code_Point), all controls of writing direction among
#: them. Contacts, messengers and PDFs leave them in what is copied. Python does not have this property:
#: https://www.unicode.org/Public/17.0.0/ucd/DerivedCoreProperties.txt
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class _ToAscii(dict[int, str | int]):
    """For ``str.translate``. Unicode's own folding (NFKC) also makes digits of superscripts and the like."""

    def __missing__(self, point: int) -> str | int:
        if chr(point).isdecimal():
            return str(unicodedata.decimal(chr(point)))
        return point - 0xFEE0 if 0xFF01 <= point < 0xFF5F else point


#: The digits of every script, and full-width forms, as East Asian keyboards type them, to ASCII.
TO_ASCII = _ToAscii()


def separates(char: str) -> bool:
    """Whether ``char`` is a blank or a dash, as they stand between groups of digits."""
    return char.isspace() or char == "−" or unicodedata.category(char) == "Pd"
