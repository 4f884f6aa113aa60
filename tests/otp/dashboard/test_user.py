"""The page about one user: what it finds, and what it keeps to itself."""

from __future__ import annotations

import pytest
from django.test import Client
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from otp import access
from otp import services as codes
from otp.verification import Verification
from sms import services
from sms.testing import code_in, outbox
from tests.conftest import point_cache_at
from tests.otp.dashboard.looker import logged_in

PAGE = "/dashboard/user"
PHONE = "+12025550123"


@pytest.fixture
def client() -> Client:
    return logged_in()


@pytest.fixture
def started() -> Verification:
    started = codes.start(PHONE, reference="order-1")
    codes.check(started.id, "x")
    codes.check(started.id, code_in(outbox[-1].body))
    return started


def test_the_page_asks_whom_it_is_about(client):
    page = client.get(PAGE)
    assert page.status_code == 200
    assert '<label for="what">' in page.text
    assert 'aria-current="page">One user' in page.text


def test_a_number_a_reference_or_an_id_finds_the_story(client, started):
    for what in (PHONE, "+1 (202) 555-0123", "order-1", started.id, started.message_id):
        page = client.post(PAGE, {"what": what})
        assert page.status_code == 200
        assert "a code for login to" in page.text
        sentences = ["Memory (test) took the message at once.", "A wrong code", "The right code was typed."]
        places = [page.text.index(sentence) for sentence in sentences]
        assert places == sorted(places)
        assert "2025550123" not in page.text
        assert "+1••••••••23" in page.text


def test_nothing_found_is_said(client):
    assert "Nothing was found" in client.post(PAGE, {"what": "+12025550199"}).text
    assert "Nothing was found" in client.post(PAGE, {"what": "order-9"}).text
    assert "Nothing was found" not in client.get(PAGE).text


def test_what_is_no_number_is_said_beside_the_field(client):
    page = client.post(PAGE, {"what": "+1202555"})
    assert page.status_code == 422
    assert 'id="what-error">The phone number is too short.' in page.text
    assert "1202555" not in page.text


@pytest.mark.parametrize("what", ["Müller 12", "", "12 34"])
def test_what_can_be_nothing_that_is_kept_is_said(client, what):
    page = client.post(PAGE, {"what": what})
    assert page.status_code == 422
    assert "Give a number with + and the country code, a reference or an id." in page.text
    assert "Nothing was found" not in page.text


def test_a_key_sees_its_purposes_alone(client, started, settings):
    services.send(PHONE, "Hello")
    settings.API_ACCESS = access.parse("tests=read,purpose:payment")
    page = client.post(PAGE, {"what": PHONE}).text
    assert "a message to" in page
    assert "a code for login" not in page


def test_it_takes_a_session_and_a_form_of_our_own(started):
    assert Client().post(PAGE, {"what": PHONE})["Location"] == "/dashboard/login?next=%2Fdashboard%2Fuser"
    strict = Client(enforce_csrf_checks=True)
    strict.cookies.update(logged_in().cookies)
    assert strict.post(PAGE, {"what": PHONE}).status_code == 403


def test_each_look_is_logged_with_the_name_of_the_key(client):
    with capture_logs([merge_contextvars]) as logs:
        client.post(PAGE, {"what": PHONE})
    assert [(line["event"], line["api_key"]) for line in logs] == [
        ("dashboard_look", "tests"),
        ("user_looked_up", "tests"),
    ]
    assert "2025550123" not in str(logs)


def test_without_redis_it_says_so(client, settings):
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    page = client.post(PAGE, {"what": PHONE})
    assert page.status_code == 503
    assert "Redis does not answer" in page.text
