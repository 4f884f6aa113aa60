"""The dashboard in a real browser: what an operator sees and does, and what stays closed."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from otp.dashboard.door import PAGES
from tests.e2e.browser import AXE, CHROMIUM, audit, axe, running_demo

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(60)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)

SIZES = [(1280, 900), (390, 844), (360, 740)]


@pytest.fixture(scope="module")
def demo() -> Iterator[SimpleNamespace]:
    with running_demo() as found:
        yield found


class Operator:
    """Somebody at a browser of their own."""

    def __init__(self, demo: SimpleNamespace, context: Any) -> None:
        self.demo, self.context = demo, context
        self.faults: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self.note)

    def note(self, message: Any) -> None:
        # A refused form has its own status, which a browser prints as if it were a fault.
        if message.type in ("error", "warning") and not re.search(r"status of (403|422)", message.text):
            self.faults.append(message.text)

    def open(self, path: str = "") -> Any:
        return self.page.goto(f"{self.demo.url}/dashboard/{path}")

    def log_in(self, path: str = "", key: str = "") -> None:
        self.open(path)
        self.page.get_by_label("API key").fill(key or self.demo.api_key)
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Log in").click()

    def heading(self) -> str:
        return self.page.get_by_role("heading", level=1).inner_text()

    def asked(self) -> int:
        """The first figure of the page: the codes that were asked for in the last hour."""
        return int(self.page.locator(".funnel .big").first.inner_text().replace(",", ""))


@pytest.fixture
def come(demo, chromium) -> Iterator[Any]:
    """Make operators; none of their browsers may have had anything to complain about."""
    operators: list[Operator] = []

    def arrive(**options: Any) -> Operator:
        operators.append(Operator(demo, chromium.new_context(**options)))
        return operators[-1]

    yield arrive
    for operator in operators:
        operator.context.close()
    assert [operator.faults for operator in operators] == [[]] * len(operators)


@pytest.fixture
def operator(come) -> Operator:
    found = come()
    found.log_in()
    return found


def send(demo: SimpleNamespace, number: str) -> None:
    """Start a verification as a program does."""
    headers = {"Authorization": f"Bearer {demo.api_key}", "Content-Type": "application/json"}
    body = json.dumps({"phone": number}).encode()
    request = urllib.request.Request(f"{demo.url}/v1/verifications", body, headers)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status == 202


# --- the way in ------------------------------------------------------------------------------------


def test_a_login_leads_to_the_page_that_was_asked_for(come):
    operator = come()
    operator.log_in("guard")
    assert operator.heading() == "Guard"
    assert operator.page.url.endswith("/dashboard/guard")
    operator.page.get_by_role("link", name="Providers").click()
    playwright.expect(operator.page.get_by_role("heading", level=1)).to_have_text("Providers")


def test_no_key_stays_in_the_browser(operator):
    key = operator.demo.api_key
    kept = json.dumps(operator.context.cookies()) + json.dumps(operator.context.storage_state())
    assert key not in kept + operator.page.url + operator.page.content()
    (session,) = (one for one in operator.context.cookies() if one["name"] == "otpost-dashboard")
    assert (session["httpOnly"], session["sameSite"]) == (True, "Strict")
    assert operator.page.evaluate("document.cookie") == ""


def test_a_wrong_key_stays_outside(come):
    operator = come()
    operator.log_in(key="otpost_of-nobody")
    assert "not in API_KEYS" in operator.page.locator("#key-error").inner_text()
    assert operator.page.get_by_label("API key").input_value() == ""
    assert operator.open("providers").url.endswith("/dashboard/login?next=%2Fdashboard%2Fproviders")


def test_after_the_logout_the_back_button_shows_nothing(operator):
    operator.page.get_by_role("button", name="Log out").click()
    playwright.expect(operator.page.get_by_role("heading", level=1)).to_have_text("Log in")
    operator.page.go_back()
    assert operator.heading() == "Log in"


def test_an_open_page_goes_to_the_login_when_its_session_is_over(operator):
    """The browser drops the cookie when its time is up."""
    operator.context.clear_cookies(name="otpost-dashboard")
    operator.page.wait_for_url("**/dashboard/login?next=*", timeout=6_000)
    operator.page.get_by_label("API key").fill(operator.demo.api_key)
    operator.page.keyboard.press("Enter")
    operator.page.wait_for_url("**/dashboard/")


def test_a_form_of_another_site_does_nothing(operator, demo):
    """Even in a browser that sends the cookie: the order lacks the token."""
    cookies = "; ".join(f"{one['name']}={one['value']}" for one in operator.context.cookies())
    sent = operator.context.request.post(
        f"{demo.url}/dashboard/guard/order", form={"block": "FR"}, headers={"Cookie": cookies}
    )
    assert sent.status == 403
    operator.open("guard")
    assert "France" not in operator.page.locator("#live").inner_text()


def test_no_other_site_can_frame_it(operator, demo):
    operator.page.goto("about:blank")
    operator.page.set_content(f'<iframe src="{demo.url}/dashboard/login"></iframe>')
    operator.page.wait_for_timeout(500)
    (_, framed) = operator.page.frames
    assert framed.url.startswith("chrome-error:")
    operator.faults.clear()


# --- live ------------------------------------------------------------------------------------------


def test_the_funnel_changes_within_three_seconds_of_a_code(operator, demo):
    before = operator.asked()
    send(demo, "+12025550190")
    sent = time.monotonic()
    playwright.expect(operator.page.locator(".funnel .big").first).to_have_text(
        str(before + 1), timeout=3_000
    )
    assert time.monotonic() - sent < 3
    operator.page.reload()
    assert operator.asked() == before + 1


def test_while_nothing_happens_nothing_is_sent(operator):
    statuses: list[int] = []
    operator.page.on("response", lambda response: statuses.append(response.status))
    operator.page.wait_for_timeout(5_000)
    assert statuses[-1] == 304
    assert 1 <= len(statuses) <= 3


def test_what_is_open_and_has_the_focus_stays_so(operator, demo):
    before, asked = operator.asked(), operator.page.locator(".funnel .big").first
    send(demo, "+12025550190")  # so that there is a figure whose table can be opened
    playwright.expect(asked).to_have_text(str(before + 1), timeout=6_000)
    operator.page.locator("summary").first.click()
    operator.page.locator("#period-day").focus()
    send(demo, "+12025550191")
    playwright.expect(asked).to_have_text(str(before + 2), timeout=6_000)
    assert operator.page.locator("details").first.get_attribute("open") is not None
    assert operator.page.evaluate("document.activeElement.id") == "period-day"


def test_a_page_says_when_it_is_old_and_what_is_wrong(operator, demo):
    operator.context.set_offline(True)
    playwright.expect(operator.page.get_by_text("This page is out of date")).to_be_visible(timeout=15_000)
    operator.context.set_offline(False)
    playwright.expect(operator.page.get_by_text("This page is out of date")).to_be_hidden(timeout=6_000)
    store = Redis(port=demo.redis_port)
    (beat,) = store.keys("*:sms:beat")
    namespace = beat.decode().removesuffix(":sms:beat")
    now = int(time.time() * 1000)
    store.hset(
        f"{namespace}:sms:health:phone", mapping={"open_until": now + 60_000, "opened_at": now - 90_000}
    )
    playwright.expect(operator.page.locator("#said")).to_contain_text("phone is left out", timeout=6_000)
    playwright.expect(operator.page.locator("#left-out-table")).to_contain_text("everywhere")
    operator.faults = [fault for fault in operator.faults if "ERR_INTERNET_DISCONNECTED" not in fault]
    store.delete(f"{namespace}:sms:health:phone")


def test_times_are_those_of_the_clock_on_the_wall(come, demo):
    send(demo, "+12025550192")
    shown = {}
    for zone in ("UTC", "Asia/Kolkata"):
        operator = come(timezone_id=zone, locale="en-GB")
        operator.log_in()
        operator.page.locator("summary").first.click()
        time_ = operator.page.locator("#times-1-table time").first
        shown[zone] = time_.inner_text()
        assert time_.get_attribute("title").endswith("UTC")
    hours = {zone: int(text[-5:-3]) * 60 + int(text[-2:]) for zone, text in shown.items()}
    assert (hours["Asia/Kolkata"] - hours["UTC"]) % (24 * 60) == 330


# --- acting ----------------------------------------------------------------------------------------


def test_the_guard_is_told_by_the_form_and_by_a_row(operator, demo):
    operator.open("guard")
    operator.page.get_by_label("Country or prefix").fill("FR")
    operator.page.get_by_role("button", name="Apply").click()
    playwright.expect(operator.page.locator(".said")).to_contain_text("FR would be blocked until")
    row = operator.page.get_by_role("row").filter(has_text="France (FR)")
    playwright.expect(row).to_contain_text("blocked")
    assert "FR" not in operator.page.url
    playwright.expect(row.get_by_role("button", name="Block")).to_be_hidden()  # one press does nothing
    row.get_by_text("Change").click()
    playwright.expect(row.get_by_role("button", name="Block")).to_be_visible()
    row.get_by_role("button", name="Release").click()
    playwright.expect(operator.page.locator(".said")).to_contain_text("FR is released.")
    operator.page.reload()
    assert operator.page.locator(".said").count() == 0


def test_everything_works_without_javascript(come, demo):
    send(demo, "+12025550193")
    operator = come(java_script_enabled=False)
    operator.log_in()
    assert operator.asked() >= 1
    operator.page.get_by_role("link", name="14 days").click()
    assert operator.page.get_by_role("link", name="14 days").get_attribute("aria-current") == "true"
    assert operator.page.locator("svg[role=img] polyline, svg[role=img] line.dot").count() >= 1
    operator.open("guard")
    operator.page.get_by_label("Country or prefix").fill("+4477")
    operator.page.get_by_label("Order", exact=True).select_option("allow")
    operator.page.get_by_role("button", name="Apply").click()
    assert "+4477 is allowed until" in operator.page.locator(".said").inner_text()
    operator.page.get_by_text("Change +4477").click()
    operator.page.get_by_role("button", name="Release +4477").click()
    assert "+4477 is released." in operator.page.locator(".said").inner_text()


def test_the_keyboard_alone_is_enough(come, demo):
    operator = come()
    operator.open("guard")
    keys = operator.page.keyboard
    keys.type(demo.api_key)  # the field has the focus
    keys.press("Enter")
    operator.page.wait_for_url("**/dashboard/guard")
    keys.press("Tab")
    assert operator.page.evaluate("document.activeElement.className") == "skip"
    keys.press("Enter")
    assert operator.page.evaluate("document.activeElement.id") == "main"
    operator.page.locator("#scope").focus()
    keys.type("ES")
    keys.press("Enter")
    playwright.expect(operator.page.locator(".said")).to_contain_text("ES would be blocked until")
    operator.page.locator("#change-ES").focus()
    keys.press("Enter")
    keys.press("Tab")
    assert operator.page.evaluate("document.activeElement.id") == "release-ES"
    keys.press("Enter")
    playwright.expect(operator.page.locator(".said")).to_contain_text("ES is released.")
    operator.page.wait_for_load_state()  # with its looks
    assert (
        operator.page.evaluate("getComputedStyle(document.querySelector('.top nav a')).outlineStyle")
        == "none"
    )
    operator.page.locator(".top nav a").first.focus()
    keys.press("Shift+Tab")
    keys.press("Tab")
    assert operator.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


# --- how it looks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_on_every_screen(come, demo, scheme):
    send(demo, "+12025550194")
    for width, height in SIZES:
        operator = come(color_scheme=scheme, viewport={"width": width, "height": height})
        operator.open()
        assert audit(operator.page) == [], ("login", width)
        operator.log_in()
        for name in PAGES:
            operator.open({"now": "", "dead_letters": "dead-letters"}.get(name, name))
            assert operator.heading() == PAGES[name]
            assert audit(operator.page) == [], (name, width)


@pytest.mark.skipif(not AXE.exists(), reason="needs npm's axe-core@4.14.1 where NODE_PATH says")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(come, demo, scheme):
    send(demo, "+12025550195")
    operator = come(color_scheme=scheme)
    operator.open()
    found = {"login": axe(operator.page)}
    operator.log_in()
    for name in PAGES:
        operator.open({"now": "", "dead_letters": "dead-letters"}.get(name, name))
        for details in operator.page.locator("summary").all():
            details.click()
        found[name] = axe(operator.page)
    assert not any(found.values()), found
