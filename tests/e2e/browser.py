"""Shared by the tests with a browser: the demo as a newcomer would start it, and Chromium."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from config.demo.ports import free_port

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).resolve().parents[2]
#: Starts CHROMIUM, without what costs much and no page of ours needs.
LAUNCHER = Path(__file__).parent / "chromium"
#: axe-core out of npm, where NODE_PATH says.
AXE = Path(os.environ.get("NODE_PATH", "/nowhere")) / "axe-core" / "axe.min.js"
_AUDIT = (Path(__file__).parent / "audit.js").read_text()


@contextmanager
def visits(chromium: Any, but: str = "") -> Iterator[Any]:
    """Opens a tab of a new browser, which complains of nothing, such as what the policy of a page holds back.

    ``but``: words of a complaint that does no harm.
    """
    contexts: list[Any] = []
    faults: list[str] = []

    def arrive(**options: Any) -> Any:
        contexts.append(chromium.new_context(locale="en-US", **options))
        contexts[-1].on("weberror", lambda found: faults.append(str(found.error)))
        contexts[-1].on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        return contexts[-1].new_page()

    yield arrive
    for context in contexts:
        context.close()
    assert [fault for fault in faults if not but or but not in fault] == []


@contextmanager
def running_demo(**given: str) -> Iterator[SimpleNamespace]:
    """`python -m config.demo`, with that in its environment."""
    # Nothing of the other tests' settings: the demo brings its own.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "config.demo", "--json", "--stop-with-parent", "--port", str(free_port())],
        cwd=ROOT,
        env=inherited | {"DJANGO_SETTINGS_MODULE": "tests.e2e.settings"} | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        assert line, "the demo did not start: run `python -m config.demo`"
        yield SimpleNamespace(**json.loads(line))
    finally:
        process.terminate()
        process.wait(30)


def audit(page: Any) -> list[str]:
    """What is wrong with a page. Its words are there before its looks, so both are waited for."""
    page.wait_for_load_state()
    found: list[str] = page.evaluate(_AUDIT)
    return found


def axe(page: Any) -> list[str]:
    """Its findings about a page. It runs beside the page's policy, as an extension does."""
    page.wait_for_load_state()
    page.evaluate(AXE.read_text() + "; undefined")
    violations = page.evaluate("axe.run().then((result) => result.violations)")
    return [f"{one['id']}: {node['html']}" for one in violations for node in one["nodes"]]
