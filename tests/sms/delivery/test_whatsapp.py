"""A code by WhatsApp first, then by SMS: two gateways on loopback, and Meta's one webhook."""

from __future__ import annotations

import json
from urllib.parse import quote, urlsplit

import pytest
from django.core.management import call_command
from django.test import Client
from structlog.testing import capture_logs

from otp import services as otp
from sms import broker, names, optouts, services, signals, tally
from sms.delivery import run as delivery
from sms.message import State
from tests.sms.providers.contract import SMS
from tests.sms.providers.gateway import gateway, response
from tests.sms.providers.test_kannel import TestKannel as Kannel
from tests.sms.providers.test_whatsapp import (
    RECEIPTS,
    SECRET,
    VERIFY,
    error,
    failure,
    handshake,
    message,
    signed,
    status,
    value,
    webhook,
)
from tests.sms.providers.test_whatsapp import TestWhatsApp as WhatsApp

PHONE = SMS.to


class Both:
    """The two vendors, each with its gateway; codes wait until the test delivers them."""

    def __init__(self, whatsapp, kannel) -> None:
        self.whatsapp, self.kannel = whatsapp, kannel
        whatsapp.answer = lambda: response(*WhatsApp.accepted)
        kannel.answer = lambda: response(*Kannel.accepted)

    @property
    def calls(self) -> tuple[int, int]:
        return len(self.whatsapp.requests), len(self.kannel.requests)

    def refuses(self, http: int, code: int) -> None:
        self.whatsapp.answer = lambda: response(*error(http, code))

    def start(self, phone: str = PHONE) -> str:
        id: str = otp.start(phone, locale="de-AT").message_id
        delivery.deliver(id)
        return id


@pytest.fixture
def both(settings, redis, monkeypatch):
    with gateway() as whatsapp, gateway() as kannel:
        settings.PUBLIC_URL = "https://a.example"
        settings.SMS_PROVIDERS = {
            "main": WhatsApp.url.format(base_url=quote(whatsapp.url, safe=""), timeout=5) + "&only=codes",
            "sms": Kannel.url.format(base_url=quote(kannel.url, safe=""), timeout=5),
        }
        settings.SMS_ROUTES = {"default": "main>sms"}
        monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)
        yield Both(whatsapp, kannel)


def report(*values: object):
    """Meta calls its one address."""
    body = webhook(*values)
    headers = signed(body)
    return Client().post(urlsplit(RECEIPTS).path, body, "application/json", headers=headers)


def test_a_number_with_whatsapp_gets_its_code_there(both):
    id = both.start()
    found = services.get(id)
    assert (found.state, found.alias, both.calls) == (State.SENT, "main", (1, 0))
    sent = json.loads(both.whatsapp.bodies[0])
    assert (sent["template"]["language"], sent["biz_opaque_callback_data"]) == ({"code": "de"}, id)
    assert report(value(statuses=[status("delivered", biz_opaque_callback_data=id)])).content == b"OK"
    assert services.get(id).state is State.DELIVERED


def test_a_number_without_whatsapp_costs_one_fast_call(both):
    both.refuses(400, 131026)
    id = both.start()
    assert (services.get(id).state, services.get(id).alias) == (State.SENT, "sms")
    assert both.calls == (1, 1)
    (counted,) = tally.read("counts")
    assert counted["calls|unreachable|main|US"] == 1


@pytest.mark.parametrize("code", [131049, 131009, 131056, 190, 132001])
def test_whatever_else_whatsapp_says_the_code_arrives(both, code):
    both.refuses(400, code)
    assert services.get(both.start()).alias == "sms"
    assert both.calls == (1, 1)


def test_that_a_number_has_none_is_told_after_the_answer(both, redis, left_out):
    """As Meta mostly does. It says nothing bad of the alias, however often."""
    for n in range(8):
        id = both.start(f"+1202555010{n}")
        assert (services.get(id).state, services.get(id).alias) == (State.SENT, "main")
        failed = status("failed", biz_opaque_callback_data=id, errors=failure(131026))
        assert report(value(statuses=[failed])).status_code == 200
        assert services.get(id).state is State.QUEUED
        delivery.deliver(id)
        assert (services.get(id).state, services.get(id).alias) == (State.SENT, "sms")
    assert both.calls == (8, 8)
    assert left_out == []
    assert not redis.hget(names.HEALTH + "main:US", "bad")


def test_other_failures_leave_the_alias_out(both, left_out):
    for n in range(5):
        id = both.start(f"+1202555010{n}")
        failed = status("failed", biz_opaque_callback_data=id, errors=failure(131000))
        report(value(statuses=[failed]))
    assert left_out == [("main", "US")]


def test_one_address_takes_receipts_and_what_users_send(both):
    heard = []

    def hear(*, alias, message, **_):
        heard.append((alias, message.phone, message.word))

    id = both.start()
    signals.message_received.connect(hear)
    try:
        stop = message(text={"body": "STOP"})
        sent = status("delivered", biz_opaque_callback_data=id)
        with capture_logs() as logs:
            answer = report(value(statuses=[sent]), value(messages=[stop]))
    finally:
        signals.message_received.disconnect(hear)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"OK", "text/plain")
    assert services.get(id).state is State.DELIVERED
    assert heard == [("main", PHONE, "stop")]
    assert optouts.counts() == {"main": (1, 0)}
    assert PHONE[1:] not in str(logs)


def test_a_forged_webhook_changes_nothing(both):
    id = both.start()
    body = webhook(value(statuses=[status("delivered", biz_opaque_callback_data=id)], messages=[message()]))
    for headers in ({}, signed(body, "x" * 32), signed(body[:-1])):
        for path in ("/v1/receipts/main", "/v1/inbound/main"):
            answer = Client().post(path, body, "application/json", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "receipt_rejected")
    assert services.get(id).state is State.SENT
    assert optouts.counts() == {}


def test_a_status_of_another_apps_message_is_let_go(both):
    with capture_logs() as logs:
        answer = report(value(statuses=[status("read", biz_opaque_callback_data="order-7")]), value("1" * 15))
    assert answer.status_code == 200
    assert [line["event"] for line in logs] == ["receipt_without_message"]


def test_meta_asks_whether_the_address_is_ours(both):
    path = handshake("/v1/receipts/main")
    answer = Client().get(path)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"1158201444", "text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"
    for wrong in (
        path.replace(VERIFY, "guessed"),
        handshake("/v1/receipts/main", challenge="<script>"),
        "/v1/receipts/main?hub.mode=subscribe",
        "/v1/receipts/main",
    ):
        answer = Client().get(wrong)
        assert (answer.status_code, answer.json()["code"]) == (403, "receipt_rejected")
        assert not any(text in answer.content.decode() for text in ("<script>", VERIFY, SECRET))


def test_its_console_has_one_address(both, capsys):
    call_command("providers", "--configured")
    first = capsys.readouterr().out.splitlines()[:3]
    assert first == [
        "main: whatsapp, only codes, receipts, inbound",
        f"    in its console, for receipts: {RECEIPTS}",
        f"    in its console, for inbound: {RECEIPTS}",
    ]
