"""A session in a real browser: there and back, whatever its user does in between, without JavaScript too."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from sms.testing import code_in, outbox
from tests.e2e.browser import CHROMIUM, visits
from tests.e2e.host import let_in, page, served_otpost
from tests.serving import serving
from tests.settings import API_KEY

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(15)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)

PHONE, OTHER = "+12025550123", "+12025550124"


@dataclass
class Program:
    """A program that sends its users to our pages, and gets them back at its ``address``."""

    otpost: str
    address: str = ""
    id: str = ""

    def ask(self, path: str, body: dict[str, str] | None = None) -> Any:
        data = json.dumps(body).encode() if body else None
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.otpost}/v1/sessions{path}", data, headers)  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)

    def session(self) -> str:
        """A new one; its url."""
        made = self.ask("", {"return_url": f"{self.address}/?step=2", "state": "4f3a"})
        self.id = made["id"]
        return str(made["url"])

    def has_back(self, tab: Any, phone: str) -> None:
        """The user is here again, as agreed, and ``phone`` is verified."""
        tab.wait_for_url(f"{self.address}/?*")
        playwright.expect(tab.locator("body")).to_have_text("Welcome back")
        found = self.ask(f"/{self.id}")
        assert (found["status"], found["phone"]) == ("valid", phone)
        said = {"step": "2", "session": self.id, "state": "4f3a", "proof": found["proof"]}
        assert dict(parse_qsl(urlsplit(tab.url).query)) == said


@pytest.fixture
def program(settings) -> Iterator[Program]:
    html = "<!doctype html><title>Shop</title><link rel=icon href=data:,><body>Welcome back"
    with served_otpost(settings) as otpost, serving(page(lambda: html, lambda: "")) as address:
        let_in(settings, address)
        yield Program(otpost, address)


@pytest.fixture
def visit(chromium) -> Iterator[Any]:
    with visits(chromium) as arrive:
        yield arrive


def ask_for_code(tab: Any, phone: str) -> str:
    """From the page for the number to that for the code; the code."""
    tab.locator("#phone").fill(phone)
    tab.locator("#phone").press("Enter")
    tab.wait_for_url("**/code")
    assert outbox[-1].to == phone
    return code_in(outbox[-1].body)


def guess(tab: Any, code: str, *, javascript: bool = True) -> None:
    with tab.expect_navigation():
        tab.locator("#code").fill(code)  # the script sends it with its last digit
        if not javascript:
            tab.get_by_role("button", name="Verify", exact=True).click()


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def sees(tab: Any, words: str) -> None:
    playwright.expect(tab.locator("main")).to_contain_text(words)


@pytest.mark.parametrize("javascript", [True, False])
def test_there_and_back_with_back_and_reload_in_the_middle(program, visit, javascript):
    tab = visit(java_script_enabled=javascript)
    tab.goto(program.session())
    sees(tab, "Verify your phone")
    tab.reload()
    code = ask_for_code(tab, PHONE)
    tab.go_back()
    sees(tab, "Verify your phone")
    tab.go_forward()
    sees(tab, "3 attempts left")
    guess(tab, wrong(code), javascript=javascript)
    for _ in range(2):
        sees(tab, "2 attempts left")
        tab.reload()
    tab.go_back()
    tab.reload()
    tab.go_forward()
    sees(tab, "2 attempts left")
    assert program.ask(f"/{program.id}")["status"] == "pending"
    guess(tab, code, javascript=javascript)
    program.has_back(tab, PHONE)
    assert len(outbox) == 1


def test_two_tabs_of_a_session_keep_to_their_own_number(program, visit):
    first, url = visit(), program.session()
    first.goto(url)
    ask_for_code(first, PHONE)
    second = first.context.new_page()
    second.goto(url)
    other = ask_for_code(second, OTHER)
    guess(first, other)
    sees(first, "2 attempts left")
    guess(second, wrong(other))
    sees(second, "2 attempts left")  # of its own
    guess(second, other)
    program.has_back(second, OTHER)


@pytest.mark.parametrize("then", ["looks by itself", "is loaded again", "gets its own code, too late"])
def test_a_tab_is_told_that_another_has_finished_the_session(program, visit, then):
    javascript = then == "looks by itself"
    first, url = visit(java_script_enabled=javascript), program.session()
    first.goto(url)
    code = ask_for_code(first, PHONE)
    second = first.context.new_page()
    second.goto(url)
    guess(second, ask_for_code(second, OTHER), javascript=javascript)
    program.has_back(second, OTHER)
    first.bring_to_front()
    if javascript:
        with suppress(playwright.Error):  # it may have left as it came to the front
            first.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    elif "again" in then:
        first.reload()
    else:
        guess(first, code, javascript=False)
    program.has_back(first, OTHER)
    assert len(outbox) == 2
