"""The page that says what to send to us, as a browser without JavaScript sees it."""

from __future__ import annotations

import html
import re

import pytest

from otp import services, sessions
from sms.testing import outbox
from tests.otp.pages.visit import PHONE, cool_down, end, text, title
from tests.otp.test_reverse import twilio  # noqa: F401  # a fixture


def shown_in(answer) -> str:
    """The SMS that a page asks for."""
    (shown,) = re.findall(r'<p class="to-send">(.+?)</p>', answer.content.decode())
    return html.unescape(shown)


@pytest.fixture
def sms(browser) -> str:
    """A user wants to send a code to us. The SMS that the page shows."""
    answer = browser.post("/", {"phone": PHONE, "reverse": "yes"}, follow=True)
    assert (answer.redirect_chain, outbox) == ([("/code", 303)], [])
    return shown_in(answer)


def test_it_shows_the_sms_a_link_and_no_field_and_no_address_has_a_code(browser, sms):
    answer = browser.get("/code")
    assert title(answer) == "Send us this SMS · Otpost"
    assert "Send it from +1••••••••23" in text(answer)
    assert 'href="sms:+12025550100?&amp;body=' in answer.content.decode()
    assert 'id="code"' not in answer.content.decode()
    assert sms in text(answer)


def test_it_goes_on_when_the_sms_is_there(browser, sms):
    asked = browser.post("/code", {"sent": "yes"}, follow=True)
    assert "Your SMS has not arrived yet." in text(asked)
    services.hear(PHONE, sms)
    assert browser.post("/code", {"sent": "yes"}, follow=True).redirect_chain[-1] == ("/done", 303)
    assert browser.get("/code", follow=True).redirect_chain[-1] == ("/done", 303)


def test_a_session_hears_of_it(browser):
    session = sessions.create(owner="shop", return_url="https://shop.example/back", phone=PHONE)
    browser.get(f"/s/{session.id}", follow=True)
    answer = browser.post("/number", {"reverse": "yes"}, follow=True)
    services.hear(PHONE, shown_in(answer))
    assert sessions.read(session.id).status == "valid"  # whether the page is still open or not
    assert browser.post("/code", {"sent": "yes"}, follow=True).redirect_chain[-1] == ("/done", 303)
    found = sessions.read(session.id)
    assert (found.status, found.phone) == ("valid", PHONE)


def test_its_code_cannot_be_typed(browser, sms):
    browser.post("/code", {"code": sms[:6]})
    assert title(browser.get("/code")) == "Send us this SMS · Otpost"


def test_who_presses_twice_finds_it_again(browser, sms):
    again = browser.post("/", {"phone": PHONE, "reverse": "yes"}, follow=True)
    assert sms in text(again)


def test_wrong_ones_block_it_and_another_way_is_open(browser, sms, redis):
    for _ in range(3):
        services.hear(PHONE, "000000 Otpost" if sms[:6] != "000000" else "111111 Otpost")
    answer = browser.get("/code")
    assert title(answer) == "Too many wrong codes · Otpost"
    assert "Send us an SMS instead" in text(answer)
    cool_down(redis)
    browser.post("/resend")
    assert len(outbox) == 1


def test_when_it_has_expired_another_can_be_asked_for(browser, sms, redis):
    end(redis)
    assert title(browser.get("/code")) == "The code has expired · Otpost"
    cool_down(redis)
    answer = browser.post("/resend", {"reverse": "yes"}, follow=True)
    assert title(answer) == "Send us this SMS · Otpost"
    assert sms not in text(answer)


def test_where_our_number_is_gone_the_page_says_that_it_is_over(browser, sms, settings):
    settings.OTP_REVERSE = {}
    assert title(browser.get("/code")) == "The code has expired · Otpost"


@pytest.mark.parametrize("name", ["OTP_PURPOSES", "OTP_REVERSE"])
def test_without_the_settings_no_button_is_there(browser, settings, name):
    assert "Send us an SMS instead" in text(browser.get("/"))
    setattr(settings, name, {"login": {}} if name == "OTP_PURPOSES" else {})
    assert "Send us an SMS instead" not in text(browser.get("/"))
    answer = browser.post("/", {"phone": PHONE, "reverse": "yes"})
    assert (answer.status_code, outbox) == (422, [])
