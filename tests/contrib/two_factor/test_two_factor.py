"""django-two-factor-auth with our gateway, set up as the docs say and used through its own views."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contrib import project


@pytest.mark.first(10)
def test_its_project(tmp_path, redis_server):
    project.run(Path(__file__).parent / "project", tmp_path, redis_server.url, "django-two-factor-auth")
