"""The audit in CI, with a pip-audit that says what a service would."""

from __future__ import annotations

import re
import runpy
import sys

import pytest

from tests.starts import ROOT

HOLE = {"id": "PYSEC-1", "fix_versions": ["2.0.1"], "aliases": [], "description": ""}
SILENT = "import sys; print('no connection', file=sys.stderr)"
PROGRAM = """#!{python}
import json, sys
lines = open(sys.argv[-1]).read().split()
names = [line.partition("==")[0] for line in lines]
assert len(names) == len(set(names)), "as pip-audit refuses it"
found = [dict(name=name, version=line.partition("==")[2], vulns=[]) for name, line in zip(names, lines)]
for one in found:
    told = {holes}.get((one["name"], one["version"]))
    one.update(dict(vulns=[told]) if told else dict())
    one.update(dict(skip_reason="not found") if one["name"] in {skips} else dict())
print(json.dumps(dict(dependencies=found)))
"""
DJANGO = next(pin for pin in re.findall(r"^django==(6\S+)", (ROOT / "requirements.txt").read_text(), re.M))
CANARY, NEWER = {("django", "2.0"): HOLE}, {("django", DJANGO): HOLE}


@pytest.mark.parametrize(
    ("holes", "skips", "said"),
    [
        (CANARY, [], r"^audited (\d\d) packages by pypi\n$"),
        (CANARY | NEWER, [], rf"\ndjango {DJANGO}: PYSEC-1, fixed in \['2.0.1'\]\n$"),
        (CANARY, ["yarl"], "^pypi answers, but did not audit everything:\nyarl: not found\n$"),
        ({}, [], "^NOT AUDITED: pypi and osv are out of reach"),
        ({}, ["django", "yarl"], "^NOT AUDITED: pypi and osv are out of reach"),
        (None, [], "^pypi: no connection\nosv: no connection\nNOT AUDITED"),
    ],
)
def test_a_hole_fails_and_silence_is_told(tmp_path, capsys, holes, skips, said):
    program = tmp_path / "bin" / "pip-audit"
    program.parent.mkdir()
    text = PROGRAM.format(python=sys.executable, holes=holes, skips=skips)
    program.write_text(text if holes is not None else f"#!{sys.executable}\n{SILENT}\n")
    program.chmod(0o755)
    look_for_holes = runpy.run_path(str(ROOT / ".ci" / "supply_chain.py"))["look_for_holes"]
    is_bad = "did not" in said or "PYSEC" in said
    assert look_for_holes(tmp_path) == int(is_bad)
    assert re.search(said, capsys.readouterr().out)
