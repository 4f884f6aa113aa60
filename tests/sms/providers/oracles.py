"""The vendors' own SDKs, against which requests and signatures are held. CI installs them."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import pytest


class Oracle:
    """A module of an SDK, imported when a test first uses it. Without it the test skips, but not in CI."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest looks at everything in a test's file
            raise AttributeError(attribute)
        try:
            return getattr(import_module(self._name), attribute)
        except ModuleNotFoundError:
            if os.environ.get("OTPOST_CI"):
                raise
            pytest.skip(f"{self._name} is missing: pip install -r .ci/requirements.txt")
