"""docs/clients.md: clients that generators make of ``/v1/openapi.json`` compile, and verify a phone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.wsgi import get_wsgi_application

from sms.testing import code_in, outbox
from tests.serving import serving
from tests.settings import API_KEY
from tests.starts import ROOT

PAGE = (ROOT / "docs" / "clients.md").read_text()
PROMPT = "The code: "

#: Commands of the page that fetch what CI has installed already.
INSTALLS = re.compile(r"^(npm|pip) install .*\n", re.MULTILINE)

#: Compilers take their time where much else runs.
pytestmark = pytest.mark.timeout(400)

NPM = Path(os.environ.get("NODE_PATH", "/nowhere"))


@pytest.fixture
def url(settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    with serving(get_wsgi_application()) as found:
        yield found


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found


def follow(title: str, directory: Path, url: str, path: str) -> None:
    """Write the program of a section, run its commands, and type the code that the program asks for."""
    for name, program in re.findall(
        r"^```\w+\n(?://|#) (\S+)\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL
    ):
        (directory / name).write_text(program)
    commands = "".join(re.findall(r"^```sh\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL))
    running = subprocess.Popen(
        ["sh", "-e", "-c", INSTALLS.sub("", commands)],
        cwd=directory,
        env=os.environ | {"OTPOST_URL": url, "OTPOST_KEY": API_KEY, "PATH": f"{path}:{os.environ['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = ""
    while not said.endswith(PROMPT):
        letter = running.stdout.read(1)
        assert letter, said
        said += letter
    told, _ = running.communicate(f"{code_in(outbox[-1].body)}\n")
    assert (running.returncode, told.split()[-1]) == (0, "valid"), told


@pytest.mark.first(8)
def test_a_client_in_typescript(url, tmp_path):
    if not (NPM / "openapi-typescript").exists():
        pytest.skip(
            "needs npm's openapi-typescript@7.13.0, openapi-fetch@0.17.0 and typescript@5.9.3 in NODE_PATH"
        )
    (tmp_path / "node_modules").symlink_to(NPM)
    follow("TypeScript", tmp_path, url, str(NPM / ".bin"))


@pytest.mark.first(10)
def test_a_client_in_python(url, tmp_path):
    pytest.importorskip("openapi_python_client")
    follow("Python", tmp_path, url, str(Path(sys.executable).parent))
    # All of it compiles, and the program fits its types; in its own client.py the generator is not as strict.
    subprocess.run([sys.executable, "-m", "compileall", "-q", "otpost_client"], cwd=tmp_path, check=True)
    types = ["mypy", "--strict", "--follow-imports=silent", "--cache-dir=types", "verify.py"]
    subprocess.run([sys.executable, "-m", *types], cwd=tmp_path, check=True)
