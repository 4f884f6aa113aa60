"""Language tags: find the best of our languages. No settings."""

from __future__ import annotations

import re
from collections.abc import Container

#: Tags of Chinese in traditional characters, by script or by region.
_TRADITIONAL = re.compile(r"zh(-(hant|tw|hk|mo)\b|-.*-(tw|hk|mo)\b)")


def tag(locale: str) -> str:
    """A language tag in the form for comparison: ``pt_BR`` and ``PT-br`` become ``pt-br``."""
    return locale.replace("_", "-").lower()


def lookup(locale: str, known: Container[str]) -> str:
    """The longest tag in ``known`` that ``locale`` begins with (RFC 4647, 3.4), "" for none.

    Chinese without a script goes by its region: ``zh-TW`` becomes ``zh-hant``, others ``zh-hans``.
    """
    asked = tag(locale)
    found = _truncated(asked, known)
    if not found and re.match(r"zh\b", asked):
        traditional = _TRADITIONAL.match(asked) and not asked.startswith("zh-hans")
        found = _truncated("zh-hant" if traditional else "zh-hans", known)
    return found


def region(locale: str) -> str:
    """The country (ISO 3166) that a language tag names, "" for none: ``AT`` of ``de-AT``."""
    found = re.match(r"[a-z]{2,3}(?:-[a-z]{4})?-([a-z]{2})(?![a-z0-9])", tag(locale))
    return found[1].upper() if found else ""


def _truncated(asked: str, known: Container[str]) -> str:
    while asked and asked not in known:
        asked = re.sub("-.$", "", asked.rpartition("-")[0])  # a single letter only introduces what follows
    return asked
