"""``make bench`` measures with the settings of production, not with those of the tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_measures_with_settings_of_its_own():
    command = [sys.executable, "-m", "tests.bench", "--quick", "--json", "--only", "trips"]
    found = json.loads(subprocess.check_output(command, cwd=ROOT))
    assert {measure["ours"] for measure in found} == {1}


def test_no_measure_brings_the_settings_of_the_tests():
    program = (
        "import sys; from django.conf import settings; settings.configure(); "
        "import tests.bench.__main__, tests.e2e.lighthouse_pages; print('tests.settings' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True) == "False\n"


def test_a_measure_without_its_tool_says_what_it_needs():
    command = [sys.executable, "-m", "tests.bench", "--only", "lighthouse"]
    bare = {**os.environ, "NODE_PATH": "/nowhere", "PATH": "/nowhere"}
    done = subprocess.run(command, cwd=ROOT, env=bare, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert re.search(r"error: lighthouse needs .+: (install|npm install) ", done.stderr)


def test_the_table_of_the_docs_has_each_part_and_no_other():
    command, wide = [sys.executable, "-m", "tests.bench", "--help"], {**os.environ, "COLUMNS": "1000"}
    told = subprocess.check_output(command, cwd=ROOT, env=wide, text=True)
    (names,) = re.findall(r"one measure \(may be repeated\): (.*)", told)
    _, _, table = (ROOT / "docs" / "performance.md").read_text().partition("\n| part | measures |")
    parts = re.findall(r"^\| `([a-z-]+)` \|", table.partition("\n\n")[0], re.MULTILINE)
    assert parts == names.split(", ")
