"""The page for the code: guesses, times, another SMS, another number."""

from __future__ import annotations

import re
import time

import pytest
from django.test import Client

from otp import services
from otp.errors import NotAllowed
from otp.pages import kept
from sms.testing import code_in as sent_code
from sms.testing import outbox
from tests.otp.pages.visit import OTHER, PHONE, break_redis, cool_down, end, guess, start, text, title, wrong


def test_a_wrong_code_costs_an_attempt_and_a_reload_none(browser):
    code = start(browser)
    answer = guess(browser, wrong(code))
    for _ in range(3):
        assert "That is not the code." in text(answer)
        assert "2 attempts left" in text(answer)
        assert title(answer).startswith("Wrong code: ")
        assert 'aria-describedby="code-error code-hint"' in answer.content.decode()
        answer = browser.get("/code")
    assert "1 attempt left" in text(guess(browser, wrong(code)))
    assert len(outbox) == 1


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "hello!"])
def test_what_cannot_be_a_code_costs_no_attempt(browser, typed):
    start(browser)
    answer = guess(browser, typed)
    assert "The code is not complete" in text(answer)
    assert "3 attempts left" in text(answer)


def test_too_many_wrong_codes_block_and_a_new_code_is_one_press_away(browser, redis):
    code = start(browser)
    for _ in range(3):
        answer = guess(browser, wrong(code))
    assert title(answer) == "Too many wrong codes · Otpost"
    assert "Send a new code in 0:" in text(answer)
    assert "Too many wrong codes" in text(guess(browser, code))

    answer = browser.post("/resend", follow=True)
    assert len(outbox) == 1
    assert re.search(r"You can ask for a new code in \d+ seconds?\.", text(answer))

    cool_down(redis)
    answer = browser.post("/resend", follow=True)
    assert len(outbox) == 2
    assert "We sent a code to" in text(answer)
    assert "Your phone is verified" in text(guess(browser, sent_code(outbox[-1].body)))


def test_an_expired_code_says_so_and_a_new_one_is_one_press_away(browser, redis):
    code = start(browser)
    end(redis)
    cool_down(redis)
    answer = guess(browser, code)
    assert title(answer) == "The code has expired · Otpost"
    assert 'name="code"' not in answer.content.decode()
    browser.post("/resend")
    assert [sms.to for sms in outbox] == [PHONE, PHONE]
    assert "Your phone is verified" in text(guess(browser, sent_code(outbox[-1].body)))


def test_pressing_twice_verifies_once_and_ends_at_done(browser):
    code = start(browser)
    other_tab = Client()
    other_tab.cookies = browser.cookies.copy()
    browser.post("/code", {"code": code})
    assert "Your phone is verified" in text(guess(other_tab, code))


def test_without_redis_nothing_is_lost(browser, settings):
    code = start(browser)
    caches = settings.CACHES
    break_redis(settings)
    answer = browser.post("/code", {"code": code}, follow=True)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "Nothing is lost" in text(answer)
    settings.CACHES = caches
    answer = browser.get("/code")
    assert "We do not know yet whether that was the code. Please enter it again." in text(answer)
    assert "3 attempts left" in text(answer)
    assert "Your phone is verified" in text(guess(browser, code))


def test_the_times_are_seconds_that_are_left(browser):
    start(browser)
    html = browser.get("/code").content.decode()
    assert re.search(r'data-expires-in="1(20|19)"', html)
    assert re.search(r'data-resend-in="(30|29)"', html)
    assert re.search(r"Expires in (2:00|1:59)", text(browser.get("/code")))


@pytest.mark.parametrize("language", ["en", "de", "fr", "fa", "hi"])
def test_what_a_script_reads_is_digits_however_a_project_writes_numbers(browser, settings, language):
    """USE_THOUSAND_SEPARATOR is for people: "3,599" in an attribute is 3 to a script."""
    settings.USE_THOUSAND_SEPARATOR, settings.LANGUAGE_CODE = True, language
    settings.OTP_PURPOSES = {
        "login": {"lifetime": 7200, "cooldown": 3600, "attempts": 5000, "allow_weak": True}
    }
    start(browser)
    html = browser.get("/code").content.decode()
    attributes = dict(re.findall(r'([a-z-]+)="([^"]*[0-9][^"]*)"', html.partition("<main")[2]))
    assert attributes["data-resend-in"] in ("3600", "3599")
    assert attributes["data-expires-in"] in ("7200", "7199")
    assert attributes["data-shows"] == "pending sent 5000"
    assert attributes["data-length"] == "6"
    assert re.search(r'<progress class="drain" value="7(200|199)" max="7200"', html)


def test_the_field_follows_the_rules_of_the_purpose(browser, settings):
    settings.OTP_PURPOSES = {"login": {"length": 8, "alphabet": "BCDFGHJKLMNPQRSTVWXZ"}}
    code = start(browser)
    html = browser.get("/code").content.decode()
    assert 'data-length="8" data-alphabet="BCDFGHJKLMNPQRSTVWXZ"' in html
    assert 'inputmode="text"' in html
    assert "8 characters" in html
    assert "Your phone is verified" in text(guess(browser, code.lower()))


def test_sending_again_waits_for_the_cooldown(browser, redis):
    code = start(browser)
    answer = browser.post("/resend", follow=True)
    assert answer.redirect_chain == [("/code", 303)]
    assert re.search(r"a moment ago\. You can ask for a new code in \d+ seconds\.", text(answer))
    assert len(outbox) == 1
    cool_down(redis)
    answer = browser.post("/resend", follow=True)
    assert "We sent the code once more to +1••••••••23" in text(answer)
    assert [sent_code(sms.body) for sms in outbox] == [code, code]


def test_sending_again_without_redis(browser, settings):
    start(browser)
    caches = settings.CACHES
    break_redis(settings)
    browser.post("/resend")
    settings.CACHES = caches
    assert "We cannot send a code right now." in text(browser.get("/code"))


def test_a_number_that_gets_no_code_any_more_is_said_at_its_field(browser, redis, monkeypatch):
    start(browser)
    end(redis)

    def refuse(*_, **__):
        raise NotAllowed("This number gets no codes.", code="refused", field="phone")

    monkeypatch.setattr(services, "start", refuse)
    answer = browser.post("/resend")
    assert answer.status_code == 422
    assert "This number gets no codes." in text(answer)


def test_another_number_forgets_this_one(browser, redis):
    start(browser)
    answer = browser.post("/cancel")
    assert (answer.status_code, answer["Location"]) == (303, "/")
    assert browser.cookies[kept.COOKIE].value == ""
    assert not redis.keys("otp:verification:*")
    assert browser.get("/code")["Location"] == "/"
    start(browser, OTHER)
    assert [sms.to for sms in outbox] == [PHONE, OTHER]


def test_another_number_without_redis(browser, settings):
    start(browser)
    break_redis(settings)
    assert browser.post("/cancel").status_code == 303
    assert browser.cookies[kept.COOKIE].value == ""


@pytest.mark.parametrize("skew", [-300, 300])
def test_the_page_counts_down_by_the_clock_that_codes_live_by(browser, monkeypatch, redis, skew):
    """The web's own may be minutes off: the page said that a fresh code had expired, or lived for 7 min."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + skew)
    start(browser)
    html = browser.get("/code").content.decode()
    times = {name: int(value) for name, value in re.findall(r'data-(\w+)-in="(\d+)"', html)}
    assert 110 < times["expires"] <= 120
    assert 20 < times["resend"] <= 30
    for _ in range(3):
        guess(browser, wrong(sent_code(outbox[-1].body)))
    browser.post("/resend")  # too soon: only the cookie still knows of it
    assert re.search(r"ask for a new code in (2\d|30) seconds", text(browser.get("/code")))
