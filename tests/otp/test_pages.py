"""The hosted pages, as a browser without JavaScript sees them."""

from __future__ import annotations

import re
import time

import pytest
from django.test import Client
from django.urls import clear_url_caches

import config.urls
from config.demo import virtual_phone
from otp import purposes, services
from otp.errors import NotAllowed, RateLimited
from otp.pages import kept
from otp.pages.words import Left, code_in
from sms.testing import code_in as sent_code
from sms.testing import outbox
from tests.conftest import point_cache_at

PHONE = "+12025550123"
OTHER = "+12025550124"


@pytest.fixture
def browser() -> Client:
    return Client()


def start(browser: Client, phone: str = PHONE) -> str:
    """Ask for a code as the form does; the code that was sent."""
    answer = browser.post("/", {"phone": phone})
    assert (answer.status_code, answer["Location"]) == (303, "/code")
    return sent_code(outbox[-1].body)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def text(answer) -> str:
    """What a person reads of a page."""
    main = answer.content.decode().partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", "", f"<{main}").split())


def title(answer) -> str:
    return answer.content.decode().partition("<title>")[2].partition("</title>")[0]


def guess(browser: Client, code: str):
    answer = browser.post("/code", {"code": code})
    assert answer.status_code == 303
    return browser.get(answer["Location"], follow=True)


def end(redis) -> None:
    """The code's time is over."""
    redis.delete(*redis.keys("otp:verification:*"))


def cool_down(redis) -> None:
    for key in redis.keys("otp:phone:*"):
        redis.hset(key, "resend_at", 0)


def break_redis(settings) -> None:
    point_cache_at(settings, "redis://127.0.0.1:9/0")


# --- the way through -------------------------------------------------------------------------------


def test_from_the_number_to_done(browser):
    answer = browser.get("/")
    assert answer.status_code == 200
    assert title(answer) == "Verify your phone · Otpost"
    code = start(browser)
    answer = browser.get("/code")
    assert "We sent a code to +1••••••••23" in text(answer)
    assert "3 attempts left" in text(answer)
    answer = browser.post("/code", {"code": code})
    assert (answer.status_code, answer["Location"]) == (303, "/done")
    answer = browser.get("/done")
    assert answer.status_code == 200
    assert "Your phone is verified" in text(answer)
    assert "+1••••••••23" in text(answer)


def test_done_lasts_longer_than_the_code(browser, redis):
    code = start(browser)
    guess(browser, code)
    end(redis)
    assert "Your phone is verified" in text(browser.get("/done"))
    assert browser.get("/code")["Location"] == "/done"


def test_without_a_cookie_every_page_leads_to_the_first(browser):
    for path in ("/code", "/done"):
        answer = browser.get(path)
        assert (answer.status_code, answer["Location"]) == (303, "/")
    for path in ("/code", "/resend", "/cancel"):
        answer = browser.post(path, {"code": "123456"}, follow=True)
        assert answer.redirect_chain[-1] == ("/", 303)
    assert outbox == []


def test_done_is_not_reached_before_the_code_was_right(browser):
    start(browser)
    assert browser.get("/done")["Location"] == "/code"


def test_addresses_of_forms_alone_lead_back_when_opened(browser, redis):
    start(browser)
    cool_down(redis)
    assert browser.get("/resend")["Location"] == "/code"
    assert browser.get("/cancel")["Location"] == "/"
    assert len(outbox) == 1
    assert browser.get("/code").status_code == 200


@pytest.mark.parametrize("path", ["/", "/code", "/resend", "/cancel", "/done"])
def test_pages_are_for_get_and_post(browser, path):
    assert browser.put(path).status_code == 405


def test_without_the_purpose_there_are_no_pages(browser, settings):
    settings.OTP_PURPOSES = {"signup": {}}
    assert browser.get("/").status_code == 404


# --- the number ------------------------------------------------------------------------------------


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


def test_the_hint_names_the_country_of_national_numbers(browser, settings):
    assert "With + and the country code" in text(browser.get("/"))
    settings.PHONE_REGION = "us"
    assert "Numbers without + are read as numbers of the United States." in text(browser.get("/"))
    start(browser, "(202) 555-0123")
    assert outbox[-1].to == PHONE


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
    assert re.search(r"a moment ago\. You can ask for a new one in (28|29|30) seconds\.", text(answer))
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
        ("any", "Too many codes were asked for."),
    ],
)
def test_every_limit_has_its_words(browser, monkeypatch, rule, words):
    def refuse(*_, **__):
        raise RateLimited("no", retry_after=24 * 3600, code=rule)

    monkeypatch.setattr(services, "start", refuse)
    answer = browser.post("/", {"phone": PHONE})
    assert answer.status_code == 429
    assert f"{words} You can ask for a new one in 24 hours." in text(answer)


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


# --- the code --------------------------------------------------------------------------------------


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
    assert "not a whole code" in text(answer)
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
    assert "We sent the code once more" in text(answer)
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


# --- again, and another number ---------------------------------------------------------------------


def test_sending_again_waits_for_the_cooldown(browser, redis):
    code = start(browser)
    answer = browser.post("/resend", follow=True)
    assert answer.redirect_chain == [("/code", 303)]
    assert re.search(r"sent a moment ago\. You can send it again in \d+ seconds\.", text(answer))
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
    assert "We could not send it again right now." in text(browser.get("/code"))


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


# --- what nobody sees --------------------------------------------------------------------------------


def test_the_cookie_is_sealed_signed_short_lived_and_for_the_server_only(browser, redis):
    start(browser)
    cookie = browser.cookies[kept.COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 600
    assert not cookie["secure"]
    (key,) = redis.keys("otp:verification:*")
    assert key.decode().rpartition(":")[2] not in cookie.value
    assert "2025550123" not in cookie.value
    browser.cookies[kept.COOKIE] = cookie.value[:-1] + ("a" if cookie.value[-1] != "a" else "b")
    assert browser.get("/code")["Location"] == "/"


def test_the_cookie_is_secure_where_sessions_are(browser, settings):
    settings.SESSION_COOKIE_SECURE = True
    start(browser)
    cookie = browser.cookies["__Host-" + kept.COOKIE]
    assert (bool(cookie["secure"]), cookie["path"], cookie["domain"]) == (True, "/", "")
    assert kept.COOKIE not in browser.cookies
    assert browser.get("/code").status_code == 200
    browser.post("/cancel")
    gone = browser.cookies["__Host-" + kept.COOKIE]
    assert (gone.value, bool(gone["secure"]), gone["path"]) == ("", True, "/")


def test_a_cookie_is_believed_no_longer_than_a_code_can_live(browser, monkeypatch):
    start(browser)
    monkeypatch.setattr(kept, "MAX_LIFETIME", -1)
    assert browser.get("/code")["Location"] == "/"


def test_a_cookie_of_other_keys_is_none(browser, settings):
    start(browser)
    settings.SMS_SEAL_KEYS = ["kM8Vb1lQOAEFvZ7pEr5zT1rCwRcSJVt3vTzzMrLLqyE="]
    assert browser.get("/code")["Location"] == "/"


def test_no_page_is_stored(browser):
    code = start(browser)
    for path in ("/", "/code"):
        assert "no-store" in browser.get(path)["Cache-Control"]
    assert "no-store" in browser.post("/", {"phone": "12"})["Cache-Control"]
    assert "no-store" in browser.post("/code", {"code": code})["Cache-Control"]
    assert "no-store" in browser.get("/done")["Cache-Control"]


def test_no_page_shows_the_number_or_has_inline_code(browser):
    code = start(browser)
    shown = [browser.get("/"), browser.get("/code"), guess(browser, wrong(code)), guess(browser, code)]
    for answer in shown:
        html = answer.content.decode()
        assert "5550123" not in html
        assert code not in html
        assert not re.search(r"<style|<script(?![^>]+src=)|\sstyle=|\son[a-z]+=", html)


@pytest.mark.parametrize("path", ["/", "/code", "/resend", "/cancel"])
def test_forms_of_other_sites_are_refused_in_words(path):
    answer = Client(enforce_csrf_checks=True).post(path, {"phone": PHONE})
    assert answer.status_code == 403
    assert "your browser keeps no cookies" in text(answer)
    assert outbox == []


# --- pages for errors ------------------------------------------------------------------------------


def test_a_page_that_is_not_there(browser):
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert "Nothing here" in text(answer)
    assert title(answer) == "Nothing here"


def test_a_fault_of_ours(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(services, "start", fail)
    answer = Client(raise_request_exception=False).post("/", {"phone": PHONE})
    assert answer.status_code == 500
    assert "The fault is ours." in text(answer)


# --- the virtual phone -----------------------------------------------------------------------------


def test_the_virtual_phone_stands_where_there_is_one(browser, settings, monkeypatch):
    assert b"data-messages" not in browser.get("/").content
    settings.DEBUG = True
    settings.SMS_PROVIDERS = {"phone": "sandbox://:secret@127.0.0.1:9"}
    monkeypatch.setattr(config.urls, "urlpatterns", [*virtual_phone.urls(), *config.urls.urlpatterns])
    clear_url_caches()
    try:
        assert b'data-messages="/phone/messages"' in browser.get("/").content
    finally:
        monkeypatch.undo()
        clear_url_caches()


# --- a challenge -------------------------------------------------------------------------------------

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


# --- reading a code --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "123456",
        " 123 456 ",
        "123-456",
        "１２３４５６",
        "۱۲۳۴۵۶",
        "123456 is your Otpost code. It expires in 2 min. Do not share it.\n\n@otp.example.com #123456",
        # The field of a browser swallows line breaks.
        "999999 was yesterday. Your code: 12 34 56.@otp.example.com #123456",
        "@old.example.com #999999\n@otp.example.com #123456",
        "@otp.example.com #123456 %frame.example.com",
        "Your code is 123456. Valid for 120 seconds.",
    ],
)
def test_a_code_is_found_in_what_was_pasted(typed):
    assert code_in(typed, purposes.get("login")) == "123456"


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "abcdef", "@otp.example.com #", "call 202 555 0123"]
)
def test_no_code_is_found_where_there_is_none(typed):
    assert code_in(typed, purposes.get("login")) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (30, "30 seconds"), (91, "2 minutes"), (3600, "60 minutes"), (86400, "24 hours")],
)
def test_waits_are_said_in_fitting_units(seconds, words):
    assert Left(seconds).words == words


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
    browser.post("/resend")  # too soon: what is left of it stands in the cookie alone
    assert re.search(r"ask for a new code in (2\d|30) seconds", text(browser.get("/code")))
