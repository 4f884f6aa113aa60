"""The widget of a challenge on the pages."""

from __future__ import annotations

import pytest

from sms.testing import outbox
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


def test_a_resend_of_a_live_code_wants_none(challenged, browser, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    browser.post("/", {"phone": PHONE, "challenge": "right"})
    assert browser.post("/resend").status_code == 303
    assert len(outbox) == 2
