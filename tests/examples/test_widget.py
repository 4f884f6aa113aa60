"""docs/widget.md, and the examples with the widget: each has a phone verified in a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from config.demo.ports import free_port
from otp.api import keys
from otp.api.access import parse
from sms.testing import code_in, outbox
from tests.e2e.browser import CHROMIUM
from tests.e2e.host import let_in, page
from tests.examples.conftest import DOCS, EXAMPLES, blocks, flask_app, replaced
from tests.examples.visitor import Browser
from tests.faults.stack import wait_for
from tests.serving import serving
from tests.settings import API_KEY

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(20)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)

EXAMPLE, PHONE = "widget_html", "+12025550123"
PAGE = (DOCS / "widget.md").read_text()
NODE_MODULES = Path(os.environ.get("NODE_PATH", "/nowhere"))


@pytest.fixture
def tab(chromium) -> Iterator[Any]:
    """A page of a browser that complains of nothing."""
    faults: list[str] = []
    with chromium.new_context(locale="en-US") as context:
        found = context.new_page()
        found.on("pageerror", lambda error: faults.append(str(error)))
        found.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        yield found
    assert [fault for fault in faults if "404" not in fault] == []  # there is no favicon


def verify(tab: Any, then: re.Pattern[str] | None = None) -> None:
    """The user's steps in the widget of the page. ``then``: where that leads."""
    tab.get_by_label("Phone number").fill(PHONE)
    tab.get_by_role("button", name="Send the code").click()
    playwright.expect(tab.get_by_label("Code from the SMS")).to_be_focused()
    tab.keyboard.type(code_in(outbox[-1].body))
    if then:
        tab.wait_for_url(then)
        return
    playwright.expect(tab.get_by_role("heading", name="Your phone is verified")).to_be_visible()


def test_what_the_page_says(otpost, settings, tab):
    """Every block of its ten minutes, with the addresses of this test."""
    (access,), (make, prove, _), (html,) = (blocks("widget.md", kind) for kind in ("ini", "sh", "html"))
    shown: dict[str, str] = {}
    with serving(page(lambda: shown["html"], lambda: f"connect-src {otpost}")) as shop:
        known = {"https://verify.example.com": otpost, "http://localhost:3000": shop}

        def run(block: str) -> Any:
            """A command as somebody pastes it; what it prints."""
            script = replaced(block, known)
            return json.loads(
                subprocess.check_output(["sh", "-c", script], env=os.environ | {"KEY": API_KEY})
            )

        settings.API_KEYS = {"shop": [keys.digest(API_KEY)]}
        settings.API_ACCESS = parse(replaced(access, known).strip().removeprefix("API_ACCESS="))
        made = run(make)
        known["3kTq…"] = made["id"]
        shown["html"] = replaced(html, known)
        tab.goto(shop)
        verify(tab, then=re.compile(r"/verified\?proof="))
        assert run(prove)["status"] == "invalid"
        known["q7Wd…"] = tab.url.partition("/verified?proof=")[2]
        found = run(prove)
    assert (found["status"], found["phone"]) == ("valid", PHONE)
    assert set(re.findall(r'"(\w+)": "', prove.partition("# ")[2])) <= set(found)


def test_the_page_names_every_example_and_what_it_needs():
    for example in EXAMPLES.glob("widget_*"):
        assert f"examples/{example.name}" in PAGE
        made = {"node_modules", "__pycache__"}
        files = [path for path in example.rglob("*") if path.is_file() and made.isdisjoint(path.parts)]
        for name in re.findall(r"\bOTPOST_[A-Z]+\b", "".join(path.read_text() for path in files)):
            assert f"{name}=" in PAGE
    backends = {(EXAMPLES / name / "server.js").read_text() for name in ("widget_react", "widget_vue")}
    assert len(backends) == 1  # each example can be taken alone


def reopened(tab: Any, address: str) -> Any:
    """Another tab with the page, after the first has the session."""
    playwright.expect(tab.get_by_label("Phone number")).to_be_visible()
    other = tab.context.new_page()
    other.goto(address)
    return other


def test_plain_html(shop, tab):
    tab.goto(shop)
    tab = reopened(tab, shop)
    verify(tab)
    playwright.expect(tab.locator("#phone")).to_have_text(f"valid: {PHONE}")
    tab.reload()
    playwright.expect(tab.locator("#phone")).to_have_text(f"valid: {PHONE}")


def lure(url: str) -> None:
    """Somebody else verifies a phone in a session, on our pages."""
    victim = Browser()
    victim.go(url)
    victim.submit(phone=PHONE)
    victim.submit(code=code_in(outbox[-1].body))


def test_plain_html_does_not_believe_whoever_lures_another(otpost, settings):
    app = flask_app(EXAMPLE)
    with serving(app) as address:
        let_in(settings, address)
        attacker = app.test_client()
        shown = attacker.get("/", base_url=address).text
        (id,) = re.findall('session="(.+?)"', shown)
        lure(f"{otpost}/s/{id}")
        answer = attacker.post("/verified", base_url=address, data="no-proof")
    assert answer.json == {"status": "invalid", "phone": None}


@contextmanager
def started(name: str, folder: Path) -> Iterator[str]:
    """An example of Vite, started as a newcomer does; its address."""
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("node_modules"))
    packages = folder / "node_modules"  # of its own, as Vite writes into it
    packages.mkdir()
    for one in NODE_MODULES.iterdir():
        (packages / one.name).symlink_to(one)
    port, log = free_port(), folder / "log"
    with log.open("w") as said:
        process = subprocess.Popen(
            ["npm", "start", "--", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=os.environ | {"NO_COLOR": "1"},  # with CI set it would colour what is read below
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        wait_for(lambda: "Local:" in log.read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.skipif(
    not (NODE_MODULES / "vite").exists(), reason="needs npm's vite@8.3.8 where NODE_PATH says"
)
@pytest.mark.parametrize("name", ["widget_react", "widget_vue"])
def test_a_framework(otpost, settings, tab, tmp_path, name):
    with started(name, tmp_path / name) as address:
        let_in(settings, address)
        attacker = build_opener(HTTPCookieProcessor()).open
        lure(json.load(attacker(f"{address}/api/session"))["url"])
        told = json.load(attacker(f"{address}/api/verified", b"no-proof"))
        assert told == {"status": "invalid", "phone": None}
        tab.goto(address)
        tab = reopened(tab, address)
        verify(tab)
        playwright.expect(tab.locator("#phone")).to_have_text(f"valid: {PHONE}")
