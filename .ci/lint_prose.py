"""Lint the English of our pages, or of the files that are named.

A sentence has at most 35 words: a longer one is two sentences, or a list. A turn that only a translation has
is wrong anywhere, also in a table. Code, headings and the targets of links are left alone. ``readability``
measures all pages together.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import readability

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 35

#: What a translation sounds like.
TURNS = (
    *("as how many", "(?<!such )as (that|those) of", "of wh(ich|om) nobody", "would have died", "such a one"),
    *("belongs? to the (name|key)", "hangs? on (the|what)", "reckon(s|ed)? (with|from)", "for want of"),
    *("told as", "tells? of", "all the same", "so long the", "but for (the|what|ids)"),
)

_CODE = re.compile(r"^ *(```|~~~).*?^ *\1 *$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"\n\s*\n|\n(?= *(?:[-*+]|\d+\.|\|) )")
_END = re.compile(r"(?<=[.!?])[\"')\]]* +(?=[\"'(`\[A-Z0-9])")


def main() -> None:
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    docs = {*(ROOT / "docs").rglob("*.md")} - {
        ROOT / "docs/reference/python.md"
    }  # which is made of docstrings
    paths = [*map(Path, sys.argv[1:])] or [*pages, *sorted(docs)]
    if wrong := [f"{path}:{fault}" for path in paths for fault in faults(path.read_text())]:
        sys.exit("\n".join(wrong))
    print(f"prose: {len(paths)} pages are good")
    if not sys.argv[1:] and (wrong := readability.judge()):
        sys.exit("\n".join(wrong))


def faults(text: str) -> Iterator[str]:
    """Each with the line on which its paragraph begins."""
    text = _CODE.sub(lambda found: "\n" * found[0].count("\n"), text)
    begins = 0
    for found in [*_BLOCK.finditer(text), None]:
        block = text[begins : found.start() if found else None]
        line = text.count("\n", 0, begins + len(block) - len(block.lstrip())) + 1
        begins = found.end() if found else begins
        plain = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "`x`", block)).replace("*", "")
        if plain.lstrip().startswith("#"):
            continue
        for turn in re.finditer("|".join(rf"\b{turn}\b" for turn in TURNS), " ".join(plain.split())):
            yield f"{line}: no English: {turn[0]}"
        for sentence in () if plain.lstrip().startswith("|") else _END.split(" ".join(plain.split())):
            words = sum(any(map(str.isalnum, word)) for word in sentence.split())
            if words > LONGEST:
                yield f"{line}: {words} words: {sentence}"


if __name__ == "__main__":
    main()
