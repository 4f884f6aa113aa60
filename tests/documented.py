"""The README's table of errors: what the API may answer that is none of 2xx."""

from __future__ import annotations

import re
from pathlib import Path

_ROW = re.compile(r"^\| (\d{3}) ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)


def errors() -> set[tuple[int, str]]:
    """Every status and ``code`` of the table."""
    text = (Path(__file__).parents[1] / "README.md").read_text()
    return {(int(row[1]), code) for row in _ROW.finditer(text) for code in re.findall(r"\w+", row[2])}


ERRORS = errors()
