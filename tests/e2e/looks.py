"""How a page is looked at: at every width, in light and dark, and in three languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.e2e.browser import AXE, audit, axe

#: For each language the width at which axe looks, and the colours. 1280 at 400 % are 320 (WCAG 2.2, 1.4.10).
LOOKS = {"en": (1280, "light"), "ar": (360, "dark"), "de": (320, "light")}


def assert_sound(page: Any, state: str, again: Callable[[], None] | None = None) -> None:
    """The page that is open, in ``state``. ``again``: what makes that state once it is loaded again."""
    for tag, (width, scheme) in LOOKS.items():
        page.context.set_extra_http_headers({"Accept-Language": tag})
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        reload(page)
        if again:
            again()
        where = state, tag
        assert page.locator("html").get_attribute("lang") == tag, where
        assert page.locator("html").get_attribute("dir") == ("rtl" if tag == "ar" else "ltr")
        assert audit(page) == [], where
        if AXE.exists():
            assert axe(page) == [], where
        for narrow in {320, 360, 1280} - {width}:
            page.set_viewport_size({"width": narrow, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= narrow, where


def reload(page: Any) -> None:
    """Load it again. A page that loads itself again at the same moment gets there first, which is as good."""
    from playwright.sync_api import Error

    try:
        page.reload()
    except Error as error:
        if "ERR_ABORTED" not in str(error):
            raise
        page.wait_for_load_state()
