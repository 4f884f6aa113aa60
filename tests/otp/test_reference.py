"""The caller's own reference: it is with every report of a verification or a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from otp import services, signals
from otp.handler import OTPHandler
from sms import services as sms
from sms.testing import code_in, outbox
from tests.otp.issue import end_cooldown

PHONE = "+12025550123"


def start(api: Any, **more: str) -> dict[str, Any]:
    started: dict[str, Any] = api.post("/v1/verifications", {"phone": PHONE, **more}).json()
    return started


def test_every_answer_about_a_verification_has_it(api, redis):
    started = start(api, reference="order-1")
    at = f"/v1/verifications/{started['id']}"
    end_cooldown(redis)
    answers = [started, api.get(at).json(), api.post(f"{at}/resend").json(), api.get(at).json()]
    api.post(f"{at}/check", {"code": code_in(outbox[-1].body)})
    over = api.get(at).json()
    assert over["status"] == "valid"
    assert [answer["reference"] for answer in [*answers, over]] == ["order-1"] * 5


def test_a_start_without_one_has_none(api):
    started = start(api)
    assert started["reference"] is None
    assert api.get(f"/v1/verifications/{started['id']}").json()["reference"] is None
    assert start(api, reference="", purpose="signup")["reference"] is None


def test_a_message_has_it_and_knows_whose_it_is(api):
    sent = api.post("/v1/messages", {"to": PHONE, "body": "Hello", "reference": "parcel:7"}).json()
    assert sent["reference"] == "parcel:7"
    assert api.get(f"/v1/messages/{sent['id']}").json()["reference"] == "parcel:7"
    assert sms.get(sent["id"]).api_key == "tests"
    assert api.post("/v1/messages", {"to": PHONE, "body": "Hello"}).json()["reference"] == ""


@pytest.mark.parametrize(
    "reference", [PHONE, PHONE[1:], "max@example.com", "x" * 65, "two words", "ü", "a\n"]
)
@pytest.mark.parametrize(
    ("path", "body"), [("/v1/verifications", {"phone": PHONE}), ("/v1/messages", {"to": PHONE, "body": "Hi"})]
)
def test_a_bad_one_is_refused_and_leaves_nothing(api, redis, path, body, reference):
    refused = api.post(path, body | {"reference": reference})
    assert refused.status_code == 422
    assert (refused.json()["code"], refused.json()["field"]) == ("reference_invalid", "reference")
    assert redis.keys() == []


def test_the_longest_is_kept(api):
    longest = "order.2026:11/28/shop_eu-" + "7" * 39
    assert start(api, reference=longest)["reference"] == longest


def cancelled(id: str) -> None:
    services.cancel(id)


def typed(id: str) -> None:
    services.check(id, code_in(outbox[-1].body))


def guessed(id: str) -> None:
    services.check(id, "x")


@pytest.mark.parametrize(
    ("what", "event", "signal"),
    [
        (typed, "code_valid", signals.code_accepted),
        (guessed, "code_invalid", signals.code_rejected),
        (cancelled, "verification_cancelled", signals.verification_cancelled),
    ],
)
def test_every_line_and_signal_has_it(what: Callable[[str], None], event, signal):
    heard: list[dict[str, Any]] = []

    def hear(**told: Any) -> None:
        heard.append(told)

    signal.connect(hear, OTPHandler)
    with capture_logs() as lines:
        started = services.start(PHONE, reference="order-1")
        what(started.id)
    assert [told["reference"] for told in heard] == ["order-1"]
    told = {line["event"]: line.get("reference") for line in lines}
    assert told == dict.fromkeys(("message_queued", "message_sent", "code_issued", event), "order-1")


def test_a_line_without_one_has_no_empty_one():
    with capture_logs() as lines:
        services.check(services.start(PHONE).id, "x")
    assert lines
    assert not [line for line in lines if "reference" in line]
