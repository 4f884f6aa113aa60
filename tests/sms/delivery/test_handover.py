"""Errors of a provider's module, and odd ids of vendors: they are in nobody's way."""

from __future__ import annotations

import json
import time

import pytest
from structlog.testing import capture_logs

from sms import broker, names, registry, services
from sms.delivery import handover
from sms.delivery import run as delivery
from sms.errors import OutcomeUnknown, TemporaryFailure
from sms.message import State
from sms.providers.base import Provider, Sms
from sms.testing import outbox
from tests.sms.providers.gateway import gateway, response

PHONE = "+12025550123"
BODY = "123456 is your code"
SMS = Sms(id="ref-1", to=PHONE, body=BODY)


class Own(Provider):
    """A user's own provider: it sends by means of its own, or by ours, and has a fault."""

    scheme = "own"

    def __init__(self, alias: str, url: str = "", *, before: bool = False) -> None:
        super().__init__(alias)
        self.url, self.before = url, before
        self.pool = self.http_pool() if url else None

    def send(self, sms):
        if not self.before and self.pool:
            self.pool.ask("POST", self.url, sms.body, {"X-To": sms.to})
        raise KeyError(f"{sms.to} {sms.body}")


def raised(provider: Provider) -> tuple[type[Exception], str]:
    """Its fate. The log loudly says where it happened, but does not repeat the text."""
    with capture_logs() as logs, pytest.raises((OutcomeUnknown, TemporaryFailure)) as caught:
        handover.hand_over(provider, SMS)
    (line,) = logs
    assert (line["event"], line["log_level"], line["alias"]) == ("provider_raised", "error", "own")
    assert "test_handover.py:" in line["place"]
    shown = f"{line} {caught.value!r} {caught.value.__cause__}"
    assert PHONE[1:] not in shown
    assert "123456" not in shown
    return type(caught.value), caught.value.code


def test_a_fault_before_the_request_is_a_temporary_failure():
    with gateway() as vendor:
        assert raised(Own("own", vendor.url, before=True)) == (TemporaryFailure, "KeyError")
        assert vendor.requests == []


def test_a_fault_after_the_request_is_an_unknown_outcome():
    with gateway() as vendor:
        vendor.answer = lambda: response(200, "{}")
        assert raised(Own("own", vendor.url)) == (OutcomeUnknown, "KeyError")
        assert len(vendor.requests) == 1


def test_a_fault_of_a_provider_that_sends_by_other_means_is_an_unknown_outcome():
    """It may have sent: a doubled SMS by accident would be worse than a wait."""
    assert raised(Own("own")) == (OutcomeUnknown, "KeyError")


def test_an_earlier_message_of_the_thread_says_nothing_about_this_one():
    with gateway() as vendor:
        vendor.answer = lambda: response(200, "{}")
        raised(Own("own", vendor.url))
        assert raised(Own("own", vendor.url, before=True))[0] is TemporaryFailure


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("SM123", "SM123"),
        (42, "42"),
        ("\ud83d", "\\ud83d"),
        ("a\x00b\nc\u202e", "a\\x00b\\nc\\u202e"),
        ("x" * 5000, "x" * 200),
        (10**5000, ""),
        (None, ""),
        (True, ""),
        (["x"], ""),
        ({"x": 1}, ""),
        (float("nan"), ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_vendor_calls_it_can_be_kept_and_shown(word, kept):
    assert handover.plain(word) == kept


@pytest.fixture
def queued(monkeypatch):
    monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)


def gateway_of(url: str) -> str:
    return f'https://gateway.example/?json={{"to":"{{to}}"%2C"text":"{{body}}"}}&id=id&base_url={url}'


@pytest.mark.usefixtures("queued")
@pytest.mark.parametrize("id", ["\ud83d", "a\x00\n", "x" * 100_000, 10**4000])
def test_an_acceptance_under_an_odd_id_is_recorded(settings, id):
    """It would stay ``sending``, and go out once more when the lease is over."""
    with gateway() as vendor:
        vendor.answer = lambda: response(200, json.dumps({"id": id}))
        settings.SMS_PROVIDERS = {"main": gateway_of(vendor.url)}
        message = services.send(PHONE, BODY, resend_unknown=True)
        delivery.deliver(message.id)
        record = services.get(message.id)
        assert record.state is State.SENT
        assert 0 < len(record.provider_message_id) <= 200
        assert record.provider_message_id.isprintable()


@pytest.mark.usefixtures("queued")
@pytest.mark.parametrize(
    "answer",
    [
        response(429, "", Retry_After="Mon, 01 Jan 99999999999 00:00:00 GMT"),
        response(503, "", Retry_After="Mon, 01 Jan 99999999999 00:00:00 GMT", Date="x"),
        response(301, "", Location="https://gateway.example/v2"),
        response(401, "\xff" * 100),
    ],
    ids=["429", "503", "301", "401"],
)
def test_the_next_alias_has_the_code_within_milliseconds(settings, redis, answer):
    with gateway() as vendor:
        vendor.answer = lambda: answer
        settings.SMS_PROVIDERS = {"main": gateway_of(vendor.url), "spare": "memory://"}
        took = []
        for _ in range(3):  # a busy machine may stand still once
            redis.flushall()
            outbox.clear()
            message = services.send(PHONE, BODY, resend_unknown=True)
            begun = time.monotonic()
            delivery.deliver(message.id)
            took.append(time.monotonic() - begun)
            assert (services.get(message.id).state, services.get(message.id).alias) == (State.SENT, "spare")
            assert len(outbox) == 1
        assert min(took) < 0.5


@pytest.mark.usefixtures("queued")
def test_a_fault_of_the_module_costs_no_code(settings, monkeypatch, redis):
    """Before the request the next alias has it in the same run; after it, once, when no receipt came."""
    settings.SMS_PROVIDERS = {"own": "memory://", "spare": "memory://"}
    known = dict(registry.aliases())
    monkeypatch.setattr(registry, "aliases", lambda: known)
    with gateway() as vendor:
        vendor.answer = lambda: response(200, "{}")
        for before, states in ((True, [State.SENT]), (False, [State.QUEUED, State.SENT])):
            outbox.clear()
            own = Own("own", vendor.url, before=before)
            known["own"] = registry.Alias(own, slots=registry.Slots(10), share=1)
            message = services.send(PHONE, BODY, resend_unknown=True)
            found = []
            for _ in states:
                redis.hset(names.RECORD + message.id, "not_before", 1)
                delivery.deliver(message.id)
                found.append(services.get(message.id).state)
            assert found == states
            assert [sms.id for sms in outbox] == [message.id]
