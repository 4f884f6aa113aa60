"""The page for the number in a real browser: countries searched, by keys and by hand, or without JavaScript.

And a browser that keeps no cookies, and the logo and colour of a site.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application

from sms.testing import outbox
from tests.e2e.browser import ARGS, AXE, LAUNCHER, axe
from tests.serving import serving

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.together(10)


@pytest.fixture
def site() -> Iterator[str]:
    with serving(get_wsgi_application()) as address:
        yield address


@pytest.fixture
def visit(site, chromium) -> Iterator[Any]:
    """Open the page in new browsers, none of which may have had anything to complain about."""
    contexts: list[Any] = []
    faults: list[str] = []

    def arrive(**options: Any) -> Any:
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.goto(site)
        return page

    yield arrive
    for context in contexts:
        context.close()
    assert faults == []


def found(page: Any) -> list[str]:
    """The entries of the list."""
    names: list[str] = page.get_by_role("option").all_inner_texts()
    return [name.split("\n")[-1].replace("\u2066", "").replace("\u2069", "") for name in names]


def search(page: Any, words: str) -> list[str]:
    page.locator("#country").fill(words)
    return found(page)


def test_a_country_is_searched_and_picked_by_keys_alone(visit):
    page = visit(locale="de")
    field, keys = page.get_by_role("combobox", name="Land"), page.keyboard
    keys.press("Shift+Tab")  # from the number, which has the focus
    playwright.expect(field).to_be_focused()
    playwright.expect(field).to_have_attribute("aria-expanded", "false")
    keys.type("nieder")  # replaces what stands there
    assert found(page) == ["Karibische Niederlande (+599)", "Niederlande (+31)"]
    playwright.expect(field).to_have_attribute("aria-expanded", "true")
    playwright.expect(field).to_have_attribute("aria-activedescendant", "country-BQ")
    keys.press("ArrowDown")
    playwright.expect(field).to_have_attribute("aria-activedescendant", "country-NL")
    playwright.expect(page.get_by_role("option", selected=True)).to_have_text(
        "🇳🇱Niederlande (\u2066+31\u2069)"
    )
    keys.press("ArrowDown")  # round to the first, and back
    keys.press("ArrowUp")
    keys.press("Enter")
    playwright.expect(field).to_have_value("Niederlande (\u2066+31\u2069)")
    playwright.expect(field).to_have_attribute("aria-expanded", "false")
    playwright.expect(page.locator("#phone-hint")).to_contain_text("Zum Beispiel 06 12345678 (Niederlande).")
    for key in ("Escape", "Enter"):  # neither sends anything
        keys.type("xyz")
        playwright.expect(page.get_by_role("status")).to_have_text("Kein solches Land")
        keys.press(key)
        playwright.expect(field).to_have_value("Niederlande (\u2066+31\u2069)")
        field.select_text()
    keys.press("ArrowDown")  # opens where one was
    playwright.expect(field).to_have_attribute("aria-activedescendant", "country-NL")
    keys.press("Tab")
    keys.type("06 12345678")
    keys.press("Enter")
    page.wait_for_url("**/code")
    assert outbox[-1].to == "+31612345678"


def test_a_country_is_found_by_name_code_and_letters_and_pressed(visit):
    page = visit()
    field = page.locator("#country")
    assert search(page, "reunion") == search(page, "RÉUNION") == ["Réunion (+262)"]
    assert search(page, "+49") == search(page, "0049") == search(page, "49") == ["Germany (+49)"]
    assert search(page, "bissau") == search(page, "guinea bi") == ["Guinea-Bissau (+245)"]
    assert search(page, "gb") == ["United Kingdom (+44)"]
    assert search(page, "kingdom") == ["United Kingdom (+44)"]  # any of its words
    page.get_by_role("option", name="United Kingdom").click()
    playwright.expect(field).to_have_value("United Kingdom (\u2066+44\u2069)")
    field.fill("franc")
    page.locator("#phone").focus()  # leaving the field takes the marked entry
    playwright.expect(field).to_have_value("France (\u2066+33\u2069)")
    field.click()
    assert len(found(page)) > 200
    field.click()
    assert found(page) == []


def test_the_names_stand_as_the_language_sorts_them(visit):
    page = visit(locale="pl")
    page.locator("#country").click()
    names = found(page)
    assert (
        names.index("Luksemburg (+352)")
        < names.index("Łotwa (+371)")
        < names.index("Macedonia Północna (+389)")
    )


def test_without_javascript_it_is_a_list_and_any_digits_do(visit):
    page = visit(java_script_enabled=False)
    page.get_by_label("Country").select_option("IN")
    digits = "".join(chr(0x0966 + int(digit)) for digit in "08123456789")  # Devanagari
    page.get_by_label("Phone number").fill(digits)
    page.get_by_role("button", name="Send the code").click()
    page.wait_for_url("**/code")
    assert outbox[-1].to == "+918123456789"


def test_where_cookies_are_off_that_is_said(site, chromium, tmp_path):
    """As somebody turns them off in the settings of Chromium; in the language of the browser."""
    (tmp_path / "Default").mkdir()
    off = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(off))
    start = chromium.browser_type.launch_persistent_context
    with start(tmp_path, executable_path=LAUNCHER, args=ARGS, locale="fr") as context:
        page = context.new_page()
        page.goto(site)
        page.locator("#phone").fill("+12025550123")
        page.locator("#phone").press("Enter")
        playwright.expect(page.locator("h1")).to_have_text("Ces pages ont besoin de cookies")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_logo_and_colour_are_loaded_and_sound(visit, settings, tmp_path, scheme):
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40"><circle r="20"/></svg>')
    settings.OTP_SITE_LOGO, settings.OTP_SITE_COLOR = str(logo), "#c2410c"
    page = visit(color_scheme=scheme, viewport={"width": 360, "height": 800})
    assert page.locator(".brand-logo").evaluate("(logo) => logo.naturalWidth") == 80
    button = page.get_by_role("button", name="Send the code")
    colour = button.evaluate("(button) => getComputedStyle(button).backgroundColor")
    assert (colour == "rgb(194, 65, 12)") == (scheme == "light")
    if AXE.exists():
        assert axe(page) == []
