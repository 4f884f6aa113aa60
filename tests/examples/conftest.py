"""Shared by the tests of the examples: an Otpost with an address, and programs in Flask."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from config.demo.ports import free_port
from tests.e2e.conftest import chromium  # noqa: F401  # a fixture here too
from tests.e2e.host import let_in, served_otpost
from tests.faults.stack import wait_for
from tests.settings import API_KEY

ROOT = Path(__file__).parents[2]
EXAMPLES, DOCS = ROOT / "examples", ROOT / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The examples of a page in that language, within lists too."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for text in found]


def replaced(text: str, known: dict[str, str]) -> str:
    """``text`` with what is known in place of what a page says."""
    for name, value in known.items():
        text = text.replace(name, value)
    return text


@pytest.fixture
def otpost(settings, monkeypatch) -> Iterator[str]:
    """Its address, which the examples find in their environment, with a key."""
    with served_otpost(settings) as address:
        monkeypatch.setenv("OTPOST_URL", address)
        monkeypatch.setenv("OTPOST_KEY", API_KEY)
        yield address


@pytest.fixture
def shop(otpost, settings, tmp_path, request) -> Iterator[str]:
    """The example in Flask that the module names, started by its one command; its address."""
    start = {"handoff_flask": handing_off, "widget_html": with_the_widget}[request.module.EXAMPLE]
    with start(otpost, tmp_path) as address:
        let_in(settings, address)
        yield address


def handing_off(otpost: str, folder: Path) -> Any:
    """As docs/hand-off.md says, but on a free port."""
    port = free_port()
    (command,) = (text for text in blocks("hand-off.md", "sh") if text.startswith("pip install"))
    known = {"pip install flask httpx\n": "exec env ", "https://verify.example.com": otpost}
    return running(["sh", "-c", replaced(command, known | {" 3000": f" {port}"})], port, folder)


def with_the_widget(_: str, folder: Path) -> Any:
    """`python app.py`, but on a free port."""
    port, program = free_port(), folder / "widget_html" / "app.py"
    copytree(EXAMPLES / "widget_html", program.parent)
    program.write_text(program.read_text().replace("port=3000", f"port={port}"))
    return running([sys.executable, program], port, folder)


@contextmanager
def running(command: Sequence[str | Path], port: int, folder: Path) -> Iterator[str]:
    """A program in Flask; its address."""
    log = folder / "log"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = os.environ | {"PATH": path, "KEY": API_KEY}
    with log.open("w") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=said, stderr=said)
    try:
        wait_for(lambda: f"Running on http://127.0.0.1:{port}" in log.read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def flask_app(name: str) -> Any:
    """The application of an example, as it is at the start of its program."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / name / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where Flask looks for the folder of its templates
    spec.loader.exec_module(module)
    return module.app
