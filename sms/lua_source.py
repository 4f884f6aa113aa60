"""Read a Lua script together with what it includes.

A line ``--- @include "clock"`` stands for the file clock.lua in the folder includes/ beside the script, or in
another folder that the script was given. Each file is taken once, where it is first asked for.
"""

from __future__ import annotations

import re
from pathlib import Path

_INCLUDE = re.compile(r'^[ ]*--- @include "([a-z_]+)"$', re.MULTILINE)


def read(path: Path, folders: tuple[Path, ...] = ()) -> str:
    """The text of a script with its includes in place. Raises ``FileNotFoundError`` if one is missing."""
    return _resolved(path, (path.parent / "includes", path.parent, *folders), set())


def _resolved(path: Path, folders: tuple[Path, ...], seen: set[Path]) -> str:
    def included(line: re.Match[str]) -> str:
        name = f"{line[1]}.lua"
        found = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if found is None:
            raise FileNotFoundError(
                f"{path} includes {name}, which is in none of {', '.join(map(str, folders))}"
            )
        if found in seen:
            return ""
        seen.add(found)
        return _resolved(found, folders, seen)

    return _INCLUDE.sub(included, path.read_text())
