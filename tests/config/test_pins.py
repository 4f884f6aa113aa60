"""What pyproject.toml asks for: nothing that is known to have a hole, and what the pins are."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.starts import ROOT

#: Versions with a hole, the last ones and, where another series is maintained beside it, some of each.
HOLES = {
    "certifi": ["2024.6.2"],  # CVE-2024-39689: a root that is not trusted any more
    "cryptography": ["45.0.7", "46.0.6"],  # CVE-2026-26007, -34073, -39892
    "django": ["5.2", "5.2.11", "5.2.18", "6.0", "6.0.7", "6.1", "6.1.2"],  # CVE-2026-25673, -48588, …
    "pyjwt": ["2.10.0", "2.11.0", "2.13.0"],  # CVE-2024-53861, CVE-2026-32597, -48526, …
    "urllib3": ["2.5.0", "2.6.3", "2.7.0"],  # CVE-2025-66471, CVE-2026-21441, -44432, -97689
    "setuptools": ["78.1.0"],  # CVE-2025-47273
    "pytest": ["9.0.2"],  # CVE-2025-71176
}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = [
    Requirement(line)
    for line in (
        *PROJECT["project"]["dependencies"],
        *PROJECT["build-system"]["requires"],
        *(line for group in PROJECT["dependency-groups"].values() for line in group),
    )
]


@pytest.mark.parametrize("name", HOLES)
def test_a_version_with_a_known_hole_is_not_asked_for(name):
    (asked,) = [found for found in ASKED if found.name == name]
    for version in HOLES[name]:
        assert version not in asked.specifier, version


@pytest.mark.parametrize("asked", PROJECT["project"]["dependencies"])
def test_every_dependency_has_a_floor_that_its_pins_meet(asked):
    found = Requirement(asked)
    assert any(part.operator == ">=" for part in found.specifier)
    text = (ROOT / "requirements.txt").read_text()
    versions = re.findall(rf"^{re.escape(found.name)}==([^\s;]+)", text, re.MULTILINE)
    assert versions
    assert all(version in found.specifier for version in versions)
