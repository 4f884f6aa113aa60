"""The page of the dead letters: what it shows, and who may send one again."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from otp import access
from otp import services as codes
from sms import names, services
from sms.errors import TemporaryFailure
from sms.message import State
from sms.providers.memory import MemoryProvider
from sms.testing import outbox
from tests.conftest import point_cache_at
from tests.otp.dashboard.looker import logged_in

PAGE, REPLAY = "/dashboard/dead-letters", "/dashboard/dead-letters/replay"
PHONE = "+12025550123"


@pytest.fixture
def client(settings: Any) -> Client:
    settings.API_ACCESS = access.parse("tests=read,operate")
    return logged_in()


@pytest.fixture
def dead(redis: Any) -> str:
    """A code that was sent, made a dead letter: its worker found all providers failing in every round."""
    id = codes.start(PHONE, reference="order-1").message_id
    sealed = services.seal({"to": PHONE, "body": "123456", "code": "123456"})
    redis.set(names.BODY + id, sealed, ex=120)
    redis.hset(names.RECORD + id, mapping={"state": "failed", "error": "busy", "fault": "no_provider"})
    redis.zadd(names.DEAD, {id: 1})
    outbox.clear()
    return id


def test_there_are_none(client):
    assert "There are none." in client.get(PAGE).text


def test_each_is_shown_without_number_and_text(client, dead):
    page = client.get(PAGE).text
    for shown in (
        dead,
        "A code for login to",
        "+1••••••••23",
        "no provider took it; last error: busy",
        "reference order-1",
    ):
        assert shown in page
    assert "Send again" in page
    assert "2025550123" not in page
    assert "123456" not in page


def test_when_it_was_accepted_and_when_it_was_given_up_are_two_times(client, dead, redis):
    redis.hset(names.RECORD + dead, "created_at", 1_700_000_000_000)
    redis.zadd(names.DEAD, {dead: 1_700_000_061_000})
    page = re.sub("<[^>]+>", "", client.get(PAGE).text)
    assert "Accepted 14 Nov 22:13 UTC, given up 14 Nov 22:14 UTC: no provider took it" in page
    redis.hset(names.RECORD + dead, mapping={"state": "queued", "error": "unsealable"})
    page = re.sub("<[^>]+>", "", client.get(PAGE).text)
    assert "Accepted 14 Nov 22:13 UTC, last tried 14 Nov 22:14 UTC: no key" in page


def test_one_is_sent_again(client, dead):
    with capture_logs([merge_contextvars]) as logs:
        answer = client.post(REPLAY, {"id": dead})
    assert answer.status_code == 303
    assert dead not in answer["Location"]
    assert [sms.to for sms in outbox] == [PHONE]
    assert services.get(dead).state is State.SENT
    page = client.get(answer["Location"]).text
    assert "It is on its way again." in page
    assert "There are none." in page
    (act,) = (line for line in logs if line["event"] == "dashboard_act")
    told = (act["act"], act["api_key"], act["result"], act["message_id"])
    assert told == ("replay", "tests", "again", dead)


def test_one_that_still_fails_comes_back(client, dead, monkeypatch):
    def fail(*_: object) -> str:
        raise TemporaryFailure("x", code="busy")

    monkeypatch.setattr(MemoryProvider, "send", fail)
    client.post(REPLAY, {"id": dead})
    assert services.get(dead).state is State.QUEUED
    assert not outbox


@pytest.mark.parametrize("what", ["expired", "unknown", "not dead", "nothing"])
def test_what_cannot_be_sent_is_said(client, dead, redis, what):
    id = dead
    if what == "expired":
        redis.hset(names.RECORD + dead, "expires_at", 1)
        page = client.get(PAGE).text
        assert ">expired<" in page
        assert "Send again" not in page
    elif what == "unknown":
        id = "never-was"
    elif what == "not dead":
        id = services.send(PHONE, "Hello").id
        outbox.clear()
    answer = client.post(REPLAY, {} if what == "nothing" else {"id": id})
    assert "It can no longer be sent" in client.get(answer["Location"]).text
    assert not outbox


def test_it_takes_the_scope_operate(client, dead, settings):
    settings.API_ACCESS = access.parse("tests=read")
    page = client.get(PAGE).text
    assert dead in page
    assert "Send again" not in page
    assert "needs the scope <code>operate</code>" in page
    assert client.post(REPLAY, {"id": dead}).status_code == 403
    assert not outbox


def test_it_takes_a_form_of_our_own_and_a_post(client, dead):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies.update(client.cookies)
    assert strict.post(REPLAY, {"id": dead}).status_code == 403
    assert client.get(REPLAY).status_code == 405
    assert not outbox


def test_a_key_sees_and_sends_its_purposes_alone(client, dead, settings):
    settings.API_ACCESS = access.parse("tests=read,operate,purpose:payment")
    assert dead not in client.get(PAGE).text
    answer = client.post(REPLAY, {"id": dead})
    assert "It can no longer be sent" in client.get(answer["Location"]).text
    assert not outbox


def test_one_that_no_key_opens_says_so(client, dead, redis):
    redis.hset(names.RECORD + dead, mapping={"state": "queued", "error": "unsealable"})
    assert "no key of SMS_SEAL_KEYS opens it" in client.get(PAGE).text


def test_without_redis_it_says_so(client, dead, settings):
    point_cache_at(settings, "redis://127.0.0.1:9/0")
    page = client.get(PAGE)
    assert page.status_code == 503
    assert "Redis does not answer" in page.text
    answer = client.post(REPLAY, {"id": dead})
    assert answer.status_code == 503
    assert "Nothing was done, or the answer got lost" in answer.text
