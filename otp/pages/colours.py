"""A site's one colour, and what is made of it for the pages: in light and dark, each readable on the other.

Contrast is that of WCAG 2.2, 1.4.3: text has 4.5:1. No Django.
"""

from __future__ import annotations

import re

#: What text of the colour stands on (pages.css): the letter, in light and in dark.
LETTER, DARK_LETTER = "#fffefb", "#1b2320"

#: What stands on the colour itself.
_ON_IT, _ON_IT_IN_DARK = "#ffffff", "#121816"

#: Of text on the letter.
LEAST = 4.5


def is_colour(text: str) -> bool:
    return bool(re.fullmatch("#[0-9a-fA-F]{6}", text))


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def readable(colour: str) -> str:
    """``colour``, or the nearest darker one that can be read on the letter."""
    return _until(colour, "#000000", LETTER)


def stylesheet(colour: str) -> str:
    """The variables of pages.css that follow from ``colour``, which is ``readable``."""
    light = _variables(colour, "#000000", LETTER, _ON_IT, tint=0.88)
    bright = _until(colour, "#ffffff", DARK_LETTER)
    dark = _variables(bright, "#ffffff", DARK_LETTER, _ON_IT_IN_DARK, tint=0.86)
    return f":root {light}\n@media (prefers-color-scheme: dark) {{ :root {dark} }}\n"


def _variables(colour: str, towards: str, letter: str, on_it: str, *, tint: float) -> str:
    return (
        f"{{ --brand: {colour}; --brand-hover: {_mix(colour, towards, 0.2)}; --on-brand: {on_it}; "
        f"--tint: {_mix(colour, letter, tint)} }}"
    )


def _until(colour: str, towards: str, ground: str) -> str:
    """``colour``, mixed with as much of another as it takes to be read on ``ground``."""
    mixed = (_mix(colour, towards, percent / 100) for percent in range(101))
    return next(found for found in mixed if contrast(found, ground) >= LEAST)


def _mix(one: str, other: str, share: float) -> str:
    parts = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (part / 255 for part in _parts(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
