"""What the tests of the examples share: an Otpost with an address, and programs in Flask."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
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

EXAMPLES = Path(__file__).parents[2] / "examples"


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
    with running(request.module.EXAMPLE, tmp_path) as address:
        let_in(settings, address)
        yield address


@contextmanager
def running(name: str, folder: Path) -> Iterator[str]:
    """`python app.py`, but for the port, which may be taken."""
    port, log = free_port(), folder / "log"
    copytree(EXAMPLES / name, folder / name)
    program = folder / name / "app.py"
    program.write_text(program.read_text().replace("port=3000", f"port={port}"))
    with log.open("w") as said:
        process = subprocess.Popen([sys.executable, program], stdout=said, stderr=said)
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
