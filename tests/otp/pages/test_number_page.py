"""The first page: a number, and what is said of it."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from otp import services
from otp.errors import RateLimited
from sms.testing import outbox
from tests.otp.pages.visit import OTHER, PHONE, break_redis, end, guess, start, text, title


@pytest.mark.parametrize("typed", ["12", "", "hello", "+1 900 555 0123"])
def test_a_number_that_gets_no_sms_is_said_at_the_field(browser, typed):
    answer = browser.post("/", {"phone": typed})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in html
    assert 'aria-describedby="phone-error phone-hint"' in html
    assert re.search(r'<p class="error" id="phone-error">[A-Z][^<]+</p>', html)
    assert f'value="{typed}"' in html
    assert "autofocus" in html
    assert title(answer).startswith("Not sent: ")


def test_what_was_typed_comes_back_as_text(browser):
    answer = browser.post("/", {"phone": '"><script>'})
    assert b"<script>" not in answer.content.partition(b"<main")[2]


def test_the_same_browser_is_led_to_the_code_that_it_waits_for(browser):
    start(browser)
    start(browser, "+1 (202) 555-0123")
    assert len(outbox) == 1
    assert "We sent a code a moment ago to +1••••••••23" in text(browser.get("/code"))


def test_another_browser_has_to_wait(browser):
    start(browser)
    answer = Client().post("/", {"phone": PHONE})
    assert answer.status_code == 429
    assert 28 <= int(answer["Retry-After"]) <= 30
    assert re.search(r"a moment ago\. You can ask for a new code in (28|29|30) seconds\.", text(answer))
    assert len(outbox) == 1


def test_a_browser_that_waits_for_another_number_has_to_wait_too(browser):
    start(Client(), OTHER)
    start(browser)
    assert browser.post("/", {"phone": OTHER}).status_code == 429


def test_a_browser_whose_code_is_over_has_to_wait_too(browser, redis):
    start(browser)
    end(redis)
    assert browser.post("/", {"phone": PHONE}).status_code == 429


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("blocked", "There were too many wrong codes for this number."),
        ("any", "Too many codes were requested."),
    ],
)
def test_every_limit_has_its_words(browser, monkeypatch, rule, words):
    def refuse(*_, **__):
        raise RateLimited("no", retry_after=24 * 3600, code=rule)

    monkeypatch.setattr(services, "start", refuse)
    answer = browser.post("/", {"phone": PHONE})
    assert answer.status_code == 429
    assert f"{words} You can ask for a new code in 24 hours." in text(answer)


def test_without_redis_the_number_stays_in_the_field(browser, settings):
    break_redis(settings)
    answer = browser.post("/", {"phone": PHONE})
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "We cannot send a code right now" in text(answer)
    assert f'value="{PHONE}"' in answer.content.decode()


def test_the_first_page_leads_back_to_a_code_under_way(browser):
    assert "Already have a code?" not in text(browser.get("/"))
    code = start(browser)
    assert "Already have a code?" in text(browser.get("/"))
    guess(browser, code)
    assert "Already have a code?" not in text(browser.get("/"))
