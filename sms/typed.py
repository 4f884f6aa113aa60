"""Read typed and pasted texts as they were meant. Standard library only; ``otp`` reads codes with it too."""

from __future__ import annotations

import re
import unicodedata

#: Characters that are not displayed (Default_Ignorable_Code_Point), such as all controls of writing
#: direction. Text copied from contacts, messengers and PDFs may hold them. Python lacks this property:
#: https://www.unicode.org/Public/17.0.0/ucd/DerivedCoreProperties.txt
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class _ToAscii(dict[int, str | int]):
    """For ``str.translate``. Unicode's own folding (NFKC) would also turn superscripts and the like into
    digits.
    """

    def __missing__(self, point: int) -> str | int:
        if chr(point).isdecimal():
            return str(unicodedata.decimal(chr(point)))
        return point - 0xFEE0 if 0xFF01 <= point < 0xFF5F else point


#: Turns the digits of every script, and the full-width forms of East Asian keyboards, into ASCII.
TO_ASCII = _ToAscii()


def separates(char: str) -> bool:
    """Whether ``char`` is a blank or a dash, such as may stand between groups of digits."""
    return char.isspace() or char == "−" or unicodedata.category(char) == "Pd"
