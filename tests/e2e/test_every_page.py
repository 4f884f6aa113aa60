"""Every page in every state, at every width, in the dark and in three languages: what axe says of it.

And what a screen reader finds.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from tests.e2e.looks import assert_sound, reload

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from tests.e2e import test_browser as pages  # noqa: E402  # which needs it as well

pytestmark = pytest.mark.together(40)

demo, visit, visitor = pages.demo, pages.visit, pages.visitor


def session(demo: Any, **more: str) -> str:
    """A hand-off of the demo's key; its address."""
    body = json.dumps({"return_url": "http://localhost:3000/", **more}).encode()
    headers = {"Authorization": f"Bearer {demo.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{demo.url}/v1/sessions", body, headers)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        url: str = json.load(answer)["url"]
    return url


def states(visitor: pages.Visitor) -> Iterator[str]:
    """Go through all of them; the name of each, while its page is open."""
    page, demo, wrong = visitor.page, visitor.demo, pages.wrong

    def send(name: str, value: str, button: str = "form:has(#phone) button.main") -> None:
        page.locator(f"#{name}").fill(value)
        with page.expect_navigation():
            page.locator(button).click()

    visitor.open()
    yield "number"
    page.locator("#country").click()
    yield "number, countries open"
    visitor.open()
    send("phone", "12")
    yield "number, refused"
    code = visitor.ask_for_code()
    yield "code"
    for state, fault in (("unknown", ""), ("failed", ""), ("failed", "undelivered")):
        pages.let(demo, state=state, fault=fault)
        reload(page)
        yield f"code, SMS {state} {fault}"
    playwright.expect(page.locator("button[value=voice]")).to_be_enabled()
    page.locator("button[value=voice]").click()
    page.wait_for_selector("button[value=sms]")
    yield "code, called"
    for state in ("code, wrong", "code, wrong again", "blocked"):
        with page.expect_navigation():
            page.locator("#code").fill(wrong(code))
        if state != "code, wrong again":
            yield state
    again = page.locator("button[data-resend]")
    playwright.expect(again).to_be_enabled()
    again.click()
    page.wait_for_selector("#code")
    code = visitor.code(nth=3)
    pages.hasten(demo, 0.001)
    reload(page)
    yield "expired"
    playwright.expect(again).to_be_enabled()
    again.click()
    page.wait_for_selector("#code")
    page.locator("#code").fill(visitor.code(nth=4))
    page.wait_for_url("**/done")
    yield "done"
    yield from more_states(visitor)


def more_states(visitor: pages.Visitor) -> Iterator[str]:
    """Those without a code."""
    page = visitor.page
    visitor.open("/s/never")
    yield "session, over"
    page.goto(session(visitor.demo, phone=visitor.number))
    yield "number of a session, given"
    visitor.context.clear_cookies()
    with page.expect_navigation():
        page.locator("button.main").click()
    yield "no cookies"
    # The demo has error pages for developers, so show the real ones instead.
    page.route("**/error/*", lambda route: route.fulfill(body=error_page(route.request)))
    for name in ("400", "403_csrf", "404", "500"):
        visitor.open(f"/error/{name}")
        yield name


def error_page(request: Any) -> str:
    with translation.override(request.header_value("Accept-Language")):
        return render_to_string(f"{request.url.rpartition('/')[2]}.html")


@pytest.mark.timeout(300)
def test_every_state_is_sound_at_every_width_in_light_and_dark_and_in_three_languages(visit):
    visitor = visit(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page, seen = visitor.page, []
    visitor.expected += "|403"
    for state in states(visitor):
        assert_sound(page, state, page.locator("#country").click if "open" in state else None)
        seen.append(state)
    assert len(set(seen)) == 19


# --- what a screen reader finds -----------------------------------------------------------------------------


def tree(visitor: pages.Visitor) -> list[tuple[str, str]]:
    """Role and name of what it announces, in order, but for texts and the demo's phone."""
    session = visitor.context.new_cdp_session(visitor.page)
    nodes = {node["nodeId"]: node for node in session.send("Accessibility.getFullAXTree")["nodes"]}
    found: list[tuple[str, str]] = []

    def walk(id: str) -> None:
        node = nodes[id]
        role, name = (node.get(key, {}).get("value", "") for key in ("role", "name"))
        if role == "complementary":
            return
        if not node["ignored"] and role in ROLES:
            found.append((role, name.strip()))
        for child in node.get("childIds", []):
            walk(child)

    walk(next(iter(nodes)))
    return found


ROLES = {
    "alert",
    "banner",
    "button",
    "combobox",
    "heading",
    "link",
    "main",
    "option",
    "status",
    "textbox",
    "timer",
}


def test_a_screen_reader_finds_names_and_roles(visitor):
    visitor.open()
    start = [("banner", ""), ("link", "Otpost"), ("main", "")]
    form = [("combobox", "Country"), ("textbox", "Phone number"), ("button", "Send the code")]
    assert tree(visitor) == [*start, ("heading", "Verify your phone"), *form]
    country = visitor.page.get_by_role("combobox", name="Country")
    country.fill("germ")
    assert ("option", "Germany (\u2066+49\u2069)") in tree(visitor)
    country.press("Escape")
    code = visitor.ask_for_code()
    found = [(role, re.sub(" in 0:0.", "", name)) for role, name in tree(visitor) if role != "status"]
    assert found == [
        *start,
        *(("heading", "Enter the code"), ("textbox", "Code"), ("timer", ""), ("button", "Verify")),
        *(("button", name) for name in ("Send again", "Call me", "Use another number")),
    ]
    visitor.guess(pages.wrong(code))
    field = visitor.page.get_by_label("Code", exact=True)
    playwright.expect(field).to_have_accessible_description(re.compile("^That is not the code"))
