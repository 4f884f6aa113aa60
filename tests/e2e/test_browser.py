"""The hosted pages in a real browser, with a real web server, worker, beat and store behind them."""

from __future__ import annotations

import itertools
import json
import re
import time
import unicodedata
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from otp.pages.words import code_in
from otp.purposes import Purpose
from sms import typed
from tests.e2e.browser import CHROMIUM, audit, running_demo

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(60)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)

#: The zero of every script that has digits.
ZEROS = [point for point in range(0x110000) if unicodedata.decimal(chr(point), None) == 0]

numbers = (f"+120255501{tail:02d}" for tail in itertools.count(10))


@pytest.fixture(scope="module")
def demo() -> Iterator[SimpleNamespace]:
    with running_demo() as found:
        yield found


class Visitor:
    """A person at a browser of their own, with a number of their own."""

    def __init__(self, demo: SimpleNamespace, context: Any) -> None:
        self.demo = demo
        self.context = context
        self.number = next(numbers)
        self.faults: list[str] = []
        self.expected = "422|429"  # statuses
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.watch(self.page)

    def watch(self, page: Any) -> None:
        """Note what a browser complains about: errors of scripts, and what the CSP held back."""
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self.note)

    def note(self, message: Any) -> None:
        # A refused form has its own status, which a browser prints as if it were a fault.
        refused = re.search(rf"status of ({self.expected})", message.text)
        if message.type in ("error", "warning") and not refused:
            self.faults.append(message.text)

    def open(self, path: str = "/") -> Any:
        return self.page.goto(self.demo.url + path)

    def ask_for_code(self) -> str:
        """Go from the start to the page for the code; the code that the virtual phone shows."""
        self.open()
        self.page.locator("#phone").fill(self.number)  # whatever the language
        self.page.locator("#phone").press("Enter")
        self.page.wait_for_url("**/code")
        return self.code()

    def code(self, nth: int = 1) -> str:
        """The code of the ``nth`` SMS to this person, as soon as it is there."""
        deadline = time.monotonic() + 10
        while len(found := self.sms()) < nth:
            assert time.monotonic() < deadline, "no SMS arrived"
            time.sleep(0.05)
        return found[nth - 1].rpartition("#")[2]

    def sms(self) -> list[str]:
        """The messages to this person so far."""
        with urllib.request.urlopen(f"{self.demo.url}/phone/messages") as answer:  # noqa: S310
            messages = json.load(answer)["messages"]
        return [message["body"] for message in messages if message["to"] == self.number]

    def guess(self, code: str) -> None:
        with self.page.expect_navigation():
            self.page.get_by_label("Code", exact=True).press_sequentially(code)

    def heading(self) -> str:
        return self.page.get_by_role("heading", level=1).inner_text()

    def path(self) -> str:
        return self.page.url.removeprefix(self.demo.url)


@pytest.fixture
def visit(demo, chromium) -> Iterator[Any]:
    """Make visitors; none of their browsers may have had anything to complain about."""
    visitors: list[Visitor] = []

    def arrive(**options: Any) -> Visitor:
        visitors.append(Visitor(demo, chromium.new_context(**options)))
        return visitors[-1]

    yield arrive
    for visitor in visitors:
        visitor.context.close()
    assert [visitor.faults for visitor in visitors] == [[]] * len(visitors)


@pytest.fixture
def visitor(visit) -> Visitor:
    return visit()


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def hasten(demo: SimpleNamespace, seconds: float) -> None:
    """Every live code has only that long to live."""
    store = Redis(port=demo.redis_port)
    for key in store.keys("*:otp:verification:*"):
        store.hset(key, "expires_at", int((time.time() + seconds) * 1000))
        store.pexpire(key, int(seconds * 1000))


# --- the way through -------------------------------------------------------------------------------


def test_from_the_number_to_the_sms_to_done(visitor):
    code = visitor.ask_for_code()
    page = visitor.page
    bubble = page.get_by_role("log", name="Messages on the virtual phone").get_by_role("listitem").last
    playwright.expect(bubble).to_contain_text(f"{code} is your Otpost code")
    playwright.expect(bubble).to_contain_text(visitor.number)
    assert page.title() == "Enter the code · Otpost"
    visitor.guess(code)  # the last digit sends it
    page.wait_for_url("**/done")
    assert visitor.heading() == "Your phone is verified"
    assert len(visitor.sms()) == 1


def test_the_sms_appears_while_the_page_stays_open(visitor, visit):
    visitor.open()
    playwright.expect(visitor.page.get_by_role("log")).to_have_attribute("aria-live", "polite")
    code = visit().ask_for_code()
    playwright.expect(visitor.page.get_by_role("log")).to_contain_text(code)
    visitor.page.reload()
    playwright.expect(visitor.page.get_by_role("log")).to_contain_text(code)


def test_pasting_the_whole_sms(visit):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    visitor.ask_for_code()
    sms = "999999 is an old one\n" + visitor.sms()[0]
    visitor.page.evaluate("text => navigator.clipboard.writeText(text)", sms)
    visitor.page.get_by_label("Code", exact=True).focus()
    visitor.page.keyboard.press("Control+V")
    visitor.page.wait_for_url("**/done")


def test_pressing_the_code_on_the_virtual_phone(visitor):
    code = visitor.ask_for_code()
    assert visitor.page.locator(".notice").is_hidden()  # who sees the phone needs no other
    visitor.page.get_by_role("button", name=code).click()
    visitor.page.wait_for_url("**/done")


def test_on_a_small_screen_the_sms_comes_from_above_where_it_can_be_seen_and_pressed(visit):
    visitor = visit(viewport={"width": 390, "height": 844})
    notice = visitor.page.locator(".notice")
    code = visitor.ask_for_code()
    notice.get_by_text(code).first.wait_for()
    box = notice.bounding_box()
    assert box["y"] + box["height"] < visitor.page.get_by_label("Code", exact=True).bounding_box()["y"]
    notice.locator("button").click()
    visitor.page.wait_for_url("**/done")


def test_who_looks_at_the_phone_below_needs_no_notice_any_more(visit):
    visitor = visit(viewport={"width": 390, "height": 844})
    visitor.ask_for_code()
    notice = visitor.page.locator(".notice")
    notice.wait_for()
    visitor.page.mouse.wheel(0, 2000)
    notice.wait_for(state="hidden")


def test_the_keyboard_alone_is_enough(visitor):
    visitor.open()
    keys = visitor.page.keyboard
    keys.type(visitor.number)  # the field has the focus
    keys.press("Enter")
    visitor.page.wait_for_url("**/code")
    code = visitor.code()
    keys.type(wrong(code)[:5])
    with visitor.page.expect_navigation():
        keys.press("Enter")
    assert "The code is not complete" in visitor.page.locator("#code-error").inner_text()
    playwright.expect(visitor.page.get_by_role("button", name="Send again")).to_be_enabled()
    reached = []
    for _ in range(4):
        keys.press("Tab")
        reached.append(visitor.page.evaluate("document.activeElement.textContent"))
    ways = ["Send again", "Call me", "Use another number"]
    assert [words.partition(" in ")[0] for words in reached] == ["Verify", *ways]
    assert visitor.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    with visitor.page.expect_navigation():
        keys.press("Enter")
    assert visitor.path() == "/"


def test_everything_works_without_javascript(visit):
    visitor = visit(java_script_enabled=False)
    visitor.ask_for_code()
    page = visitor.page
    assert re.search(r"Expires in (2:00|1:5\d)", page.locator(".facts").inner_text())
    time.sleep(2)
    page.get_by_role("button", name="Send again").click()
    visitor.code(nth=2)
    assert "once more" in page.locator(".lead").inner_text()
    page.get_by_label("Code", exact=True).fill(visitor.sms()[1])
    page.get_by_role("button", name="Verify").click()
    assert visitor.heading() == "Your phone is verified"
    page.get_by_role("button", name="Verify another number").click()
    assert visitor.path() == "/"


#: Typed or pasted codes, as phones of many countries and apps write them.
TYPED = [
    *("".join(chr(zero + digit) for digit in (1, 2, 3, 4, 5, 6)) for zero in ZEROS),
    *("123456", " 123 456 ", "123-456", "123–456", "12345６", "۱۲۳ ۴۵۶"),
    "کد شما ۱۲۳۴۵۶ است",
    "رمزك هو ١٢٣٤٥٦.\n\n@otp.example.com #123456",
    "999999 was yesterday.@otp.example.com #１２３４５６",
    # No codes: superscripts and the like are no digits, and five or seven are none either.
    *("¹²³⁴⁵⁶", "①②③④⑤⑥", "12345", "1234567", "abcdef", "۱۲۳۴۵", "²12345", "call 202 555 0123"),
]


def test_the_script_reads_a_code_as_the_server_does(visitor):
    """Digits of every script, full-width forms, whole messages: what one takes for a code, both do."""
    visitor.ask_for_code()
    visitor.page.evaluate("""() => {
      const field = document.querySelector("#code");
      field.form.requestSubmit = () => { window.submitted = field.value };
    }""")
    read = """(text) => {
      window.submitted = "";
      const clipboardData = new DataTransfer();
      clipboardData.setData("text", text);
      const paste = new ClipboardEvent("paste", { clipboardData, cancelable: true, bubbles: true });
      document.querySelector("#code").dispatchEvent(paste);
      return window.submitted;
    }"""
    rules = Purpose("login")
    assert {text: visitor.page.evaluate(read, text) for text in TYPED} == {
        text: code_in(text, rules) for text in TYPED
    }


@pytest.mark.parametrize("zero", ["\u06f0", "\u0660", "\uff10"], ids=["Persian", "Arabic", "full width"])
def test_a_code_in_digits_of_another_script_is_sent_as_soon_as_it_is_whole(visitor, zero):
    code = visitor.ask_for_code()
    visitor.guess("".join(chr(ord(zero) + int(digit)) for digit in code))
    visitor.page.wait_for_url("**/done")


# --- nothing twice ---------------------------------------------------------------------------------


def test_reload_and_back_send_nothing_and_cost_no_attempt(visitor):
    code = visitor.ask_for_code()
    page = visitor.page
    visitor.guess(wrong(code))
    for _ in range(3):
        page.reload()
        assert "2 attempts left" in page.locator(".facts").inner_text()
    page.go_back()
    page.go_forward()
    while page.go_back() and visitor.path() != "/":
        pass
    page.reload()
    page.goto(visitor.demo.url + "/code")
    assert "2 attempts left" in page.locator(".facts").inner_text()
    visitor.guess(code)
    page.wait_for_url("**/done")
    page.go_back()
    page.reload()
    assert len(visitor.sms()) == 1


def test_nothing_in_the_history_tells_number_or_code(visitor):
    code = visitor.ask_for_code()
    visitor.guess(wrong(code))
    visitor.guess(code)
    visitor.page.wait_for_url("**/done")
    entries = visitor.context.new_cdp_session(visitor.page).send("Page.getNavigationHistory")["entries"]
    addresses = {entry["url"].removeprefix(visitor.demo.url) for entry in entries} - {"about:blank"}
    assert addresses == {"/", "/code", "/done"}
    told = json.dumps(entries)
    assert code not in told
    assert visitor.number.lstrip("+") not in told


def test_an_impatient_finger_sends_one_sms(visitor):
    visitor.open()
    visitor.page.get_by_label("Phone number").fill(visitor.number)
    visitor.page.get_by_role("button", name="Send the code").dblclick()
    visitor.page.wait_for_url("**/code")
    visitor.code()
    time.sleep(0.5)
    assert len(visitor.sms()) == 1


def test_a_second_press_on_a_slow_line_without_javascript_finds_the_code(visit):
    """The first request reaches the server; its answer, and with it the cookie, never arrives."""
    visitor = visit(java_script_enabled=False)
    lost: list[int] = []

    def lose_the_first(route: Any) -> None:
        if route.request.method != "POST" or lost:
            route.continue_()
            return
        answer = route.fetch(max_redirects=0)
        (cookie,) = re.findall(r"(?m)^([\w-]*otpost)=", answer.headers["set-cookie"])
        visitor.context.clear_cookies(name=cookie)
        lost.append(answer.status)

    visitor.open()
    visitor.page.route("**/", lose_the_first)
    visitor.page.get_by_label("Phone number").fill(visitor.number)
    box = visitor.page.get_by_role("button", name="Send the code").bounding_box()
    finger = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visitor.page.mouse.click(*finger)
    while not lost:
        visitor.page.wait_for_timeout(20)
    visitor.page.mouse.click(*finger)
    playwright.expect(visitor.page).to_have_url(visitor.demo.url + "/code")
    assert lost == [303]
    assert len(visitor.sms()) == 1
    visitor.page.get_by_label("Code", exact=True).fill(visitor.code())
    visitor.page.get_by_role("button", name="Verify").click()
    assert visitor.heading() == "Your phone is verified"


def test_two_tabs_are_two_verifications(visitor):
    """Each keeps to its own: what is typed there, what the script asks for, and what comes next."""
    first, code = visitor.page, visitor.ask_for_code()
    number = visitor.number
    visitor.page = visitor.context.new_page()
    visitor.watch(visitor.page)
    visitor.number = next(numbers)
    other = visitor.ask_for_code()
    ends = f"••{number[-2:]}"

    first.bring_to_front()
    with first.expect_response("**/code") as asked:
        first.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert ends in asked.value.text()
    visitor.page, second = first, visitor.page
    visitor.guess(wrong(code))
    assert ends in first.locator(".lead").inner_text()
    assert "2 attempts left" in first.locator(".facts").inner_text()
    visitor.page = second
    visitor.guess(wrong(other))
    assert "2 attempts left" in second.locator(".facts").inner_text()
    for page, right in ((first, code), (second, other)):
        visitor.page = page
        visitor.guess(right)
        page.wait_for_url("**/done")


# --- what did not go out -----------------------------------------------------------------------------


def let(demo: SimpleNamespace, **fields: str) -> None:
    """Set these fields of the latest message."""
    store = Redis(port=demo.redis_port)
    latest = max(store.keys("*:sms:message:*"), key=lambda key: int(store.hget(key, "created_at") or 0))
    for name, value in fields.items():
        store.hset(latest, name, value)


def test_an_sms_that_could_not_be_sent_is_told_on_the_open_page(visitor):
    visitor.ask_for_code()
    assert visitor.heading() == "Enter the code"
    let(visitor.demo, state="failed", fault="number_refused")
    visitor.page.wait_for_selector("main[data-shows~=unsent]")
    assert visitor.heading() == "The code did not get through"
    assert audit(visitor.page) == []
    assert visitor.page.title() == "Not sent: Enter the code · Otpost"
    visitor.page.get_by_role("button", name="Send again").click()
    visitor.code(nth=2)
    playwright.expect(visitor.page.locator("h1")).to_have_text("Enter the code")
    visitor.guess(visitor.code(nth=2))
    visitor.page.wait_for_url("**/done")


def test_an_sms_that_takes_longer_is_told_and_what_was_typed_stays(visitor):
    code = visitor.ask_for_code()
    field = visitor.page.get_by_label("Code", exact=True)
    field.press_sequentially(code[:3])
    let(visitor.demo, state="unknown")
    lead = visitor.page.locator(".lead")
    playwright.expect(lead).to_contain_text("is taking longer than usual")
    playwright.expect(visitor.page.locator("[data-live]")).to_contain_text("is taking longer than usual")
    playwright.expect(field).to_have_value(code[:3])
    playwright.expect(field).to_be_focused()
    assert audit(visitor.page) == []
    let(visitor.demo, state="delivered")
    visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    playwright.expect(lead).to_contain_text("We sent a code to")
    field.press_sequentially(code[3:])
    visitor.page.wait_for_url("**/done")


# --- again -----------------------------------------------------------------------------------------


def test_sending_again_waits_for_its_time(visitor):
    code = visitor.ask_for_code()
    button = visitor.page.get_by_role("button", name="Send again")
    playwright.expect(button).to_be_disabled()
    assert re.fullmatch(r"Send again in 0:0[12]", button.inner_text())
    playwright.expect(button).to_be_enabled()
    assert button.inner_text() == "Send again"
    button.click()
    assert visitor.code(nth=2) == code
    playwright.expect(visitor.page.locator(".lead")).to_contain_text("once more")
    playwright.expect(visitor.page.get_by_role("button", name="Send again")).to_be_disabled()
    visitor.guess(code)
    visitor.page.wait_for_url("**/done")


# --- by another channel ----------------------------------------------------------------------------


def test_a_call_can_be_chosen_once_its_time_has_come(visitor):
    """The demo's second provider plays calls. One button is pressed, once, and the page says what comes."""
    code = visitor.ask_for_code()
    page = visitor.page
    call = page.get_by_role("button", name="Call me")
    playwright.expect(call).to_be_disabled()
    playwright.expect(call).to_have_accessible_description(re.compile(r"No code yet\? in 0:0[12]"))
    playwright.expect(call).to_be_enabled()
    playwright.expect(page.locator("[data-live]")).to_have_text("You can have the code sent again now.")
    call.dblclick()
    lead = page.locator(".lead")
    playwright.expect(lead).to_contain_text("We are calling")
    playwright.expect(lead).to_contain_text("Press a key when the call asks for it.")
    assert visitor.code(nth=2) == code
    about = page.locator(".bubble-about").last
    playwright.expect(about).to_contain_text(f"call to {visitor.number}")
    again = page.get_by_role("button", name="Call again")
    assert again.is_disabled()
    assert audit(page) == []
    time.sleep(0.5)
    assert len(visitor.sms()) == 2
    visitor.guess(code)
    page.wait_for_url("**/done")


def test_a_call_can_be_chosen_without_javascript(visit):
    visitor = visit(java_script_enabled=False)
    code = visitor.ask_for_code()
    page = visitor.page
    page.get_by_role("button", name="Call me").click()
    assert "a moment ago" in page.get_by_role("status").inner_text()
    time.sleep(2)
    page.get_by_role("button", name="Call me").click()
    assert "We are calling" in page.locator(".lead").inner_text()
    assert visitor.code(nth=2) == code


def test_the_open_page_tells_of_a_channel_chosen_elsewhere_and_what_was_typed_stays(visitor):
    code = visitor.ask_for_code()
    page = visitor.page
    field = page.get_by_label("Code", exact=True)
    field.press_sequentially(code[:3])
    store = Redis(port=visitor.demo.redis_port)
    verification = max(
        store.keys("*:otp:verification:*"), key=lambda key: int(store.hget(key, "created_at") or 0)
    )
    store.hset(verification, "asked", "sms,voice")
    lead = page.locator(".lead")
    playwright.expect(lead).to_contain_text("We are calling")
    playwright.expect(page.locator("[data-live]")).to_contain_text("We are calling")
    playwright.expect(page.get_by_role("button", name="Send an SMS")).to_be_enabled()
    playwright.expect(field).to_have_value(code[:3])
    playwright.expect(field).to_be_focused()
    field.press_sequentially(code[3:])
    page.wait_for_url("**/done")


def test_three_wrong_codes_block_and_a_new_one_helps(visitor):
    code = visitor.ask_for_code()
    visitor.guess(wrong(code))
    error = visitor.page.locator("#code-error")
    assert "That is not the code" in error.inner_text()
    field = visitor.page.get_by_label("Code", exact=True)
    playwright.expect(field).to_be_focused()
    playwright.expect(field).to_have_attribute("aria-invalid", "true")
    assert visitor.page.title() == "Wrong code: Enter the code · Otpost"
    visitor.guess(wrong(code))
    visitor.guess(wrong(code))
    assert visitor.heading() == "Too many wrong codes"
    assert visitor.page.title() == "Too many wrong codes · Otpost"
    button = visitor.page.get_by_role("button", name="Send a new code")
    playwright.expect(button).to_be_enabled()
    visitor.page.reload()
    visitor.page.keyboard.press("Enter")  # one too many after the last digit: nothing is sent
    assert visitor.heading() == "Too many wrong codes"
    button.click()
    visitor.page.wait_for_selector("#code")
    visitor.guess(visitor.code(nth=2))
    visitor.page.wait_for_url("**/done")
    assert len(visitor.sms()) == 2


def test_a_code_expires_before_the_eyes(visitor):
    visitor.ask_for_code()
    hasten(visitor.demo, 3.5)
    visitor.page.reload()
    timer = visitor.page.get_by_role("timer")
    assert timer.inner_text() in ("0:04", "0:03")
    visitor.page.evaluate("""() => {
      window.said = [];
      new MutationObserver(() => window.said.push(document.querySelector("[data-live]").textContent))
        .observe(document.querySelector("[data-live]"), { childList: true });
      addEventListener("pagehide", () => sessionStorage.setItem("said", window.said.join("|")));
    }""")
    visitor.page.get_by_label("Code", exact=True).press_sequentially("12")
    visitor.page.wait_for_selector("main[data-state=expired]")
    assert visitor.heading() == "The code has expired"
    assert visitor.page.title() == "The code has expired · Otpost"
    assert "The code has expired." in visitor.page.evaluate("sessionStorage.getItem('said')")
    visitor.page.get_by_role("button", name="Send a new code").click()
    visitor.page.wait_for_selector("#code")
    visitor.guess(visitor.code(nth=2))
    visitor.page.wait_for_url("**/done")


def test_a_screen_reader_hears_the_time_three_times_only(visitor):
    visitor.page.clock.install()
    visitor.ask_for_code()
    visitor.page.evaluate("""() => {
      window.said = [];
      new MutationObserver(() => window.said.push(document.querySelector("[data-live]").textContent))
        .observe(document.querySelector("[data-live]"), { childList: true });
    }""")
    for _ in range(115):
        visitor.page.clock.run_for(1000)
    said = visitor.page.evaluate("window.said")
    assert said == [
        "You can have the code sent again now.",
        "The code expires in 30 seconds.",
        "The code expires in 10 seconds.",
    ]


# --- looks -----------------------------------------------------------------------------------------


def test_a_word_that_is_longer_than_a_phone_is_wide_is_broken(visit):
    visitor = visit(viewport={"width": 360, "height": 800})
    visitor.ask_for_code()
    wide = visitor.page.evaluate(
        """() => {
            const words = "h1, .lead, label, .hint, .facts span, button, .others-title";
            for (const element of document.querySelectorAll(words))
                element.textContent = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen".repeat(2);
            return document.documentElement.scrollWidth;
        }"""
    )
    assert wide <= 360


def test_on_a_desktop_the_phone_stands_beside_the_letter_and_on_a_phone_below(visit):
    for width, beside in ((1280, True), (360, False)):
        visitor = visit(viewport={"width": width, "height": 800})
        visitor.open()
        letter = visitor.page.get_by_role("main").bounding_box()
        device = visitor.page.locator(".device").bounding_box()
        assert (device["x"] > letter["x"] + letter["width"]) == beside
        assert (device["y"] > letter["y"] + letter["height"]) != beside


# --- what else a page may not do -------------------------------------------------------------------


def test_the_text_of_an_sms_is_never_html(visitor):
    visitor.open()
    body = "<img src=x onerror=alert(1)><b>bold</b>"
    request = urllib.request.Request(  # noqa: S310
        f"{visitor.demo.url}/v1/messages",
        json.dumps({"to": visitor.number, "body": body}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {visitor.demo.api_key}"},
    )
    urllib.request.urlopen(request).close()  # noqa: S310
    log = visitor.page.get_by_role("log")
    playwright.expect(log).to_contain_text(body)
    assert log.locator("img, b").count() == 0


def test_a_line_of_an_sms_runs_in_its_own_direction(visitor):
    """On a page from right to left too the last line begins with its @, where a phone looks for the host."""
    code = visitor.ask_for_code()
    playwright.expect(visitor.page.locator(".bubble-text").last).to_contain_text(f"#{code}")
    visitor.page.evaluate("document.documentElement.dir = 'rtl'")
    host, sign = visitor.page.evaluate(
        """() => {
            const text = [...document.querySelectorAll(".bubble-text")].at(-1).lastChild;
            return ["@", "#"].map((mark) => {
                const range = document.createRange();
                range.setStart(text, text.data.indexOf(mark));
                range.setEnd(text, text.data.indexOf(mark) + 1);
                return range.getBoundingClientRect().x;
            });
        }"""
    )
    assert host < sign


def test_an_arabic_time_does_not_turn_the_line_that_it_begins(visit):
    """The time is the browser's own, and the rest of the line is in the page's English."""
    visitor = visit(locale="ar-EG")
    visitor.ask_for_code()
    about = visitor.page.locator(".bubble-about").last
    before_or_after_noon = "[صم]"
    playwright.expect(about).to_contain_text(
        re.compile(f"{before_or_after_noon} · to {re.escape(visitor.number)}")
    )
    time, to, number = about.evaluate(
        """(line) => {
            const texts = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
            const first = texts.nextNode();
            const last = texts.nextNode() ?? first;
            const places = [[first, 0], ...["to", "+"].map((mark) => [last, last.data.indexOf(mark)])];
            return places.map(([text, at]) => {
                const range = document.createRange();
                range.setStart(text, at);
                range.setEnd(text, at + 1);
                return range.getBoundingClientRect().x;
            });
        }"""
    )
    assert time < to < number


def test_the_table_of_invisible_characters_is_that_of_unicode(chromium):
    """The browser brings Unicode's own data (ICU), and with it the property that Python lacks."""
    page = chromium.new_page()
    ignorable = page.evaluate(
        r"""() => [...Array(0x110000).keys()].filter((point) =>
            /\p{Default_Ignorable_Code_Point}|\p{Bidi_Control}/u.test(String.fromCodePoint(point)))"""
    )
    page.close()
    assert ignorable == [point for point in range(0x110000) if typed.INVISIBLE.match(chr(point))]
