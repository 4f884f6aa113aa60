"""Shared by the tests of the settings: the settings as given variables make them."""

from __future__ import annotations

import os
import re
from functools import cache
from types import CodeType
from typing import Any

import pytest

import config.urls  # noqa: F401  # its pages are those of PAGES as it is, not as a test here has it
from tests import logs
from tests.starts import GOOD, ROOT

pytest.register_assert_rewrite("tests.config.runners")

#: Those of other programs: Redis, granian, OpenTelemetry.
OTHERS = {
    *("REDIS_PASSWORD", "GRANIAN_WORKERS", "GRANIAN_BLOCKING_THREADS"),
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"),
}
VARIABLES = sorted(
    {*re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)} - OTHERS
)


@cache
def settings_file() -> CodeType:
    path = ROOT / "config" / "settings.py"
    return compile(path.read_text(), path, "exec")


@pytest.fixture
def load(monkeypatch):
    """Read the settings with these variables and no other."""
    for name in os.environ.keys() - {"PATH", "HOME", "LANG"}:
        monkeypatch.delenv(name)

    def read(**changes) -> dict[str, Any]:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in (GOOD | {"DEBUG": "0"} | changes).items():
            monkeypatch.setenv(name, value)
        loaded: dict[str, Any] = {"__file__": settings_file().co_filename}
        with logs.kept():
            exec(settings_file(), loaded)  # noqa: S102
        return loaded

    return read
