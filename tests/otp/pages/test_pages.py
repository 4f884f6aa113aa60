"""The hosted pages, as a browser without JavaScript sees them: the way through, and hidden parts."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import clear_url_caches, include
from django.urls import path as address

import config.urls
from otp import services
from otp.pages import kept
from sms.testing import outbox
from sms.virtual_phone import views
from tests.otp.pages.visit import PHONE, cool_down, end, guess, start, text, title, wrong


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


def test_the_cookie_is_sealed_signed_short_lived_and_for_the_server_only(browser, redis):
    start(browser)
    cookie = browser.cookies[kept.COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 900
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
    monkeypatch.setattr(kept, "LONGEST", -1)
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
@pytest.mark.parametrize("cookie", ["", "csrftoken"])
def test_forms_of_other_sites_are_refused_in_words(path, cookie):
    browser = Client(enforce_csrf_checks=True)
    if cookie:
        browser.cookies[cookie] = "of-another-page"
    answer = browser.post(path, {"phone": PHONE})
    assert answer.status_code == 403
    assert ("came from our page" if cookie else "These pages need cookies") in text(answer)
    assert outbox == []


def test_a_page_that_is_not_there(browser):
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert "Nothing here" in text(answer)
    assert title(answer) == "Nothing here · Otpost"


def test_a_fault_of_ours(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(services, "start", fail)
    answer = Client(raise_request_exception=False).post("/", {"phone": PHONE})
    assert answer.status_code == 500
    assert "The fault is ours." in text(answer)


def test_the_virtual_phone_stands_where_there_is_one(browser, settings, monkeypatch):
    assert b"data-messages" not in browser.get("/").content
    settings.DEBUG = True
    settings.SMS_PROVIDERS = {"phone": "sandbox://:secret@127.0.0.1:9"}
    monkeypatch.setattr(
        config.urls, "urlpatterns", [address("phone/", include(views.urls())), *config.urls.urlpatterns]
    )
    clear_url_caches()
    try:
        assert b'data-messages="/phone/messages"' in browser.get("/").content
    finally:
        monkeypatch.undo()
        clear_url_caches()
