"""docs/standards.md and this folder name the same tests."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "standards.md"


def test_the_table_names_every_statement_and_no_other():
    table = [line for line in DOCS.read_text().splitlines() if line.startswith("|")]
    named = re.findall(r"`(test_\w+)`", "\n".join(table))
    written = re.findall(
        r"^def (test_\w+)",
        "\n".join(path.read_text() for path in HERE.glob("test_*.py") if path.name != "test_table.py"),
        re.MULTILINE,
    )
    assert sorted(named) == sorted(written)


def test_where_no_test_stands_it_is_said_whose_it_is():
    rows = [line for line in DOCS.read_text().splitlines() if line.endswith("| – |")]
    assert rows
    for row in rows:
        assert "yours" in row or "no sender" in row
