"""A code's way by Telegram first: two gateways on loopback, workers and address of receipts as they are."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from otp import services as otp
from sms import history, store
from sms.delivery import follow_up
from sms.message import State
from sms.testing import code_in
from tests.sms.providers import test_telegram as telegram
from tests.sms.providers.gateway import gateway, response
from tests.sms.providers.test_telegram import CHECK, CHECKED, REVOKE, SEND, SENT, TOKEN, refusal, status

PHONE = "+12025550123"


@pytest.fixture
def gateways(settings):
    """Telegram's and one for SMS, in this order in the route."""
    with gateway() as tg, gateway() as main:
        tg.before[CHECK] = response(200, status(CHECKED))
        tg.answer = lambda: response(200, status(SENT))
        main.answer = lambda: response(200, '{"id": "sms-1"}')
        template = '{"to":"{to}"%2C"text":"{body}"}'
        settings.SMS_PROVIDERS = {
            "tg": f"telegram://:{TOKEN}@?base_url={tg.url}&only=codes",
            "main": f"http://127.0.0.1:{main.port}/sms?json={template}&id=id",
        }
        settings.SMS_ROUTES = {"default": "tg>main"}
        settings.PUBLIC_URL = "https://a.example"
        yield tg, main


def sent(found) -> list[tuple[str, Any]]:
    pairs = zip(found.requests, found.bodies, strict=True)
    return [(path, json.loads(body)) for (path, _, _), body in pairs]


def test_a_code_by_telegram(gateways):
    tg, main = gateways
    verification = otp.start(PHONE)
    ((path, message),) = sent(tg)
    assert (path, message["payload"], message["request_id"]) == (SEND, verification.message_id, CHECKED)
    assert main.requests == []
    assert otp.check(verification.id, message["code"]).status == "valid"
    follow_up.publish_due()
    assert [path for path, _ in sent(tg)] == [SEND]


def test_who_is_not_there_gets_an_sms_in_the_same_run(gateways):
    tg, main = gateways
    otp.start("+12025550124")  # which opens the connection
    tg.before[CHECK] = response(*refusal("PHONE_NUMBER_NOT_FOUND"))
    verification = otp.start(PHONE)
    message = store.get(verification.message_id)
    assert (message.state, message.alias, message.attempts) == (State.SENT, "main", 2)
    told = history.of_id(message.id)
    assert told is not None
    first, second = told.steps[:2]
    assert (first.what, first.alias, first.word) == ("call_unreachable", "tg", "PHONE_NUMBER_NOT_FOUND")
    assert first.took < 0.1
    assert (second.what, second.alias) == ("call_accepted", "main")
    assert len(tg.requests) == 1
    assert otp.check(verification.id, code_in(sent(main)[0][1]["text"])).status == "valid"


def test_a_code_that_telegram_cannot_carry_goes_by_sms(gateways, settings):
    settings.OTP_PURPOSES = {"login": {"length": 10}}
    tg, main = gateways
    verification = otp.start(PHONE)
    assert store.get(verification.message_id).alias == "main"
    assert tg.asked == tg.requests == []
    assert len(main.requests) == 1


def test_a_cancelled_code_is_revoked(gateways, api):
    tg, _ = gateways
    verification = otp.start(PHONE)
    assert otp.cancel(verification.id)
    for _ in range(2):
        follow_up.publish_due()
    assert sent(tg)[1:] == [(REVOKE, {"request_id": SENT})]
    assert reported(api, verification, "revoked").status_code == 200
    assert store.get(verification.message_id).state is State.CANCELLED


def reported(api, verification, word: str, **changes: Any):
    """The answer to a report of Telegram's about it."""
    body = telegram.report(word, payload=verification.message_id, **changes)
    return api.client.post(
        f"/v1/receipts/tg?reference={verification.message_id}",
        body,
        "application/json",
        headers=telegram.signed(body, time.time()),
    )


def test_a_report_says_that_it_arrived(gateways, api):
    verification = otp.start(PHONE)
    answer = reported(api, verification, "delivered")
    assert (answer.status_code, answer.content) == (200, b"ok")
    message = store.get(verification.message_id)
    assert (message.state, message.reported) == (State.DELIVERED, "delivered")
    assert reported(api, verification, "read").status_code == 200
    assert store.get(verification.message_id).state is State.DELIVERED


def test_what_expires_unread_while_its_code_lives_goes_by_sms(gateways, api):
    _, main = gateways
    verification = otp.start(PHONE)
    assert reported(api, verification, "expired", is_refunded=True).status_code == 200
    message = store.get(verification.message_id)
    assert (message.state, message.alias) == (State.SENT, "main")
    assert len(main.requests) == 1


def test_a_forged_report_changes_nothing(gateways, api):
    verification = otp.start(PHONE)
    body = telegram.report("delivered", payload=verification.message_id)
    headers = telegram.signed(body, time.time(), "another token")
    path = f"/v1/receipts/tg?reference={verification.message_id}"
    assert api.client.post(path, body, "application/json", headers=headers).status_code == 403
    assert store.get(verification.message_id).state is State.SENT
