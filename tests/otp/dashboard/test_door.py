"""Who gets into the dashboard, for how long, and what leaves with its pages."""

from __future__ import annotations

import logging
import time

import pytest
from django.test import Client
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from otp.api import access, keys
from otp.dashboard import session
from tests.conftest import point_cache_at
from tests.otp.dashboard.looker import LOGIN, LOGOUT, START, log_in, logged_in
from tests.settings import API_KEY

COOKIE = "otpost-dashboard"  # without TLS, as PUBLIC_URL of the tests says


def test_without_a_session_every_page_leads_to_the_login_and_back():
    client = Client()
    response = client.get(f"{START}?hours=24")
    assert (response.status_code, response["Location"]) == (303, f"{LOGIN}?next=%2Fdashboard%2F%3Fhours%3D24")
    page = client.get(response["Location"])
    assert page.status_code == 200
    assert 'value="/dashboard/?hours=24"' in page.text
    response = log_in(client, API_KEY, next="/dashboard/?hours=24")
    assert (response.status_code, response["Location"]) == (303, "/dashboard/?hours=24")
    assert client.get(START).status_code == 200


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/dashboard/", "/", "/code", "x"])
def test_the_login_leads_nowhere_else(wanted):
    assert log_in(Client(), API_KEY, next=wanted)["Location"] == START


def test_a_wrong_key_gets_no_session_and_is_not_repeated():
    client = Client()
    response = log_in(client, "otpost_wrong-one")
    assert response.status_code == 422
    assert "not in API_KEYS" in response.text
    assert "otpost_wrong-one" not in response.text
    assert COOKIE not in client.cookies
    assert client.get(START).status_code == 303


def test_a_key_without_the_scope_read_gets_no_session(settings):
    settings.API_ACCESS = access.parse("tests=verify,messages,operate")
    client = Client()
    response = log_in(client, API_KEY)
    assert response.status_code == 403
    assert "lacks the scope read" in response.text
    assert client.get(START).status_code == 303


def test_the_browser_keeps_a_session_and_no_key():
    client = Client()
    response = log_in(client, API_KEY)
    cookie = response.cookies[COOKIE]
    assert API_KEY not in str(response.headers) + response.text
    assert keys.digest(API_KEY) not in cookie.value
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Strict", 12 * 3600)
    page = client.get(START)
    assert API_KEY not in page.text
    assert keys.digest(API_KEY) not in page.text


def test_outside_development_the_cookie_needs_tls(settings):
    settings.PUBLIC_URL = "https://otp.example.com"
    cookie = log_in(Client(), API_KEY).cookies["__Host-otpost-dashboard"]
    assert cookie["secure"]
    assert cookie["path"] == "/"
    settings.DEBUG = True
    assert not log_in(Client(), API_KEY).cookies[COOKIE]["secure"]


def test_a_session_ends_after_twelve_hours(monkeypatch):
    client, now = logged_in(), time.time()
    monkeypatch.setattr(time, "time", lambda: now + session.LONGEST - 60)
    assert client.get(START).status_code == 200
    monkeypatch.setattr(time, "time", lambda: now + session.LONGEST + 60)
    assert client.get(START).status_code == 303


def test_a_key_that_is_taken_away_or_replaced_ends_its_sessions(settings):
    client = logged_in()
    settings.API_KEYS = {"tests": ["0" * 64, keys.digest(API_KEY)]}  # a second key, to rotate the first
    assert client.get(START).status_code == 200
    settings.API_KEYS = {"tests": ["0" * 64]}
    assert client.get(START).status_code == 303
    settings.API_KEYS = {"another": [keys.digest(API_KEY)]}
    assert client.get(START).status_code == 303


def test_a_scope_that_is_taken_away_ends_the_session(settings):
    client = logged_in()
    settings.API_ACCESS = access.parse("tests=verify")
    assert client.get(START).status_code == 303


def test_a_forged_cookie_opens_nothing():
    client = logged_in()
    genuine = client.cookies[COOKIE].value
    for forged in ("", "x", genuine[:-1], genuine.replace(":", "."), genuine + "x", "a:b:c"):
        client.cookies[COOKIE] = forged
        assert client.get(START).status_code == 303, forged


def test_after_the_logout_the_cookie_is_gone():
    client = logged_in()
    response = client.post(LOGOUT)
    assert (response.status_code, response["Location"]) == (303, LOGIN)
    assert client.cookies[COOKIE].value == ""
    assert client.get(START).status_code == 303


def test_after_the_logout_a_copy_of_the_cookie_opens_nothing(redis):
    client, copy, another = logged_in(), Client(), logged_in()
    copy.cookies[COOKIE] = client.cookies[COOKIE].value
    assert copy.get(START).status_code == 200
    client.post(LOGOUT)
    assert copy.get(START).status_code == 303
    assert another.get(START).status_code == 200
    (ended,) = redis.scan_iter("otp:dashboard-ended:*")
    assert session.LONGEST - 60 < redis.ttl(ended) <= session.LONGEST
    assert redis.get(ended) == b"1"


def test_without_redis_the_logout_ends_the_session_in_this_browser(settings):
    client = logged_in()
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    assert client.post(LOGOUT)["Location"] == LOGIN
    assert client.cookies[COOKIE].value == ""


def test_wrong_keys_from_one_address_are_limited_and_keep_nobody_out():
    client = Client()
    assert {log_in(client, f"otpost_{n}").status_code for n in range(20)} == {422}
    response = log_in(client, "otpost_20")
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 600
    assert client.post(LOGIN, {"key": "otpost_21"}, REMOTE_ADDR="203.0.113.9").status_code == 422
    assert log_in(client, API_KEY).status_code == 303


def test_without_redis_a_page_says_so(settings):
    client = logged_in()
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    for path in (START, f"{START}providers", f"{START}guard"):
        response = client.get(path)
        assert response.status_code == 503
        assert "No answer from Redis" in response.text
    assert log_in(Client(), "otpost_wrong-one").status_code == 503
    assert log_in(Client(), API_KEY).status_code == 303


def test_a_form_of_another_site_is_refused():
    client = Client(enforce_csrf_checks=True)
    client.cookies.update(logged_in().cookies)
    for path in (LOGIN, LOGOUT, START):
        assert client.post(path, {"key": API_KEY}).status_code == 403, path
    assert client.get(START).status_code == 200


def test_a_refused_form_gets_a_page_of_the_dashboard():
    client = Client(enforce_csrf_checks=True)
    client.cookies.update(logged_in().cookies)
    for path in (LOGIN, LOGOUT, f"{START}user", f"{START}guard/order"):
        response = client.post(path, {"block": "DE"})
        assert response.status_code == 403
        assert "<h1>Nothing was done</h1>" in response.text
        assert f'<a href="{START}">Back to the dashboard' in response.text
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert "no-store" in response["Cache-Control"]


def test_a_project_without_the_middleware_is_as_safe(settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "csrf" not in name.lower()]
    client = Client(enforce_csrf_checks=True)
    client.cookies.update(logged_in().cookies)
    assert client.post(LOGOUT).status_code == 403


@pytest.mark.urls("tests.otp.dashboard.elsewhere")
def test_a_project_mounts_it_wherever_it_likes():
    client = Client()
    response = client.get("/staff/codes/providers")
    assert response["Location"] == "/staff/codes/login?next=%2Fstaff%2Fcodes%2Fproviders"
    response = client.post("/staff/codes/login", {"key": API_KEY, "next": "/dashboard/"})
    assert response["Location"] == "/staff/codes/"
    page = client.get("/staff/codes/")
    assert page.status_code == 200
    assert "/dashboard/" not in page.text


def test_what_leaves_with_every_page():
    client = logged_in()
    for path, who in ((START, client), (LOGIN, Client())):
        response = who.get(path)
        assert "no-store" in response["Cache-Control"]
        assert response["X-Frame-Options"] == "DENY"
        assert response["Referrer-Policy"] == "same-origin"
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "<script>" not in response.text
        assert "style=" not in response.text
        assert "onclick" not in response.text


def test_the_policy_knows_where_static_files_are(settings):
    settings.STATIC_URL = "https://cdn.example.com/static/"
    settings.STORAGES = {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    policy = Client().get(LOGIN)["Content-Security-Policy"]
    assert "script-src 'self' https://cdn.example.com;" in policy


def test_a_page_without_news_is_answered_with_304():
    client = logged_in()
    tag = client.get(START)["ETag"]
    again = client.get(START, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    assert client.get(START, headers={"If-None-Match": '"another"'}).status_code == 200


def test_looks_are_logged_with_the_name_of_the_key_and_an_open_page_once():
    client = logged_in()
    with capture_logs([merge_contextvars]) as logs:
        tag = client.get(START)["ETag"]
        for _ in range(3):
            client.get(START, headers={"If-None-Match": tag})
        client.get(START)
    looks = [line for line in logs if line["event"] == "dashboard_look"]
    assert [(line["page"], line["api_key"]) for line in looks] == [("now", "tests")] * 2


def test_logins_are_logged_and_keys_are_not(caplog):
    with caplog.at_level(logging.DEBUG), capture_logs([merge_contextvars]) as logs:
        log_in(Client(), API_KEY)
        log_in(Client(), "otpost_wrong-one")
    assert [line["api_key"] for line in logs if line["event"] == "dashboard_login"] == ["tests"]
    assert "access_denied" in [line["event"] for line in logs]
    assert API_KEY not in str(logs) + caplog.text
    assert "otpost_wrong-one" not in str(logs) + caplog.text
