"""Pages that only some sites show, or that end a session: each looked at as the others are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otp import sessions
from tests.e2e import test_puzzle
from tests.e2e.browser import CHROMIUM
from tests.e2e.host import served_otpost
from tests.e2e.looks import assert_sound
from tests.e2e.shop import PHONE, newest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(20)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)

site, hot = test_puzzle.site, test_puzzle.hot

BACK = "https://shop.example/verified"


@pytest.fixture
def otpost(settings) -> Iterator[str]:
    with served_otpost(settings) as address:
        yield address


@pytest.fixture
def arrive(chromium) -> Iterator[Any]:
    """Open a page in a browser of its own."""
    contexts: list[Any] = []

    def visit(url: str) -> Any:
        contexts.append(chromium.new_context(reduced_motion="reduce"))
        page = contexts[-1].new_page()
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()


def ask(page: Any, button: str = "form:has(#phone) button.main") -> None:
    page.locator("#phone").fill(PHONE)
    page.locator(button).click()


def sees(page: Any, words: str) -> None:
    playwright.expect(page.locator("main")).to_contain_text(words)


def test_a_session_that_another_browser_has_opened(otpost, arrive):
    url = f"{otpost}/s/{sessions.create(owner='tests', return_url=BACK).id}"
    arrive(url)
    page = arrive(url)
    sees(page, "This link was opened in another browser")
    assert_sound(page, "elsewhere")


def test_a_session_that_is_done_leads_back(otpost, arrive):
    session = sessions.create(owner="tests", return_url=BACK)
    page = arrive(f"{otpost}/s/{session.id}")
    # It leads there at once; with such an answer a browser stays where it is.
    page.route(f"{BACK}*", lambda route: route.fulfill(status=204))
    ask(page)
    page.locator("#code").fill(newest())
    page.wait_for_url("**/done", wait_until="commit")  # a page that leaves need not have loaded
    assert BACK in page.get_by_role("link", name="Continue").get_attribute("href")
    assert_sound(page, "done, with the way back")


def test_the_page_that_says_what_to_send_us(otpost, arrive, settings):
    settings.SMS_PROVIDERS = {"main": "twilio://AC1:token@?from=%2B12025550100", "out": "memory://"}
    settings.SMS_ROUTES, settings.OTP_REVERSE = {"default": "out"}, {"main": "+12025550100"}
    settings.OTP_PURPOSES = {"login": {"reverse": True, "lifetime": 600}}
    page = arrive(otpost)
    assert_sound(page, "number, or the other way round")
    ask(page, "button[name=reverse]")
    page.wait_for_url("**/code")
    assert page.locator(".to-send").is_visible()
    assert_sound(page, "what to send us")


@pytest.mark.parametrize("solver", ["works", "is not there"])
def test_the_puzzle_on_the_page_for_the_number(hot, arrive, solver):
    page = arrive(hot)

    def answer(route: Any) -> None:
        if solver == "is not there":
            route.abort()  # else it works for ever

    page.route("**/puzzle.js", answer)
    ask(page)
    status = page.locator("[data-puzzle]")

    def again() -> None:
        playwright.expect(status).to_be_visible()
        playwright.expect(page.locator("form:has(#phone) button.main")).to_be_disabled()

    again()
    assert_sound(page, f"puzzle, whose solver {solver}", again)


@pytest.mark.parametrize("language", ["en", "de", "fa"])
def test_nothing_moves_when_the_wait_for_another_code_is_over(otpost, arrive, settings, language):
    settings.LANGUAGE_CODE = language
    settings.OTP_PURPOSES = {"login": {"cooldown": 4, "lifetime": 600}}
    page = arrive(otpost)
    page.set_viewport_size({"width": 412, "height": 900})
    ask(page)
    page.wait_for_url("**/code")
    waiting = page.locator("[data-wait]:visible")
    waiting.wait_for()
    before = places(page)
    waiting.wait_for(state="hidden")
    assert len(before) == 3
    assert places(page) == before


def places(page: Any) -> list[dict[str, float]]:
    """The place and size of each button."""
    return [button.bounding_box() for button in page.locator("main button").all()]
