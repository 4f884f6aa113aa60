"""The pages that Lighthouse audits, in its test and in the bench.

Three are ours. One is a shop's, with the widget in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.host import page
from tests.e2e.lighthouse import audited
from tests.e2e.shop import Shop
from tests.examples.visitor import Browser
from tests.serving import serving

#: Where the number is typed, where the code is typed, and the end of a session.
OURS = {"number": "/", "code": "/code", "over": "/s/never"}
WIDGET = "widget"
NAMES = (*OURS, WIDGET)

#: What Lighthouse wants of any page, and an icon that is not asked for.
_HEAD = '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'

#: A phone has one code at a time.
_phones = (f"+120255501{number:02}" for number in itertools.cycle(range(100)))


@contextmanager
def shop_of(otpost: str) -> Iterator[Shop]:
    """The site with the widget. ``otpost`` must let its address in, and is asked only by ``audit``."""
    shop = Shop(None, otpost)
    with serving(page(lambda: shop.html, lambda: f"{shop.policy}; img-src data:")) as shop.address:
        yield shop


def audit(name: str, shop: Shop) -> dict[str, Any]:
    """Lighthouse's report of a page that nobody has opened before."""
    if name == WIDGET:
        shop.sell(head=_HEAD)
        return audited(shop.address)
    url = f"{shop.otpost}{OURS[name]}"
    report = audited(url, **({"Cookie": _waits_for_a_code(shop.otpost)} if name == "code" else {}))
    if report["finalDisplayedUrl"] != url:
        raise RuntimeError(f"{url} led to {report['finalDisplayedUrl']}")
    return report


def _waits_for_a_code(otpost: str) -> str:
    """The cookies of a browser that has typed its number."""
    browser = Browser()
    browser.go(f"{otpost}/")
    browser.submit(phone=next(_phones))
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
