"""docs/start and the README: whoever follows a page, word by word, ends where it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest

from config.demo.leash import Leash
from config.demo.ports import free_port
from sms.testing import code_in, outbox
from tests.e2e.browser import running_demo
from tests.e2e.test_in_a_project import ENVIRONMENT, PYTHON
from tests.examples.visitor import Browser
from tests.faults.stack import wait_for
from tests.starts import ROOT

START = ROOT / "docs" / "start"

#: Already here, as CI installs it: a server, an environment, the packages.
INSTALLS = re.compile(r"^(docker|python3 -m venv|pip install) .*\n", re.MULTILINE)
#: The name of a file, as the comment in its first line.
NAMED = re.compile(r"(?:#|//|<!--) (\S+\.\w+)(?: -->)?\n")


def blocks(page: str, folder: Path = START) -> list[tuple[str, str]]:
    """Each example of a page, in order: its language and its text."""
    return re.findall(r"^```(\w+)\n(.*?)^```", (folder / page).read_text(), re.MULTILINE | re.DOTALL)


def code_for(url: str, number: str) -> str:
    """That of the latest SMS on the virtual phone."""
    with urllib.request.urlopen(f"{url}/phone/messages") as answer:  # noqa: S310
        bodies = [one["body"] for one in json.load(answer)["messages"] if one["to"] == number]
    return next((found[0] for body in bodies[-1:] if (found := re.search(r"\b\d{6}\b", body))), "")


def as_script(page: str) -> str:
    """A page as one program for the shell: files are written where they stand."""
    lines = ["set -e\n"]
    for language, text in blocks(page):
        if language == "sh":
            lines.append(INSTALLS.sub("", text))
        elif found := NAMED.match(text):
            sign = ">>" if found[1].endswith("settings.py") else ">"
            lines.append(f"mkdir -p {Path(found[1]).parent}\ncat {sign} {found[1]} <<'WHOLE'\n{text}WHOLE\n")
    return "".join(lines)


@pytest.fixture
def shop(tmp_path, redis_server) -> Iterator[str]:
    """The project of the page for Django, on a port and a Redis of its own; its address."""
    port, log = str(free_port()), tmp_path / "log"
    script = as_script("django.md").replace("redis://localhost:6379", redis_server.url.rpartition("/")[0])
    script = script.replace("manage.py runserver", "manage.py runserver --noreload 8000").replace(
        "8000", port
    )
    path = f"{Path(PYTHON).parent}:{os.environ['PATH']}"
    with Leash() as leash, log.open("w") as said:
        process = leash.spawn(
            ["bash", "-c", script], cwd=tmp_path, env=ENVIRONMENT | {"PATH": path}, stdout=said, stderr=said
        )

        def is_there() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                Browser().go(f"http://127.0.0.1:{port}/phone/")
            except URLError:
                return False
            return True

        wait_for(is_there, 60)
        assert "System check identified no issues" in log.read_text()
        yield f"http://127.0.0.1:{port}"


@pytest.mark.first(10)
def test_a_user_of_the_django_project_logs_in(shop):
    browser = Browser()
    browser.go(shop)
    browser.submit(phone="+1 202-555-0123")
    code = code_for(shop, "+12025550123")
    browser.submit(code="1" * 6 if code != "1" * 6 else "2" * 6)
    assert "Invalid" in browser.page
    browser.submit(code=code)
    assert (browser.url, browser.page) == (f"{shop}/", "You are logged in with +12025550123.")

    other = Browser()
    other.go(shop)
    other.submit(phone="12")
    assert "errorlist" in other.page
    other.submit(phone="+12025550124")
    other.go("/login/")
    other.submit(phone="+12025550124")
    assert "Please wait" in other.page


@pytest.fixture(scope="module")
def demo() -> Iterator[SimpleNamespace]:
    with running_demo() as found:
        yield found


@pytest.fixture
def anywhere(demo, tmp_path) -> SimpleNamespace:
    """A folder with the programs of the page, and what its second terminal exports."""
    exported = [text for language, text in blocks("any-language.md") if text.startswith("export ")]
    assert re.findall(r"export (\w+)=", exported[0]) == ["OTPOST_URL", "OTPOST_KEY"]
    for _, text in blocks("any-language.md"):
        if found := NAMED.match(text):
            (tmp_path / found[1]).write_text(text)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"OTPOST_URL": demo.url, "OTPOST_KEY": demo.api_key, "PATH": path}
    return SimpleNamespace(cwd=tmp_path, env=env)


def run(anywhere: SimpleNamespace, line: str, **given: str) -> dict[str, str]:
    done = subprocess.run(
        ["bash", "-c", line],
        check=True,
        cwd=anywhere.cwd,
        env=anywhere.env | given,
        capture_output=True,
        text=True,
    )
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


@pytest.mark.together(15)
def test_by_curl(demo, anywhere):
    ask, values, check = [
        text
        for language, text in blocks("any-language.md")
        if language == "sh" and text.startswith(("curl", "ID="))
    ]

    id = run(anywhere, ask)["id"]
    wait_for(lambda: code_for(demo.url, "+12025550123"))
    assert re.findall(r"^(\w+)=", values, re.MULTILINE) == ["ID", "CODE"]
    given = {"ID": id, "CODE": code_for(demo.url, "+12025550123")}
    assert run(anywhere, check, **given)["status"] == "valid"
    assert run(anywhere, check, **given)["status"] == "expired"


@pytest.mark.together(15)
@pytest.mark.parametrize(
    ("command", "number"), [("node verify.mjs\n", "+12025550124"), ("python3 verify.py\n", "+12025550125")]
)
def test_by_a_program(demo, anywhere, command, number):
    if not shutil.which(command.split()[0]):
        pytest.skip(f"needs {command.split()[0]}")
    assert ("sh", command) in blocks("any-language.md")
    running = subprocess.Popen(
        ["sh", "-c", command],
        cwd=anywhere.cwd,
        env=anywhere.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: code_for(demo.url, number))
    said, _ = running.communicate(f"{code_for(demo.url, number)}\n", timeout=30)
    assert (running.returncode, said) == (0, "The code: valid\n")


@pytest.mark.together(15)
def test_the_calls_of_the_readme(demo, anywhere):
    (calls,) = [text for language, text in blocks("README.md", ROOT) if text.startswith("curl")]
    ask, check = calls.replace("https://verify.example.com", demo.url).split("\n\n")
    number = "+12025550126"
    id = run(anywhere, ask.replace("+12025550123", number), KEY=demo.api_key)["id"]
    wait_for(lambda: code_for(demo.url, number))
    check = check.replace("JpQ8…", id).replace("123456", code_for(demo.url, number))
    assert run(anywhere, check, KEY=demo.api_key) == {
        "status": "valid",
        "attempts_left": 2,
        "message": "OTP verified.",
    }


def test_the_lines_of_the_readme_for_django(capsys):
    (program,) = [text for language, text in blocks("README.md", ROOT) if language == "python"]
    exec(program, {"input": lambda _: code_in(outbox[-1].body)})  # noqa: S102  # our own page
    assert capsys.readouterr().out == "The number is verified.\n"
