"""The linter of our English: texts that pass, and texts that do not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.starts import ROOT

spec = importlib.util.spec_from_file_location("readability", ROOT / ".ci" / "readability.py")
assert spec
assert spec.loader
readability = importlib.util.module_from_spec(spec)
spec.loader.exec_module(readability)

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
GOOD_CODE = f'''"""A module.

    {LONG}, as how many
"""

TEXT = "{LONG}, as how many"


def send() -> None:
    """Send ``{LONG}`` to a number.

        {LONG}

    - {" ".join(["item"] * 30)}
    - {" ".join(["item"] * 30)}
    """
    first = 1  # {" ".join(["this"] * 20)}
    # {" ".join(["Other"] * 20)}.
    # {" ".join(["Other"] * 20)}.
'''
BAD_CODE = f'''"""A module."""

LONGEST = 1  # told as one


class Sender:
    """It sends.

    This one is {LONG}.
    """

    #: Seconds that a code would
    #: have died
'''
GOOD_LUA = f"""-- Count one more.
-- ARGV: {" ".join(["name"] * 30)}
-- Returns {" ".join(["name"] * 30)}
local text = '-- {LONG}, as how many'
"""
BAD_LUA = f"""-- Count one more. This one is
-- {LONG}.
local one = 1 -- such a one
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


@pytest.mark.parametrize(("name", "text"), [("good.py", GOOD_CODE), ("good.lua", GOOD_LUA)])
def test_code_texts_and_indented_examples_are_left_alone(tmp_path, name, text):
    found = lint(tmp_path / name, text)
    assert (found.returncode, found.stderr) == (0, "")


def test_docstrings_and_comments_of_python_are_read(tmp_path):
    path = tmp_path / "bad.py"
    found = lint(path, BAD_CODE)
    assert found.stderr.splitlines() == [
        f"{path}:9: 39 words: This one is {LONG}.",
        f"{path}:3: no English: told as",
        f"{path}:12: no English: would have died",
    ]


def test_comments_of_lua_are_read(tmp_path):
    path = tmp_path / "bad.lua"
    found = lint(path, BAD_LUA)
    assert found.stderr.splitlines() == [
        f"{path}:1: 39 words: This one is {LONG}.",
        f"{path}:3: no English: such a one",
    ]


def test_a_long_sentence_and_a_turn_that_is_no_english_are_named_by_their_lines(tmp_path):
    path = tmp_path / "bad.md"
    found = lint(path, BAD)
    assert found.returncode == 1
    assert found.stderr.splitlines() == [
        f"{path}:3: 39 words: This one is {LONG}.",
        f"{path}:6: no English: belongs to the key",
        f"{path}:9: no English: would have died",
    ]


def test_the_words_of_a_sentence_are_those_that_somebody_reads():
    page = f"""# A title of five words

- The **first** one: [see this](page.md#there). `{LONG}` is one word.
- 2. is no list here

| a table | {LONG} |
|---|---|

```sh
{LONG}
```
"""
    assert [len(words) for words in readability.sentences(page)] == [5, 4, 5]


@pytest.mark.parametrize(
    ("text", "ease"),
    [("The cat sat on the mat.", 116), ("Otpost verifies telephone numbers by `code`.", 16)],
)
def test_the_reading_ease_is_that_of_flesch(text, ease):
    assert round(readability.reading_ease(list(readability.sentences(text)))) == ease


def test_what_misses_a_bar_is_named_and_all_is_printed(tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("Organisational responsibilities necessitate administration. " * 9)
    (tmp_path / "docs" / "long.md").write_text(f"The {'word ' * 16}ends. " * 20)
    (tmp_path / "docs" / "few.md").write_text(f"The {'word ' * 16}ends. " * 5)
    assert readability.judge(tmp_path) == [
        "README and docs: 18 words (median)",
        "docs/long.md: 18 words (median)",
        "README.md: a reading ease of -241",
    ]
    assert "18 words (median; at most 16)" in capsys.readouterr().out


def test_the_pages_are_within_the_bars():
    assert readability.judge() == []
