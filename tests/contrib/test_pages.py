"""docs/django-packages: a page for each package that has a project here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contrib.project import PAGES, ROOT


def test_every_project_has_its_page():
    projects = {path.parent.name for path in Path(__file__).parent.glob("*/project")}
    assert {name.removeprefix("django-").removesuffix("-auth") for name in PAGES} == {
        name.removeprefix("django_").replace("_", "-") for name in projects
    }


@pytest.mark.parametrize("package", sorted(PAGES))
def test_a_page_fits_a_screen(package):
    assert len((ROOT / PAGES[package]).read_text().splitlines()) <= 45
