"""examples/handoff_flask in a real browser: there, back again, and what else people do in one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sms.testing import code_in, outbox
from tests.e2e.browser import CHROMIUM, visits

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(15)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)

EXAMPLE, PHONE = "handoff_flask", "+12025550123"
BACK = "**/?session=*"


@pytest.fixture
def visit(chromium) -> Iterator[Any]:
    with visits(chromium, but="404") as arrive:  # the shop has no icon
        yield arrive


def ask_for_code(tab: Any, shop: str) -> str:
    """From the shop to the page for the code; the address of the session."""
    with tab.expect_request("**/s/*") as there:
        tab.goto(shop)
    tab.locator("#phone").fill(PHONE)
    tab.locator("#phone").press("Enter")
    tab.wait_for_url("**/code")
    return str(there.value.url)


def believed(tab: Any, shop: str) -> None:
    tab.wait_for_url(BACK)
    assert tab.url.startswith(f"{shop}/?session=")
    playwright.expect(tab.locator("body")).to_have_text(f"Hello {PHONE}")


def policy_of(answer: Any) -> str:
    return str(answer.headers.get("content-security-policy", ""))


@pytest.mark.parametrize("javascript", [True, False])
def test_there_and_back_and_once_more(shop, visit, javascript):
    """With our policy on our pages; it holds where a form of theirs leads to another site."""
    tab = visit(java_script_enabled=javascript)
    policies: dict[str, str] = {}
    tab.on("response", lambda answer: policies.update({answer.url: policy_of(answer)}))
    ask_for_code(tab, shop)
    assert "form-action 'self'" in policies[tab.url]
    tab.locator("#code").fill(code_in(outbox[-1].body))
    if not javascript:  # which sends it with the last digit
        tab.get_by_role("button", name="Verify", exact=True).click()
    believed(tab, shop)
    tab.reload()
    believed(tab, shop)
    tab.go_back(wait_until="commit")  # to a page of ours, which leads on again
    believed(tab, shop)
    assert len(outbox) == 1


def test_the_other_tab_of_a_session_comes_back_too(shop, visit):
    tab = visit()
    session = ask_for_code(tab, shop)
    other = tab.context.new_page()
    other.goto(session)
    other.locator("#phone").wait_for()
    tab.locator("#code").fill(code_in(outbox[-1].body))
    believed(tab, shop)
    other.reload()
    believed(other, shop)
    assert len(outbox) == 1
