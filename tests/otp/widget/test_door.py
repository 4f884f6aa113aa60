"""Who may ask for a session: pages of the key's origins, and of these the browser that was first."""

from __future__ import annotations

from importlib import reload

import pytest
from django.urls import URLPattern

from otp import sessions, urls
from tests.conftest import point_cache_at
from tests.otp.pages.visit import text
from tests.otp.widget.visit import ACCESS, PHONE, SHOP, Widget, made


@pytest.fixture(autouse=True)
def keys(settings):
    settings.API_ACCESS = ACCESS


def preflight(widget: Widget):
    asked = {
        "Origin": widget.origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    return widget.client.options(f"/s/{widget.session.id}/open", headers=asked)


@pytest.mark.parametrize("origin", [SHOP, "https://www.shop.example"])
def test_a_page_of_the_key_may_ask(origin):
    widget = Widget(made(), origin=origin)
    allowed = preflight(widget)
    assert allowed.status_code == 204
    assert allowed["Access-Control-Allow-Methods"] == "POST"
    assert allowed["Access-Control-Allow-Headers"] == "Content-Type"
    for answer in (allowed, widget.ask("open")):
        assert answer["Access-Control-Allow-Origin"] == origin
        assert "Origin" in answer["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer
        assert "no-store" in answer["Cache-Control"]
        assert not answer.cookies


@pytest.mark.parametrize(
    "origin",
    [
        *("https://bank.example", "https://evil.example", "null", "", "*"),
        *("http://shop.example", f"{SHOP}:8443", f"{SHOP}.evil.example", f"{SHOP}/", "https://SHOP.example"),
    ],
)
def test_no_other_page_may(origin):
    session = made()
    stranger = Widget(session, origin=origin)
    for answer in (preflight(stranger), stranger.ask("open"), stranger.ask("start", phone=PHONE)):
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
        assert "API_ACCESS" in answer.json()["detail"]
        assert not answer.has_header("Access-Control-Allow-Origin")
        assert "Origin" in answer["Vary"]
    assert Widget(session, holder="b" * 32).view("open")["state"] == "number"  # nobody has opened it yet


def test_a_key_that_lost_its_origin_has_lost_its_sessions(settings):
    widget = Widget(made())
    widget.view("open")
    settings.API_ACCESS = {}
    assert widget.ask("open").status_code == 403


def test_one_browser_has_it():
    first = Widget(made())
    first.view("open")
    second = Widget(first.session, holder="b" * 32)
    for step, fields in {"open": {}, "start": {"phone": PHONE}, "check": {"code": "123456"}}.items():
        answer = second.ask(step, **fields)
        assert (answer.status_code, answer.json()["code"]) == (409, "opened_elsewhere")
        assert answer.json()["view"]["state"] == "closed"
        assert answer["Access-Control-Allow-Origin"] == SHOP
    page = first.client.get(f"/s/{first.session.id}", follow=True)
    assert "opened in another browser" in text(page)  # nor has the page
    assert first.view("open")["state"] == "number"  # the answer got lost, so it asks again


def test_a_token_is_for_its_browser_and_its_session():
    one, other = Widget(made()), Widget(made())
    one.view("start", phone=PHONE)
    other.token = one.token
    assert other.view("open")["state"] == "number"
    other.token = f"{one.token[:-2]}xx"
    assert other.view("check", code="123456")["state"] == "number"


@pytest.mark.parametrize("origin", [SHOP, "https://bank.example"])
def test_one_that_is_over_is_told_to_the_pages_of_any_key(origin):
    never = Widget(sessions.Session("never", "expired"), origin=origin)
    answer = never.ask("open")
    assert (answer.status_code, answer.json()["code"]) == (410, "session_expired")
    assert answer["Access-Control-Allow-Origin"] == origin
    never.origin = "https://evil.example"
    assert never.ask("open").status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ("{", 400, "malformed_json", None),
        pytest.param("[" * 15_000, 400, "malformed_json", None, id="deep"),
        ("[]", 422, "field_invalid", None),
        ({}, 422, "field_missing", "holder"),
        ({"holder": "A" * 32}, 422, "field_invalid", "holder"),
        ({"holder": "a" * 32, "phone": 1}, 422, "field_invalid", "phone"),
        ({"holder": "a" * 32, "number": PHONE}, 422, "field_unknown", "number"),
        ({"holder": "a" * 32, "phone": "1" * 20_000}, 413, "body_too_large", None),
    ],
)
def test_what_cannot_be_read_is_told_as_in_v1(body, status, code, field):
    answer = Widget(made()).send("start", body)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (problem["code"], problem.get("field")) == (code, field)
    assert PHONE not in answer.content.decode()
    assert answer["Access-Control-Allow-Origin"] == SHOP


def test_a_form_of_another_site_cannot_post_here():
    """It needs no preflight, so it must not do anything."""
    widget = Widget(made())
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = widget.send("open", '{"holder": "%s"}' % ("c" * 32), content_type=kind)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert widget.view("open")["state"] == "number"


def test_steps_that_do_not_exist(settings):
    widget = Widget(made())
    assert widget.send("verify", {}).status_code == 404
    answer = widget.client.get(f"/s/{widget.session.id}/open", headers={"Origin": SHOP})
    assert (answer.status_code, answer["Allow"]) == (405, "OPTIONS, POST")


def test_without_redis_the_answer_says_when_to_ask_again(settings):
    widget = Widget(made())
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    answer = widget.ask("open")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.has_header("Retry-After")


def test_no_pages_no_widget(settings):
    settings.PAGES = "off"
    try:
        names = {path.name for path in reload(urls).urlpatterns if isinstance(path, URLPattern)}
    finally:
        settings.PAGES = "open"
        reload(urls)
    assert names.isdisjoint({"widget", "step"})
