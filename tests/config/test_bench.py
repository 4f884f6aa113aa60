"""What ``make bench`` measures has the settings of production, not those of the tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_measures_with_settings_of_its_own():
    command = [sys.executable, "-m", "tests.bench", "--quick", "--json", "--only", "trips"]
    found = json.loads(subprocess.check_output(command, cwd=ROOT))
    assert {measure["ours"] for measure in found} == {1}
