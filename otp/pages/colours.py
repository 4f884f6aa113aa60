"""Derive readable colours for the pages, light and dark, from the one colour of a site.

Contrast follows WCAG 2.2, 1.4.3: 4.5:1 for text. No Django.
"""

from __future__ import annotations

import re

#: The background of text in the site's colour (pages.css): the letter, in light and in dark.
LETTER, DARK_LETTER = "#fffefb", "#1b2320"

#: Text on the site's colour itself.
_ON_IT, _ON_IT_IN_DARK = "#ffffff", "#121816"

#: The least contrast of text.
LEAST = 4.5


def is_colour(text: str) -> bool:
    return bool(re.fullmatch("#[0-9a-fA-F]{6}", text))


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def readable(colour: str) -> str:
    """``colour``, or the nearest darker one that is readable on the letter."""
    return _until(colour, "#000000", LETTER)


def stylesheet(colour: str) -> str:
    """The variables of pages.css that follow from ``colour``, which must be ``readable``."""
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
    """``colour``, mixed with another just enough to be readable on ``ground``."""
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
