"""What the tests in a browser share."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("playwright"):
    from playwright.sync_api import expect

    expect.set_options(timeout=20_000)  # milliseconds: a busy machine takes its time
