"""Read a Lua script with its includes.

A line ``--- @include "clock"`` includes the file clock.lua from the folder includes/ beside the script, or
from another given folder. Each file is included only once, at its first mention. An indented line includes a
file inside a function. Only that function sees it, so another mention elsewhere includes it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_INCLUDE = re.compile(r'( *)--- @include "([a-z_]+)"')


class Line(NamedTuple):
    """One line of the resulting script, with its file and line number."""

    path: Path
    number: int
    text: str


def read(path: Path, folders: tuple[Path, ...] = ()) -> str:
    """The text of a script with its includes. Raises ``FileNotFoundError`` if one is missing."""
    return "".join(f"{line.text}\n" for line in lines(path, folders))


def lines(path: Path, folders: tuple[Path, ...] = ()) -> Iterator[Line]:
    """The same, line by line."""
    return _resolved(path, (path.parent / "includes", path.parent, *folders), set())


def _resolved(path: Path, folders: tuple[Path, ...], seen: set[Path]) -> Iterator[Line]:
    inside = seen.copy()
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if text and not text.startswith(" "):  # outside functions, or at the start of one
            inside = seen.copy()
        if not (asked := _INCLUDE.fullmatch(text)):
            yield Line(path, number, text)
            continue
        name = f"{asked[2]}.lua"
        found = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if found is None:
            raise FileNotFoundError(
                f"{path} includes {name}, which is in none of {', '.join(map(str, folders))}"
            )
        known = inside if asked[1] else seen
        if found not in known:
            known.add(found)
            yield from _resolved(found, folders, known)
