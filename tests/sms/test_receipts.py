"""Delivery reports over HTTP: genuine ones move a message forward, the rest changes nothing."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from sms import broker, services, store
from sms.message import State

PUBLIC = "https://verify.example.com"
TOKEN = "token-of-the-account"
PHONE = "+12025550123"


@pytest.fixture(autouse=True)
def twilio(settings, monkeypatch):
    settings.PUBLIC_URL = PUBLIC
    settings.SMS_PROVIDERS = {"main": f"twilio://AC1:{TOKEN}@?from=x"}
    monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)


def sent_message() -> str:
    message = services.send(PHONE, "Hello")
    store.claim(message.id)
    store.move(message.id, State.SENT, alias="main", provider_message_id="SM1")
    return message.id


def report(reference: str, word: str, *, public: str = PUBLIC, token: str = TOKEN, **fields: str):
    """The vendor calls the public address; the proxy hands it on to ours, by plain HTTP."""
    path = f"/v1/receipts/main?reference={reference}"
    form = {"MessageSid": "SM1", "MessageStatus": word, "To": PHONE} | fields
    signature = RequestValidator(token).compute_signature(public + path, form)
    return Client().post(
        path,
        urlencode(form),
        "application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )


def test_a_genuine_receipt_behind_a_proxy():
    id = sent_message()
    assert report(id, "delivered").status_code == 204
    record = services.get(id)
    assert (record.state, record.reported) == (State.DELIVERED, "delivered")


def test_states_only_go_forward():
    id = sent_message()
    for word, state in [
        ("sent", State.SENT),
        ("teleported", State.UNKNOWN),
        ("delivered", State.DELIVERED),
        ("sent", State.DELIVERED),
        ("undelivered", State.DELIVERED),
        ("teleported", State.DELIVERED),
    ]:
        assert report(id, word).status_code == 204
        assert services.get(id).state is state


def test_a_failure_keeps_the_vendors_code():
    id = sent_message()
    report(id, "undelivered", ErrorCode="30005")
    record = services.get(id)
    assert (record.state, record.error) == (State.FAILED, "30005")


def test_a_receipt_may_overtake_the_answer_of_the_call():
    message = services.send(PHONE, "Hello")
    store.claim(message.id)
    report(message.id, "delivered")
    moved, record = store.move(message.id, State.SENT, provider_message_id="SM1")
    assert (moved, record.state, record.alias) == (False, State.DELIVERED, "main")


def test_a_receipt_saves_a_code_whose_outcome_was_unknown_from_a_second_sms():
    message = services.send(PHONE, "123456", resend_unknown=True)
    store.claim(message.id)
    store.move(message.id, State.QUEUED, retry_in=3.0, unknown=True)
    report(message.id, "sent")
    assert services.get(message.id).state is State.SENT
    assert store.claim(message.id)[0] == "done"


@pytest.mark.parametrize("forged", [{"token": "wrong"}, {"public": "https://evil.example.com"}])
def test_forged_receipts_are_refused(forged):
    id = sent_message()
    response = report(id, "delivered", **forged)
    assert (response.status_code, response.json()["code"]) == (403, "receipt_rejected")
    assert services.get(id).state is State.SENT


def test_a_flood_of_forged_receipts_costs_no_lookup(redis):
    id = sent_message()
    redis.config_resetstat()
    for n in range(50):
        assert report(f"{id}{n}", "delivered", token="wrong").status_code == 403
    assert redis.info("commandstats").keys() <= {"cmdstat_info", "cmdstat_config|resetstat"}


def test_unknown_references_and_aliases():
    assert report("never-was", "delivered").status_code == 204
    response = Client().post("/v1/receipts/other", "x", "text/plain")
    assert (response.status_code, response.json()["code"]) == (404, "alias_unknown")


def test_a_provider_without_receipts_refuses_them(settings):
    settings.SMS_PROVIDERS = {"main": "memory://"}
    assert report("x", "delivered").status_code == 403


def test_a_receipt_over_16_kib_is_refused():
    response = Client().post(
        "/v1/receipts/main", "x" * 17_000, "text/plain", headers={"X-Twilio-Signature": "x"}
    )
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
