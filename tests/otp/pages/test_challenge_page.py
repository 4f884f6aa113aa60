"""The widget of a challenge on the pages."""

from __future__ import annotations

import html
import json
import re

import pytest

from otp.challenges import altcha
from sms.testing import outbox
from tests.otp.challenges.answers import QUICK, solved
from tests.otp.pages.visit import PHONE, end, text

WIDGET = """{% extends "otp/phone.html" %}
{% block head %}{{ block.super }}
<script src="https://captcha.example.com/api.js" async defer></script>{% endblock %}
{% block challenge %}<input name="challenge" aria-label="Captcha">{% endblock %}
"""


def captcha(*, answer, **_) -> bool:
    return answer == "right"


@pytest.fixture
def challenged(settings, tmp_path):
    """A site whose own otp/phone.html brings a widget."""
    settings.OTP_CHALLENGE = f"{__name__}.captcha"
    (tmp_path / "otp").mkdir()
    (tmp_path / "otp" / "phone.html").write_text(WIDGET)
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]


def test_the_widget_of_a_challenge_stands_in_the_form(challenged, browser):
    page = browser.get("/").content.decode()
    form = page.partition('action="/"')[2].partition("</form>")[0]
    assert 'name="challenge"' in form
    assert "captcha.example.com/api.js" in page
    assert "otp/pages.js" in page
    answer = browser.post("/", {"phone": PHONE, "challenge": "wrong"})
    assert answer.status_code == 403
    assert "Please complete the check in this form" in text(answer)
    assert f'value="{PHONE}"' in answer.content.decode()
    assert browser.post("/", {"phone": PHONE, "challenge": "right"}).status_code == 303


def test_a_new_code_wants_a_new_answer_and_says_so(challenged, browser, redis):
    browser.post("/", {"phone": PHONE, "challenge": "right"})
    end(redis)
    redis.delete(*redis.keys("otp:phone:*"))
    answer = browser.post("/resend")
    assert answer.status_code == 403
    assert "Please complete the check in this form" in text(answer)
    page = answer.content.decode()
    assert f'value="{PHONE}"' in page
    assert 'name="challenge"' in page
    assert len(outbox) == 1


@pytest.fixture
def puzzled(settings):
    settings.OTP_CHALLENGE = altcha.PATH
    settings.OTP_ALTCHA = QUICK | {"hot": 0}


def puzzle_in(answer):
    """That of the page, which says by itself what it is about."""
    page = answer.content.decode()
    assert (answer.status_code, f'value="{PHONE}"' in page) == (403, True)
    assert "otp/puzzle.js" in page
    return json.loads(html.unescape(re.findall('data-puzzle="([^"]+)"', page)[0]))


def test_a_puzzle_stands_in_the_form_that_is_sent_again_with_its_answer(puzzled, browser):
    assert "data-puzzle" not in browser.get("/").content.decode()
    answer = browser.post("/", {"phone": PHONE})
    assert "data-sends" in answer.content.decode()
    assert "Please complete" not in text(answer)
    solution = solved(puzzle_in(answer))
    assert browser.post("/", {"phone": PHONE, "challenge": solution}).status_code == 303
    assert len(outbox) == 1


def test_a_browser_whose_answer_was_refused_does_not_send_the_next_by_itself(puzzled, browser):
    answer = browser.post("/", {"phone": PHONE, "challenge": "wrong"})
    assert puzzle_in(answer)
    assert "data-sends" not in answer.content.decode()
    assert "Please complete the check in this form" in text(answer)


def test_a_new_code_wants_a_new_puzzle_solved(puzzled, browser, redis):
    browser.post("/", {"phone": PHONE, "challenge": solved(puzzle_in(browser.post("/", {"phone": PHONE})))})
    end(redis)
    redis.delete(*redis.keys("otp:phone:*"))
    answer = browser.post("/resend")
    assert "data-sends" in answer.content.decode()
    solution = solved(puzzle_in(answer))
    assert browser.post("/", {"phone": PHONE, "challenge": solution}).status_code == 303


def test_a_resend_of_a_live_code_wants_none(challenged, browser, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    browser.post("/", {"phone": PHONE, "challenge": "right"})
    assert browser.post("/resend").status_code == 303
    assert len(outbox) == 2
