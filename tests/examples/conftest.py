"""What the tests of the examples share: an Otpost with an address, and programs in Flask."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import chromium  # noqa: F401  # a fixture here too
from tests.e2e.host import served_otpost
from tests.settings import API_KEY

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def otpost(settings, monkeypatch) -> Iterator[str]:
    """Its address, which the examples find in their environment, with a key."""
    with served_otpost(settings) as address:
        monkeypatch.setenv("OTPOST_URL", address)
        monkeypatch.setenv("OTPOST_KEY", API_KEY)
        yield address


def flask_app(name: str) -> Any:
    """The application of an example, as it is at the start of its program."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / name / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where Flask looks for the folder of its templates
    spec.loader.exec_module(module)
    return module.app
