"""The version, wherever it stands, and the changelog's sections."""

from __future__ import annotations

import re
import tomllib
from datetime import date

from packaging.version import Version

from tests.starts import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def test_the_newest_release_of_the_changelog_is_this_version():
    first, *released = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert first == "[Unreleased]"
    versions, days = zip(*(title.split(" - ") for title in released), strict=True)
    assert versions[0] == f"[{VERSION}]"
    assert [*versions] == sorted({*versions}, key=lambda text: Version(text.strip("[]")), reverse=True)
    assert [*map(date.fromisoformat, days)] == sorted(map(date.fromisoformat, days), reverse=True)


def test_the_chart_takes_the_image_of_this_version():
    chart = (ROOT / "docs" / "kubernetes" / "Chart.yaml").read_text()
    assert re.findall(r'^appVersion: "(.+)"$', chart, re.MULTILINE) == [VERSION]
    readme = (ROOT / "docs" / "kubernetes" / "README.md").read_text()
    assert {*re.findall(r"/otpost:([\d.]+)", readme)} == {VERSION}
