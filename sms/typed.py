"""What people type and paste, as it was meant. Standard library only; ``otp`` reads codes with it too."""

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

_ENDS = re.compile(rf"\A(?:\s|{INVISIBLE.pattern})+|(?:\s|{INVISIBLE.pattern})+\Z")

#: Full-width forms, as East Asian keyboards type them, to ASCII.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def trimmed(text: str) -> str:
    """``text`` without blanks and invisible characters at its ends."""
    return _ENDS.sub("", text)


def to_ascii(text: str) -> str:
    """``text`` with full-width forms and the digits of every script as ASCII.

    Unicode's own folding (NFKC) would make digits of superscripts and circled numbers too.
    """
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text.translate(_FULL_WIDTH)
    )


def separates(char: str) -> bool:
    """Whether ``char`` is a blank or a dash, as they stand between groups of digits."""
    return char.isspace() or char == "−" or unicodedata.category(char) == "Pd"
