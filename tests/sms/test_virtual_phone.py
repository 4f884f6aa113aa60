"""The virtual phone: only while somebody develops, only for the worker, never as HTML."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import clear_url_caches, include, path

import config.urls
from sms.virtual_phone import views
from sms.virtual_phone.views import Inbox

URL = "/phone/messages"
AUTH = {"Authorization": "Bearer secret"}
SMS = {"id": "m1", "to": "+12025550123", "body": "Hello", "channel": "sms"}


@pytest.fixture
def phone(settings, monkeypatch) -> Iterator[Client]:
    settings.DEBUG = True
    settings.SMS_PROVIDERS = {"phone": "sandbox://:secret@127.0.0.1:9"}
    monkeypatch.setattr(views, "inbox", Inbox())
    with monkeypatch.context() as patched:
        patched.setattr(config.urls, "urlpatterns", [path("phone/", include(views.urls()))])
        clear_url_caches()
        yield Client(enforce_csrf_checks=True)
    clear_url_caches()


def put(phone: Client, sms: object = SMS, headers: dict[str, str] = AUTH):
    body = sms if isinstance(sms, str) else json.dumps(sms)
    return phone.post(URL, body, content_type="application/json", headers=headers)


def bodies(phone: Client, **query: int) -> list[str]:
    return [message["body"] for message in phone.get(URL, query).json()["messages"]]


def test_a_message_is_shown_with_its_number_and_time(phone):
    assert put(phone).status_code == 204
    answer = phone.get(URL)
    (message,) = answer.json()["messages"]
    assert abs(message.pop("at") - time.time()) < 5
    assert message == {"seq": 1, "to": "+12025550123", "body": "Hello", "channel": "sms"}
    assert "no-store" in answer["Cache-Control"]


def test_a_page_shows_them(phone):
    assert b'data-messages="/phone/messages"' in phone.get("/phone/").content


def test_the_last_twenty_are_kept(phone):
    for number in range(25):
        put(phone, SMS | {"body": str(number)})
    assert bodies(phone) == [str(number) for number in range(5, 25)]
    assert bodies(phone, after=23) == ["23", "24"]
    assert bodies(phone, after=25) == []


def test_a_page_that_is_older_than_the_process_sees_everything(phone):
    put(phone)
    assert bodies(phone, after=57) == ["Hello"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": ""}])
def test_only_the_worker_may_write(phone, headers):
    assert put(phone, headers=headers).status_code == 403
    assert bodies(phone) == []


@pytest.mark.parametrize(
    "sms", ["", "[]", '"x"', "{", {"to": "+1"}, {"to": 1, "body": "x"}, {"to": "x", "body": None}]
)
def test_what_is_no_message_is_refused(phone, sms):
    assert put(phone, sms).status_code == 400
    assert bodies(phone) == []


@pytest.mark.parametrize("query", [{"after": "x"}, {"wait": "x"}, {"wait": "nan"}])
def test_a_question_that_makes_no_sense_is_refused(phone, query):
    assert phone.get(URL, query).status_code == 400


def test_other_methods_are_refused(phone):
    assert phone.delete(URL).status_code == 405


def test_waiting_ends_with_the_next_message():
    inbox = Inbox()
    inbox.put("+1", "old")
    threading.Timer(0.1, inbox.put, ("+1", "new")).start()
    begun = time.monotonic()
    assert [message.body for message in inbox.after(1, wait=10)] == ["new"]
    assert time.monotonic() - begun < 5


def test_waiting_has_an_end(phone, monkeypatch):
    monkeypatch.setattr(views, "LONGEST_WAIT", 0.05)
    begun = time.monotonic()
    assert bodies(phone, wait=1000) == []
    assert 0.05 <= time.monotonic() - begun < 5


def test_a_crowd_of_questions_leaves_the_server_its_threads(monkeypatch):
    monkeypatch.setattr(views, "MOST_WAITING", 0)
    begun = time.monotonic()
    assert Inbox().after(0, wait=10) == []
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("debug", "providers"),
    [
        (False, {"phone": "sandbox://:secret@127.0.0.1:9"}),
        (True, {"main": "console://"}),
        (True, {}),
        (True, {"phone": "nonsense"}),
    ],
)
def test_nothing_is_mounted_outside_of_development(settings, debug, providers):
    settings.DEBUG = debug
    settings.SMS_PROVIDERS = providers
    assert views.urls() == []


def test_the_address_is_not_there_in_production():
    client = Client()
    assert client.get(URL).status_code == 404
    assert client.post(URL).status_code == 404
    assert client.get("/phone/").status_code == 404


def test_messages_do_not_reach_a_log_by_way_of_a_repr(phone):
    put(phone)
    assert "Hello" not in repr(views.inbox.after(0))
