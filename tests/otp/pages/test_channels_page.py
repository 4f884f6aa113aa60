"""The page for the code where it may go by more than SMS: what was begun with, and the user's own choice."""

from __future__ import annotations

import re

import pytest

from otp import next_channel, services
from otp.pages import by_channel
from otp.pages.words import NO_MESSAGE, NO_SMS
from sms.errors import Unreachable
from sms.message import Channel
from tests.otp.pages.test_delivery_page import let
from tests.otp.pages.visit import PHONE, cool_down, end, text, title
from tests.otp.test_next_channel import CHANNELS, house, later  # noqa: F401  # a fixture

pytestmark = pytest.mark.usefixtures("house")

#: Words that would tell what a provider said of a number.
TELLING = re.compile(r"has no|not on WhatsApp|unreachable|did not answer", re.IGNORECASE)


@pytest.fixture
def asked(browser, redis):
    """A code was asked for, and its cooldown is over. The verification."""
    browser.post("/", {"phone": PHONE})
    cool_down(redis)
    (key,) = redis.keys("otp:verification:*")
    return services.status(key.decode().rpartition(":")[2])


def lead(answer) -> str:
    return text(answer).partition(" Code ")[0]


def buttons(answer) -> list[tuple[str, str]]:
    """The channels that can be asked for, and what their buttons say."""
    found = re.findall(r'name="channel" value="(\w+)"[^>]*>([^<]+)<', answer.content.decode())
    return [(channel, words) for channel, words in found]


def choose(browser, channel: str):
    return browser.post("/resend", {"channel": channel}, follow=True)


def test_the_first_page_names_the_channels_in_their_order(browser):
    assert "We send you a code that works once, by WhatsApp, SMS or a call." in text(browser.get("/"))


def test_the_first_page_names_none_that_no_provider_has(browser, settings):
    settings.OTP_PURPOSES = {"login": {"channels": ["telegram"]}}
    assert "We send you a code that works once." in text(browser.get("/"))


def test_the_lead_tells_by_what_it_goes_and_what_may_follow(browser, asked):
    page = browser.get("/code")
    assert "We sent a code by WhatsApp to +1••••••••23" in lead(page)
    assert lead(page).endswith("It may also come by SMS or a call.")
    assert "No code yet?" in text(page)
    assert "or paste the whole message." in text(page)
    assert buttons(page) == [("sms", "Send an SMS"), ("voice", "Call me")]


def test_a_call_is_one_press_away_and_the_page_says_so(browser, asked, house):  # noqa: F811
    page = choose(browser, "voice")
    assert re.search(r"We are calling \+1••••••••23.*\. Press a key when the call asks for it\.", lead(page))
    assert lead(page).endswith("It may also come by SMS.")
    assert re.search(r"Call again in (1:00|0:59)", text(page))
    assert buttons(page) == [("whatsapp", "Send by WhatsApp"), ("sms", "Send an SMS")]
    house.deliver(services.status(asked.id).sms.message_id)
    assert house.calls == "c"


def test_an_sms_needs_no_name(browser, asked):
    assert "We sent a code to +1••••••••23" in lead(choose(browser, "sms"))


def test_again_says_by_what(browser, asked):
    page = browser.post("/resend", follow=True)
    assert "We sent the code once more by WhatsApp to" in lead(page)


def test_the_cooldown_holds_for_every_way(browser, asked):
    choose(browser, "voice")
    page = choose(browser, "sms")
    assert re.search(r"You can ask for a new code in \d+ seconds\.", text(page))
    assert "We are calling" in lead(page)
    assert services.status(asked.id).channel == "voice"


@pytest.mark.parametrize("channel", ["telegram", "fax", "email", "SMS"])
def test_a_way_that_is_gone_says_so_and_starts_nothing(browser, asked, channel, redis):
    page = choose(browser, channel)
    assert "We cannot send it that way to this number. Please choose another." in text(page)
    assert page.redirect_chain == [("/code", 303)]
    assert len(redis.keys("otp:verification:*")) == 1
    assert services.status(asked.id).channel == "whatsapp"


def test_a_choice_after_the_end_starts_anew(browser, asked, redis):
    end(redis)
    page = choose(browser, "voice")
    assert "We sent a code by WhatsApp to" in lead(page)


def test_the_next_channel_was_named_before_and_is_not_told(browser, asked, house, redis):  # noqa: F811
    house.deliver(asked.sms.message_id)
    before = lead(browser.get("/code"))
    later(redis, asked, 61)
    next_channel.look("otp")
    assert services.status(asked.id, in_full=True).channel == "sms"
    page = browser.get("/code")
    assert lead(page) == before
    assert buttons(page) == [("sms", "Send an SMS"), ("voice", "Call me")]


def test_again_is_by_what_the_page_says(browser, asked, house, redis):  # noqa: F811
    house.deliver(asked.sms.message_id)
    later(redis, asked, 61)
    next_channel.look("otp")
    assert "We sent the code once more by WhatsApp to" in lead(browser.post("/resend", follow=True))
    house.deliver(services.status(asked.id).sms.message_id)
    assert house.calls == "aa"


def test_the_bar_is_full_at_first(browser, asked):
    page = browser.get("/code").content.decode()
    left, most = map(int, re.findall(r'class="drain" value="(\d+)" max="(\d+)"', page)[0])
    assert most == 240
    assert 0 < left <= most


def test_what_a_provider_said_of_the_number_is_not_told(browser, asked, house):  # noqa: F811
    before = lead(browser.get("/code"))
    house.providers["a"].outcomes = [Unreachable("x")]
    house.deliver(asked.sms.message_id)
    assert house.calls == "ab"
    assert lead(browser.get("/code")) == before


@pytest.mark.parametrize("channel", ["whatsapp", "sms", "voice"])
@pytest.mark.parametrize("fault", NO_SMS)
def test_a_code_that_did_not_get_through(browser, asked, redis, channel, fault):
    choose(browser, channel)
    let_newest(redis, state="failed", fault=fault)
    page = browser.get("/code")
    assert title(page) == "Not sent: Enter the code · Otpost"
    assert "The code did not get through Our " in text(page)
    assert str((NO_SMS if channel == "sms" else NO_MESSAGE)[fault]) in text(page)
    assert not TELLING.search(text(page))
    assert len(buttons(page)) == 2


@pytest.mark.parametrize("channel", ["whatsapp", "sms", "voice"])
def test_one_that_takes_longer(browser, asked, redis, channel):
    choose(browser, channel)
    let_newest(redis, state="unknown")
    page = browser.get("/code")
    assert "taking longer than usual" in lead(page)


def test_a_wrong_code_of_a_call_is_not_looked_at(browser, asked):
    choose(browser, "voice")
    page = browser.post("/code", {"code": "000000"}, follow=True)
    assert "That is not the code. Check what the call said and try again." in text(page)


def test_a_fixed_line_that_can_be_called_is_taken(browser):
    assert browser.post("/", {"phone": "+4930123456"}).status_code == 303
    page = browser.get("/code")
    assert "We are calling" in lead(page)
    assert "Code from the call" in text(page)
    assert "paste" not in text(page)
    assert not buttons(page)


def test_every_channel_has_its_words():
    assert by_channel.WORDS.keys() == set(Channel)
    assert NO_MESSAGE.keys() == NO_SMS.keys()
    assert set(CHANNELS.values()) <= by_channel.WORDS.keys()


def let_newest(redis, **fields: str) -> None:
    """Set these fields of the code's newest message."""
    (key,) = redis.keys("otp:verification:*")
    for record in redis.keys("sms:message:*"):
        if not record.endswith(redis.hget(key, "reference")):
            redis.delete(record)
    redis.delete("sms:next-channel")  # there is no other
    let(redis, age=0.0, **fields)
