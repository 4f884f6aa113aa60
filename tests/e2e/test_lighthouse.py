"""The pages for the number, for the code and for a session that has ended, as Lighthouse sees them."""

from __future__ import annotations

import pytest
from django.core.wsgi import get_wsgi_application
from django.test import Client

from tests.e2e.host import let_in, page, served_otpost
from tests.e2e.lighthouse import LIGHTHOUSE, audited, failed, scores, weight
from tests.e2e.shop import Shop
from tests.otp.pages.visit import start
from tests.serving import serving

pytestmark = [
    pytest.mark.slow(30),
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not LIGHTHOUSE.exists(), reason="needs npm's lighthouse@12.8.2 where NODE_PATH says, and node"
    ),
]


@pytest.mark.parametrize("path", ["/", "/code"])
def test_a_page_is_sound_and_light(path, settings):
    """Nothing keeps it from 100 but how fast this machine is."""
    settings.OTP_PURPOSES = {"login": {"lifetime": 600}}  # Lighthouse takes its time
    browser = Client()
    start(browser)
    cookie = "; ".join(f"{name}={kept.value}" for name, kept in browser.cookies.items())
    with serving(get_wsgi_application()) as address:
        report = audited(address + path, Cookie=cookie)
    assert report["finalDisplayedUrl"] == address + path
    assert_sound(report)
    found = weight(report)
    assert found["bytes"] < 70_000
    assert found["requests"] <= 5  # the page, its style, two scripts and the icon
    assert found["elements"] < 400


def test_a_page_of_another_site_stays_sound_with_the_widget(settings):
    head = '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    with served_otpost(settings) as otpost:
        shop = Shop(None, otpost)
        with serving(page(lambda: shop.html, lambda: f"{shop.policy}; img-src data:")) as shop.address:
            let_in(settings, shop.address)
            shop.sell(head=head)
            report = audited(shop.address)
    assert_sound(report)
    assert weight(report)["requests"] <= 4  # the page, the script, and the session with what CORS asks before


def test_the_page_of_a_session_that_is_over_is_sound():
    with serving(get_wsgi_application()) as address:
        report = audited(f"{address}/s/never")
    assert report["finalDisplayedUrl"] == f"{address}/s/never"
    assert_sound(report)


def assert_sound(report):
    for category in ("accessibility", "best-practices"):
        assert failed(report, category) == []
        assert scores(report)[category] == 100
    assert weight(report)["shift"] == 0
