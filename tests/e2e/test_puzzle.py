"""The puzzle of ``otp.challenges.altcha`` in a real browser, on a page of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otp import services
from otp.caller import Caller
from sms.testing import outbox
from tests.e2e.browser import CHROMIUM, audit
from tests.e2e.host import let_in, page, served_otpost
from tests.e2e.shop import Shop, ask_for_code, done, field, newest, see
from tests.otp.admission.calls import PHONE, numbers
from tests.serving import serving

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(15)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)


@pytest.fixture
def site(settings, redis) -> Iterator[str]:
    """Pages on which a browser that has sent two codes has a puzzle to solve."""
    settings.OTP_CHALLENGE = "otp.challenges.altcha"
    settings.OTP_ALTCHA = {"work": 30}
    settings.OTP_LIMITS = "ip=4/10m"
    with served_otpost(settings) as address:
        yield address


@pytest.fixture
def hot(site) -> str:
    for phone in numbers(2):
        services.start(phone, caller=Caller(ip="127.0.0.1"))
    outbox.clear()
    return site


class Visitor:
    """Somebody at the page, and what their browser complains about, such as what the CSP holds back."""

    def __init__(self, context: Any, site: str) -> None:
        self.context, self.site = context, site
        self.page = context.new_page()
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url.removeprefix(site)))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self.note)

    def note(self, message: Any) -> None:
        if message.type in ("error", "warning") and "status of 403" not in message.text:
            self.faults.append(message.text)

    def ask(self, button: str = "Send the code") -> None:
        self.page.goto(self.site)
        self.page.get_by_label("Phone number").fill(PHONE)
        self.page.get_by_role("button", name=button).click()

    def hold(self) -> list[Any]:
        """Let the script of the puzzle wait until it is let go on."""
        held: list[Any] = []

        def keep(route: Any) -> None:
            held.append(route)

        self.page.route("**/puzzle.js", keep)
        return held

    def let_go(self, held: list[Any]) -> None:
        while not held:
            self.page.wait_for_timeout(20)
        held.pop().continue_()


@pytest.fixture
def visit(chromium) -> Iterator[Any]:
    contexts: list[Any] = []

    def arrive(site: str, **options: Any) -> Visitor:
        contexts.append(chromium.new_context(**options))
        return Visitor(contexts[-1], site)

    yield arrive
    for context in contexts:
        context.close()


def test_where_nothing_is_hot_nobody_sees_a_puzzle(site, visit):
    visitor = visit(site)
    visitor.ask()
    visitor.page.wait_for_url("**/code")
    assert not [path for path in visitor.asked if "puzzle" in path]
    assert len(outbox) == 1


def test_a_browser_solves_it_by_itself_and_the_code_goes_out(hot, visit):
    visitor = visit(hot)
    held = visitor.hold()
    visitor.ask()
    page = visitor.page
    playwright.expect(page.get_by_role("status")).to_contain_text("Your browser is doing a short check")
    playwright.expect(page.get_by_role("button", name="Send")).to_be_disabled()
    playwright.expect(page).to_have_title("Verify your phone · Otpost")
    assert audit(page) == []
    assert not outbox
    visitor.let_go(held)
    page.wait_for_url("**/code")
    assert [message.to for message in outbox] == [PHONE]
    assert visitor.faults == []
    # No other server took part, and no address contains the solution.
    assert not [path for path in visitor.asked if path.startswith("http") or "?" in path]


def test_it_sends_the_form_by_the_button_that_was_pressed(hot, visit, settings):
    settings.SMS_PROVIDERS = {"main": "twilio://AC1:token@?from=%2B12025550100", "out": "memory://"}
    settings.SMS_ROUTES, settings.OTP_REVERSE = {"default": "out"}, {"main": "+12025550100"}
    settings.OTP_PURPOSES = {"login": {"reverse": True}}
    visitor = visit(hot)
    visitor.ask("Send us an SMS instead")
    visitor.page.wait_for_url("**/code")
    playwright.expect(visitor.page).to_have_title("Send us this SMS · Otpost")
    assert [path for path in visitor.asked if "puzzle" in path]
    assert (outbox, visitor.faults) == ([], [])


def test_an_answer_that_is_refused_is_not_tried_for_ever(hot, visit, settings):
    """As if a server with another secret gets the answer: then the user decides."""
    visitor = visit(hot)
    held = visitor.hold()
    visitor.ask()
    playwright.expect(visitor.page.get_by_role("status")).to_be_visible()
    settings.PHONE_SECRET_KEY = "another secret of 32 characters and more"
    for phone in numbers(2):
        services.start(phone, caller=Caller(ip="127.0.0.1"), challenge="")
    outbox.clear()
    visitor.let_go(held)
    error = visitor.page.locator("#phone-error")
    playwright.expect(error).to_contain_text("Please complete the check in this form")
    visitor.let_go(held)
    button = visitor.page.get_by_role("button", name="Send the code")
    playwright.expect(button).to_be_enabled()
    assert not outbox
    button.click()
    visitor.page.wait_for_url("**/code")
    assert len(outbox) == 1


def test_a_browser_that_cannot_solve_it_is_told_so(hot, visit):
    visitor = visit(hot)
    visitor.page.route("**/puzzle.js", lambda route: route.abort())
    visitor.ask()
    playwright.expect(visitor.page.get_by_role("status")).to_contain_text("needs JavaScript and a current")
    assert not outbox


def test_without_javascript_it_is_told_so(hot, visit):
    visitor = visit(hot, java_script_enabled=False)
    visitor.ask()
    playwright.expect(visitor.page.get_by_role("status")).to_contain_text("needs JavaScript and a current")
    assert not outbox


# --- in the widget ---------------------------------------------------------------------------------


@pytest.fixture
def shop(chromium, hot, settings) -> Iterator[Shop]:
    found = Shop(chromium, hot)
    with serving(page(lambda: found.html, lambda: found.policy)) as found.address:
        let_in(settings, found.address)
        yield found
        for context in found.contexts:
            context.close()
    assert found.faults == []


def test_the_widget_solves_it_under_a_strict_policy(shop):
    session = shop.sell()
    found = shop.visit(locale="en-US")
    ask_for_code(found)
    assert [message.to for message in outbox] == [PHONE]
    found.keyboard.type(newest())
    done(found, session)
    assert found.evaluate("heard") == [["otpost-verified", session.id]]


def test_the_widget_leaves_it_to_the_user_to_try_again(shop, settings):
    settings.OTP_ALTCHA = {"work": 30, "hot": 0}

    def change_secret(route):
        settings.PHONE_SECRET_KEY = "another secret of 32 characters and more"
        route.continue_()

    shop.sell()
    found = shop.visit(routes={"**/puzzle.js": change_secret}, locale="en-US")
    field(found).fill(PHONE)
    field(found).press("Enter")
    see(found, "Please complete the check in this form")
    ask_for_code(found)
    assert found.evaluate("heard") == [["otpost-error", "challenge_required"]]
    assert len(outbox) == 1


def test_a_widget_that_cannot_solve_it_says_so(shop):
    shop.sell()
    found = shop.visit(routes={"**/puzzle.js": lambda route: route.fulfill(status=404)}, locale="en-US")
    field(found).fill(PHONE)
    field(found).press("Enter")
    see(found, "needs JavaScript and a current browser")
    assert found.evaluate("heard") == [["otpost-error", "challenge_required"]]
    assert not outbox
