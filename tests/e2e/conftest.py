"""Shared by the tests in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import ARGS, CHROMIUM, LAUNCHER


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's, for one module: Playwright keeps a loop running, and Django refuses to work beside one."""
    from playwright.sync_api import expect, sync_playwright

    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}")
    expect.set_options(timeout=20_000)  # milliseconds: a busy machine takes its time
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=LAUNCHER, args=ARGS)
        yield browser
        browser.close()
