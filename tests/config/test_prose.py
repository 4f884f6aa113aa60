"""What the linter of our English lets pass, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.starts import ROOT

LONG = " ".join(["word"] * 36)
GOOD = f"""# A page, {LONG}

A code lives for [two minutes]({LONG.replace(" ", "/")}#as-how-many). `{LONG}` is one word, e.g. here:
{" ".join(["word"] * 25)}.

- {" ".join(["item"] * 30)}
- {" ".join(["item"] * 30)}

| a table | {LONG} |
|---|---|

```
{LONG}, as how many
```
"""
BAD = f"""# A page

A code lives for two minutes.
It is sent. This one is {LONG}.

- It belongs to the
  key of its caller.

| a table | it would have died |
"""


def lint(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text)
    command = [sys.executable, str(ROOT / ".ci" / "lint_prose.py"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_page_of_short_sentences_passes(tmp_path):
    found = lint(tmp_path / "good.md", GOOD)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_long_sentence_and_a_turn_that_is_no_english_are_named_by_their_lines(tmp_path):
    path = tmp_path / "bad.md"
    found = lint(path, BAD)
    assert found.returncode == 1
    assert found.stderr.splitlines() == [
        f"{path}:3: 39 words: This one is {LONG}.",
        f"{path}:6: no English: belongs to the key",
        f"{path}:9: no English: would have died",
    ]
