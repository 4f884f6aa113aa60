"""Shared by the pages: words of their TOML files, tables, sentences."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

from tests.starts import ROOT

FOLDER = ROOT / "docs" / "reference"


def words(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def same(page: str, told: Iterable[str], there: Iterable[str]) -> None:
    """Raises if the TOML file of ``page`` lacks something that is there, or has what is not."""
    lacking, void = set(there) - set(told), set(told) - set(there)
    if lacking or void:
        raise ValueError(f"{page}.toml lacks {sorted(lacking)}, and has {sorted(void)}, which is nowhere.")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A bar within a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


def paragraph(text: str) -> str:
    """In one paragraph of our width, with code as Markdown has it."""
    plain = " ".join(text.split()).replace("``", "`")
    return textwrap.fill(plain, 125, break_long_words=False, break_on_hyphens=False)


def prose(text: str) -> str:
    """Paragraphs, each of our width."""
    return "\n\n".join(map(paragraph, text.strip().split("\n\n")))


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = " ".join(text.split())
    return re.sub(r"^[a-z]", lambda first: first[0].upper(), text).rstrip(".") + "."


def anchor(heading: str) -> str:
    """As GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def joined(*blocks: str) -> str:
    """A page, of its blocks that are not empty."""
    return "\n\n".join(block for block in blocks if block) + "\n"


def rows_of(title: str) -> dict[str, list[str]]:
    """The table of a section of docs/public-names.md: the first column, and the names in the second."""
    page = (ROOT / "docs" / "public-names.md").read_text()
    section = re.split(r"^###? ", page.partition(f"\n### {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    cells = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    found = {first.strip("| `"): re.findall("`([^`]+)`", second) for first, second, *_ in cells}
    assert found
    return found
