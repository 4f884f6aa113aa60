"""How hard our pages are to read: the words of a sentence, and Flesch's reading ease of the README.

Code, headings, tables and pictures are left out. A syllable is a run of vowels, except a silent ending.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent

#: The most words of a median sentence: of all pages together, and of each page with at least MANY sentences.
MEDIAN, MANY = 16, 20
#: Flesch: 60 to 70 is plain English, 30 to 50 a scholar's.
EASE = 55

_LEFT_OUT = re.compile(r"^ *(```|~~~).*?^ *\1 *$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"\n\s*\n|\n(?= *(?:[-*+]|\d+\.|\|) )")
_MARK = re.compile(r"\A\s*(?:[-*+]|\d+\.)\s+")
_END = re.compile(r"(?<=[.!?])[\"')\]]* +(?=[\"'(`\[A-Z0-9])")
_SILENT = re.compile(r"(?<=[^laeiouy])es$|(?<=[^aeiouytd])ed$|(?<=[^aeiouyl])e$")

Sentence = Sequence[str]


def judge(root: Path = ROOT) -> list[str]:
    """Print what was measured. Returns what misses a bar."""
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    found = {str(page.relative_to(root)): list(sentences(page.read_text())) for page in pages}
    every = [sentence for page in found.values() for sentence in page]
    middle, ease = median(map(len, every)), reading_ease(found["README.md"])
    print(f"prose: a sentence of README and docs has {middle:g} words (median; at most {MEDIAN})")
    print(f"prose: the README has a reading ease of {ease:.0f} (Flesch; at least {EASE})")
    medians = {name: median(map(len, page)) for name, page in found.items() if len(page) >= MANY}
    long = {"README and docs": middle} | medians
    wrong = [f"{name}: {words:g} words (median)" for name, words in long.items() if words > MEDIAN]
    return wrong + ([f"README.md: a reading ease of {ease:.0f}"] if ease < EASE else [])


def sentences(markdown: str) -> Iterator[Sentence]:
    """The words of each sentence. A code span is one word."""
    for block in _BLOCK.split(_LEFT_OUT.sub("\n\n", markdown)):
        if not block.strip() or block.lstrip().startswith(("#", "|", "![")):
            continue
        plain = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "`x`", _MARK.sub("", block, count=1)))
        for sentence in _END.split(" ".join(plain.replace("*", "").split())):
            if words := [word for word in sentence.split() if any(map(str.isalnum, word))]:
                yield words


def reading_ease(found: Sequence[Sentence]) -> float:
    """By Flesch: the higher, the easier. Code is not counted, as nobody speaks it."""
    spoken = [[word for word in words if "`" not in word] for words in found]
    words = sum(map(len, spoken))
    syllables = sum(_syllables(word) for sentence in spoken for word in sentence)
    return 206.835 - 1.015 * words / len(found) - 84.6 * syllables / words


def _syllables(word: str) -> int:
    letters = re.sub("[^a-z]", "", word.lower())
    return max(1, len(re.findall("[aeiouy]+", _SILENT.sub("", letters) if len(letters) > 3 else letters)))
