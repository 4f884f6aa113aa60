"""The script that solves puzzles is what its source says, and ALTCHA's library."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / ".ci/puzzle.js"
PACKAGES = Path(os.environ.get("NODE_PATH", "/nowhere"))


@pytest.mark.skipif(
    not ((PACKAGES / "esbuild").exists() and (PACKAGES / "altcha-lib").exists()),
    reason="needs npm's altcha-lib@2.8.0 and esbuild@0.28.2 where NODE_PATH says",
)
def test_it_is_made_of_its_source_by_the_command_there(tmp_path):
    *words, option = shlex.split(SOURCE.read_text().splitlines()[1].removeprefix("// "))
    path = ROOT / option.removeprefix("--outfile=")
    words[0] = str(PACKAGES / ".bin" / words[0])
    subprocess.run([*words, f"--outfile={tmp_path / path.name}"], cwd=ROOT, check=True, capture_output=True)
    made = (tmp_path / path.name).read_text()
    # esbuild names a file of a package by its path from here.
    at_home = os.path.relpath(PACKAGES, ROOT)
    assert path.read_text() == made.replace(f"// {at_home}/", "// node_modules/")


def test_its_licence_comes_with_it():
    folder = ROOT / "otp/static/otp"
    first = (folder / "puzzle.js").read_text().splitlines()[0]
    assert "altcha-lib 2.8.0, MIT: see puzzle.LICENSE.txt" in first
    assert "Permission is hereby granted" in (folder / "puzzle.LICENSE.txt").read_text()
