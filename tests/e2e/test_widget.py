"""The widget in pages of other sites, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otp.names import VERIFICATION, key
from sms import services as sms
from sms.testing import outbox
from tests.e2e.browser import AXE, CHROMIUM, axe
from tests.e2e.host import let_in, page, served_otpost
from tests.e2e.shop import PHONE, Shop, ask_for_code, done, field, focused, newest, see, until, wrong
from tests.serving import serving

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(30)

if not Path(CHROMIUM).exists():
    pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)


@pytest.fixture
def shop(chromium, settings) -> Iterator[Shop]:
    with served_otpost(settings) as otpost:
        found = Shop(chromium, otpost)
        with serving(page(lambda: found.html, lambda: found.policy)) as found.address:
            let_in(settings, found.address)
            yield found
            for context in found.contexts:
                context.close()
    assert found.faults == []


def test_the_whole_way_under_a_strict_policy(shop):
    session = shop.sell()
    found = shop.visit(locale="en-US")
    see(found, "Verify your phone")
    assert focused(found) == ""  # a page does not jump when it is shown
    field(found).fill("12")
    found.get_by_role("button", name="Send the code").click()
    see(found, "The country code is missing.")
    assert (focused(found), field(found).get_attribute("aria-invalid")) == ("input", "true")
    ask_for_code(found)
    see(found, "We sent a code to your number ending in 23.")
    see(found, "Expires in ")
    see(found, "Send again in 0:")
    assert (focused(found), field(found).get_attribute("inputmode")) == ("input", "numeric")
    assert field(found).get_attribute("aria-invalid") is None
    found.keyboard.type(wrong())
    see(found, "That is not the code.")
    see(found, "2 attempts left")
    assert (focused(found), field(found).input_value()) == ("input", "")
    found.keyboard.type(newest())
    see(found, "Your phone is verified")
    assert focused(found) == "title"
    done(found, session)
    assert found.evaluate("heard") == [["otpost-error", "phone_no_country"], ["otpost-verified", session.id]]
    for secret in (PHONE[1:], newest()):
        assert secret not in found.url + json.dumps(shop.contexts[0].storage_state(indexed_db=True))
        assert secret not in found.evaluate("JSON.stringify(sessionStorage)")


@pytest.mark.skipif(not AXE.exists(), reason="needs npm's axe-core@4.14.1 where NODE_PATH says")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(shop, scheme):
    look = ":root { color-scheme: light dark } main { background: light-dark(#fff, #121212) }"
    shop.sell(head=f"<style>{look}</style>")
    shop.policy += "; style-src 'unsafe-inline'"
    found = shop.visit(color_scheme=scheme)
    see(found, "Verify your phone")
    seen = [axe(found)]
    field(found).fill("12")
    field(found).press("Enter")
    see(found, "The country code is missing.")
    seen.append(axe(found))
    ask_for_code(found)
    seen.append(axe(found))
    field(found).fill(newest())
    see(found, "Your phone is verified")
    assert [*seen, axe(found)] == [[]] * 4


def test_from_right_to_left_with_digits_of_its_own(shop):
    session = shop.sell(locale="ar")
    found = shop.visit(color_scheme="dark")
    see(found, "+1")
    box = found.locator("otpost-verify #box")
    assert (box.get_attribute("lang"), box.get_attribute("dir")) == ("ar", "rtl")
    ask_for_code(found, "".join(chr(0x0660 + int(digit)) if digit.isdigit() else digit for digit in PHONE))
    found.keyboard.type("".join(chr(0x0660 + int(digit)) for digit in newest()))
    done(found, session)


_PASTE = """(field, text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text", text);
  field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


def test_the_whole_message_may_be_pasted(shop):
    session = shop.sell()
    found = shop.visit()
    ask_for_code(found)
    field(found).evaluate(_PASTE, outbox[-1].body)
    done(found, session)


#: A browser that reads an SMS bound to the host of its page, once the test says which.
_READS_SMS = """
window.OTPCredential = class {};
window.asked = [];
navigator.credentials.get = (options) => new Promise((resolve, reject) => {
  window.asked.push(options.otp.transport);
  window.arrived = (code) => resolve({ code });
  options.signal.addEventListener("abort", () => { window.gaveUp = true; reject(options.signal.reason); });
});
"""


def test_a_browser_that_reads_the_sms_is_asked_for_the_code(shop):
    session = shop.sell()
    found = shop.visit(_READS_SMS)
    ask_for_code(found)
    until(found, "asked.length === 1")
    assert found.evaluate("asked") == [["sms"]]
    assert outbox[-1].body.endswith(f"@127.0.0.1 #{newest()}")  # the host of the shop
    found.evaluate("code => arrived(code)", newest())
    done(found, session)


def test_a_widget_that_leaves_the_page_asks_for_nothing_more(shop):
    shop.sell()
    found = shop.visit(_READS_SMS)
    ask_for_code(found)
    until(found, "asked.length === 1")
    found.evaluate("document.querySelector('otpost-verify').remove()")
    until(found, "window.gaveUp")


def test_a_reload_goes_on_and_another_browser_does_not(shop):
    session = shop.sell()
    found = shop.visit()
    ask_for_code(found)
    found.reload()
    see(found, "We sent a code to your number ending in 23.")
    other = shop.visit()
    see(other, "Opened elsewhere")
    assert other.evaluate("heard") == [["otpost-error", "opened_elsewhere"]]
    field(found).fill(newest())
    done(found, session)
    found.reload()
    done(found, session)  # whoever missed it hears it again


def test_an_answer_that_gets_lost_costs_nothing(shop):
    session = shop.sell()
    found = shop.visit()
    see(found, "Verify your phone")
    done_for: list[str] = []

    def lose(route: Any) -> None:
        """Lose every answer. The first request of each step is carried out."""
        step = route.request.url.rpartition("/")[2]
        if step in ("start", "check") and step not in done_for:
            done_for.append(step)
            route.fetch()
        route.abort()

    found.route("**/s/*/*", lose)
    field(found).fill(PHONE)
    field(found).press("Enter")
    see(found, "We cannot send a code right now.")
    assert field(found).input_value() == PHONE  # nothing is to be typed again
    found.unroute("**/s/*/*")
    field(found).press("Enter")
    see(found, "We sent a code a moment ago")
    found.route("**/s/*/*", lose)
    field(found).fill(newest())
    see(found, "We do not know yet")
    found.unroute("**/s/*/*")
    done(found, session)  # it asks again by itself
    assert done_for == ["start", "check"]
    assert len(outbox) == 1
    shop.faults.clear()  # the browser complains of what was lost


def test_a_module_takes_the_url_and_shows_what_the_page_has_until_then(shop):
    session = shop.sell(
        script='<script type="module"',
        named="{otpost}/s/{id}",
        within='<a href="/elsewhere">Verify on another page</a>',
    )
    held: list[Any] = []
    found = shop.visit(routes={"**/open": lambda route: route.continue_() if held else held.append(route)})
    link = found.get_by_role("link", name="Verify on another page")
    playwright.expect(link).to_be_visible()
    while not held:
        found.wait_for_timeout(10)
    held[0].continue_()
    see(found, "Verify your phone")
    playwright.expect(link).to_be_hidden()
    ask_for_code(found)
    field(found).fill(newest())
    done(found, session)


def test_a_page_that_may_not_ask_keeps_its_own(shop, settings):
    shop.sell(within="<a href='/elsewhere'>Verify on another page</a>")
    let_in(settings, "https://shop.example")
    found = shop.visit()
    until(found, "heard.length")
    assert found.evaluate("heard[0]") == ["otpost-error", "unreachable"]
    playwright.expect(found.get_by_role("link", name="Verify on another page")).to_be_visible()
    let_in(settings, shop.address)
    see(found, "Verify your phone")  # it asks again by itself
    assert any("CORS" in fault for fault in shop.faults)
    shop.faults.clear()


def asks(*, answer: str, **_: object) -> bool:
    return answer == "seven"


def test_a_captcha_of_the_page_goes_into_its_slot(shop, settings):
    settings.OTP_CHALLENGE = "tests.e2e.test_widget.asks"
    session = shop.sell(within='<p slot="challenge"><label>3 + 4 <input name="challenge"></label></p>')
    found = shop.visit()
    see(found, "Verify your phone")
    field(found).fill(PHONE)
    field(found).press("Enter")
    see(found, "Please complete the check in this form")
    found.get_by_label("3 + 4").fill("seven")
    ask_for_code(found)
    playwright.expect(found.get_by_label("3 + 4")).to_be_hidden()
    field(found).fill(newest())
    done(found, session)


def test_a_code_that_dies_is_followed_by_a_new_one(shop, redis, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    session = shop.sell()
    found = shop.visit()
    ask_for_code(found)
    (dying,) = redis.keys(key(VERIFICATION + "*"))
    redis.hset(dying, "expires_at", int((sms.now() + 1) * 1000))
    redis.pexpire(dying, 1000)
    found.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    see(found, "The code has expired")
    found.get_by_role("button", name="Send a new code").click()
    playwright.expect(field(found)).to_be_focused()
    field(found).fill(newest())
    done(found, session)


def test_a_site_gives_it_its_own_look(shop):
    shop.sell(
        head="""<style>
            otpost-verify { --otpost-accent: rgb(1, 2, 3) }
            otpost-verify::part(title) { color: rgb(4, 5, 6) }
        </style>"""
    )
    shop.policy += "; style-src 'unsafe-inline'"
    found = shop.visit()
    see(found, "Verify your phone")
    looks = "(element) => [getComputedStyle(element).backgroundColor, getComputedStyle(element).color]"
    assert found.locator("otpost-verify #submit").evaluate(looks)[0] == "rgb(1, 2, 3)"
    assert found.locator("otpost-verify #title").evaluate(looks)[1] == "rgb(4, 5, 6)"
