"""The widget on a narrow page, in three languages and in its rarer states: what axe says of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from tests.e2e import test_widget
from tests.e2e.browser import AXE, axe
from tests.e2e.shop import Shop, ask_for_code, field, newest, see, wrong
from tests.otp.test_next_channel import house  # noqa: F401  # a fixture

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.together(20),
    pytest.mark.skipif(not AXE.exists(), reason="needs npm's axe-core@4.14.1 where NODE_PATH says"),
]

shop = test_widget.shop

LANGUAGES = {"en": "ltr", "ar": "rtl", "de": "ltr"}


def visit(shop: Shop, tag: str) -> Any:
    """The page of a site that has no more room than this, in the dark where one writes from right to left."""
    look = ":root { color-scheme: light dark } main { background: light-dark(#fff, #121212) }"
    shop.sell(head=f"<style>{look}</style>", locale=tag)
    shop.policy += "; style-src 'unsafe-inline'"
    return again(shop, tag)


def again(shop: Shop, tag: str) -> Any:
    """The same page in another browser."""
    scheme = "dark" if LANGUAGES[tag] == "rtl" else "light"
    return shop.visit(viewport={"width": 320, "height": 640}, color_scheme=scheme)


def said(tag: str, words: str) -> str:
    with translation.override(tag):
        return translation.gettext(words)


def assert_sound(found: Any, tag: str) -> None:
    box = found.locator("otpost-verify #box")
    assert (box.get_attribute("lang"), box.get_attribute("dir")) == (tag, LANGUAGES[tag])
    assert axe(found) == []
    assert found.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_way_of_a_code(shop, tag):
    found = visit(shop, tag)
    see(found, said(tag, "Verify your phone"))
    assert_sound(found, tag)
    ask_for_code(found)
    assert_sound(found, tag)
    for left in (2, 1):
        field(found).fill(wrong())
        found.locator("otpost-verify #attempts").get_by_text(str(left)).wait_for()
        found.locator("otpost-verify #error").wait_for()
        assert_sound(found, tag)
    field(found).fill(wrong())
    see(found, said(tag, "Too many wrong codes"))
    assert_sound(found, tag)


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_end_and_another_browser(shop, tag):
    found = visit(shop, tag)
    ask_for_code(found)
    other = again(shop, tag)
    see(other, said(tag, "Opened elsewhere"))
    assert_sound(other, tag)
    field(found).fill(newest())
    see(found, said(tag, "Your phone is verified"))
    assert_sound(found, tag)


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_buttons_of_other_channels(shop, tag):
    found = visit(shop, tag)
    ask_for_code(found)
    for words in ("Send an SMS", "Call me"):
        see(found, said(tag, words))
    assert_sound(found, tag)
