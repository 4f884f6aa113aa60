"""Reverse verification in a real browser: the user sends us the SMS, and Twilio hands it over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from twilio.request_validator import RequestValidator

from config.demo.embedded import EmbeddedServer
from tests.attack.wire import post
from tests.e2e.browser import CHROMIUM, audit
from tests.faults.stack import Stack

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(15)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)

TOKEN, PUBLIC, OURS = "0" * 32, "http://otp.example.com", "+12025550100"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        "SMS_PROVIDERS": f"main=twilio://AC{'0' * 32}:{TOKEN}@?from=%2B12025550100",
        "OTP_PURPOSES": '{"login": {"reverse": true, "cooldown": 1}}',
        "OTP_REVERSE": f"main={OURS}|+442079460100",
        "PUBLIC_URL": PUBLIC,
        "PAGES": "open",
    }
    with EmbeddedServer() as server:
        directory = tmp_path_factory.mktemp("web")
        with Stack(directory, **settings | {"REDIS_URL": server.url}) as stack:
            stack.start("web")
            yield stack


def begin(web: Stack, chromium: Any, phone: str, **options: Any) -> Any:
    """A person with this number, at the page that says what to send."""
    page = chromium.new_context(**options).new_page()
    page.goto(f"http://127.0.0.1:{web.web_port}/")
    page.locator("#phone").fill(phone)
    page.get_by_role("button", name="Send us an SMS instead").click()
    page.wait_for_url("**/code")
    assert page.get_by_role("heading", level=1).inner_text() == "Send us this SMS"
    return page


def send(web: Stack, phone: str, text: str) -> None:
    """The person sends ``text``, and the vendor calls us."""
    path = "/v1/inbound/main"
    form = {"MessageSid": "SM1", "From": phone, "To": OURS, "Body": text}
    signature = RequestValidator(TOKEN).compute_signature(PUBLIC + path, form)
    head = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    assert post(web.web_port, path, urlencode(form).encode(), head).status == 200


def test_the_page_goes_on_by_itself_when_the_sms_is_there(web, chromium):
    page = begin(web, chromium, "+12025550110")
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    assert audit(page) == []
    playwright.expect(page.locator(".lead")).to_contain_text("+1 202-555-0100")
    text = page.locator(".to-send").inner_text()
    link = page.get_by_role("link", name="Open my messages").get_attribute("href")
    assert unquote(link) == f"sms:{OURS}?&body={text}"
    send(web, "+12025550110", "000000 Otpost")
    playwright.expect(page.locator(".facts")).to_contain_text("2 attempts left")
    send(web, "+12025550110", text)
    page.wait_for_url("**/done")
    assert page.get_by_role("heading", level=1).inner_text() == "Your phone is verified"
    assert text[:6] not in page.url
    assert faults == []


def test_without_javascript_a_button_asks(web, chromium):
    page = begin(web, chromium, "+12025550111", java_script_enabled=False)
    text = page.locator(".to-send").inner_text()
    page.get_by_role("button", name="I have sent it").click()
    playwright.expect(page.get_by_role("status")).to_have_text(
        "Your SMS has not arrived yet. It may take a moment."
    )
    send(web, "+12025550111", text)
    page.get_by_role("button", name="I have sent it").click()
    page.wait_for_url("**/done")


def test_who_waits_for_an_sms_of_ours_may_send_one_instead_and_back(web, chromium):
    page = chromium.new_context().new_page()
    page.goto(f"http://127.0.0.1:{web.web_port}/")
    page.locator("#phone").fill("+12025550112")
    page.locator("#phone").press("Enter")
    page.wait_for_url("**/code")
    page.get_by_role("button", name="Send us an SMS instead").click()  # once the cooldown is over
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("Send us this SMS")
    page.get_by_role("button", name="Send a new code").click()
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("Enter the code")
