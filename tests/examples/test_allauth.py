"""examples/allauth: the lines of the docs as a whole project, started by its one command."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest

from config.demo.ports import free_port
from tests.contrib.project import PAGES, blocks
from tests.examples.visitor import Browser
from tests.faults.stack import wait_for
from tests.starts import ROOT

EXAMPLE, PHONE = ROOT / "examples" / "allauth", "+12025550123"
PAGE = PAGES["django-allauth"]


class Shop:
    """The example, with a Redis and a port of its own."""

    def __init__(self, directory: Path, redis_url: str) -> None:
        shutil.copytree(EXAMPLE, directory, ignore=shutil.ignore_patterns("db.sqlite3", "__pycache__"))
        port = str(free_port())
        self.url = f"http://localhost:{port}"
        for file in (directory / "shop" / "settings.py", directory / "start"):
            text = file.read_text().replace("redis://localhost:6379", redis_url.rpartition("/")[0])
            file.write_text(text.replace(" 3000", f" {port}"))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        given = {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [directory / "start"],
            env={name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ} | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def code(self) -> str:
        """That of the next SMS which is printed."""
        for line in self.process.stdout:
            if found := re.match(r"(\d{6}) is your Example code", line):
                return found[1]
        raise AssertionError("it ended before there was an SMS")

    def stop(self) -> None:
        """As Ctrl-C does; then nothing that it started is left."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        wait_for(lambda: not self.signal(0), 60)

    def signal(self, number: int) -> bool:
        """Send it to all that belongs to it; whether there was anything."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True


@pytest.fixture
def shop(tmp_path, redis_server) -> Iterator[Shop]:
    found = Shop(tmp_path / "allauth", redis_server.url)
    try:
        yield found
        found.stop()
    finally:
        found.signal(signal.SIGKILL)


@pytest.mark.first(10)
@pytest.mark.timeout(240)
def test_a_user_signs_up_and_logs_in_by_phone(shop):
    browser = Browser()

    def is_there() -> bool:
        try:
            browser.go(shop.url)
        except URLError:
            return False
        return True

    wait_for(is_there, 120)
    browser.go("/accounts/signup/")
    browser.submit(phone=PHONE, password1="a long sentence")
    browser.submit(code=shop.code())
    assert browser.page == f"You are logged in with {PHONE}."

    other = Browser()
    other.go(f"{shop.url}/accounts/login/code/")
    other.submit(phone=PHONE)
    other.submit(code=shop.code())
    assert other.page == f"You are logged in with {PHONE}."


def test_its_lines_are_those_of_the_docs():
    shop = {name: (EXAMPLE / "shop" / f"{name}.py").read_text() for name in ("settings", "models", "urls")}
    assert blocks("docs/in-django.md", "# settings.py") in shop["settings"]
    assert blocks(PAGE, "# settings.py: django-allauth\n") in shop["settings"]
    assert blocks(PAGE, "# models.py: the user of django-allauth\n") in shop["models"]
    assert blocks(PAGE, "# urls.py: django-allauth\n") in shop["urls"]
    assert "examples/allauth/start" in (ROOT / PAGE).read_text()
