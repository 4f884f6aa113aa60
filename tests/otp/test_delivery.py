"""The answers about the SMS of a code: whether it failed. They hide numbers that get no SMS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from otp import access, services, signals
from otp.verification import Verification
from sms import names
from sms import services as sms
from sms.message import State
from sms.testing import code_in, outbox
from tests.sms.providers.gateway import Gateway, gateway, response

PHONE, TESTED, REFUSED = "+12025550123", "+12025550124", "+12025550125"


@pytest.fixture
def provider(settings: Any) -> Iterator[Gateway]:
    """A provider on a socket, which refuses every number."""
    with gateway() as found:
        found.answer = lambda: response(400, '{"code": "21211"}')
        body = "json=%7B%22to%22%3A%22%7Bto%7D%22%2C%22text%22%3A%22%7Bbody%7D%22%7D"
        settings.SMS_PROVIDERS = {"main": f"{found.url}/?{body}&id=id&error=code&refused=21211"}
        yield found


def state_of(verification: Verification) -> State:
    message = sms.get(verification.message_id)
    assert message is not None
    return message.state


def test_a_refusal_of_the_provider_is_told_over_http(provider, api):
    id = api.post("/v1/verifications", {"phone": PHONE}).json()["id"]
    body = api.get(f"/v1/verifications/{id}").json()
    assert (body["status"], body["delivery"]) == ("pending", "failed")
    assert len(provider.bodies) == 1


def test_a_refusal_of_the_provider_is_told_on_the_page(provider):
    browser = Client()
    browser.post("/", {"phone": PHONE})
    html = browser.get("/code").content.decode()
    assert "This number cannot get an SMS" in html
    assert "<title>Not sent: " in html
    assert "We sent a code" not in html
    for way_out in ('action="/resend"', 'action="/cancel"', 'name="code"'):
        assert way_out in html


def test_a_code_that_is_typed_all_the_same_is_answered_first(provider):
    """Maybe it came after all: what counts now is what became of the guess."""
    browser = Client()
    browser.post("/", {"phone": PHONE})
    browser.post("/code", {"code": "12"})
    html = browser.get("/code").content.decode()
    assert "<title>Incomplete code: " in html
    assert "did not get through" in html
    assert "We sent a code" not in html


def test_dead_letters_say_why_a_refusal_is_not_among_them(provider):
    services.start(PHONE)
    out = StringIO()
    call_command("dead_letters", stdout=out, stderr=out)
    assert "refused because of the number or the text are not among them" in out.getvalue()


def test_a_code_whose_sms_is_sent_once_more_is_underway_again(provider, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    started = services.start(PHONE)
    assert services.status(started.id).delivery == "failed"
    provider.answer = lambda: response(200, '{"id": "1"}')
    services.resend(started.id)
    assert services.status(started.id).delivery == "underway"


@pytest.mark.parametrize("state", [state for state in State if state is not State.FAILED])
def test_of_any_other_state_nothing_is_told(redis, state):
    started = services.start(PHONE)
    redis.hset(names.RECORD + started.message_id, "state", state)
    assert services.status(started.id).delivery == "underway"


def test_what_is_over_has_no_delivery(provider, api, redis):
    id = api.post("/v1/verifications", {"phone": PHONE}).json()["id"]
    api.delete(f"/v1/verifications/{id}")
    assert api.get(f"/v1/verifications/{id}").json()["delivery"] is None
    other = services.start("+12025550126")
    redis.hset(f"otp:verification:{other.id}", "status", "blocked")
    assert services.status(other.id).delivery == ""


@pytest.fixture
def some_get_none(settings: Any) -> Iterator[None]:
    """A test number, and one that a receiver of ``code_wanted`` refuses."""
    settings.TEST_NUMBERS = {TESTED: "123456"}
    settings.TEST_NUMBERS_UNTIL = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    def judge(*, number: Any, **_: Any) -> str | None:
        return signals.REFUSE if number.e164 == REFUSED else None

    signals.code_wanted.connect(judge)
    yield
    signals.code_wanted.disconnect(judge)


def of(body: dict[str, Any]) -> tuple[Any, ...]:
    """An answer without its id and its times."""
    return body["status"], body["attempts_left"], body["delivery"], body["sms"]["state"], body["sms"]["error"]


def age(redis: Any, id: str, seconds: float) -> None:
    """Let the SMS of a verification be so many seconds old."""
    record = names.RECORD + redis.hget(f"otp:verification:{id}", "reference").decode()
    created = int(redis.hget(record, "created_at")) - int(seconds * 1000)
    redis.hset(record, "created_at", created)


def test_numbers_that_get_no_sms_look_like_those_that_do(some_get_none, settings, api, redis):
    """A test number, one that a receiver refuses, and one that is sent to: every answer is the same."""
    settings.API_ACCESS = access.parse("tests=verify")
    seen = []
    for phone in (PHONE, TESTED, REFUSED):
        started = api.post("/v1/verifications", {"phone": phone}).json()
        at = f"/v1/verifications/{started['id']}"
        soon = api.get(at).json()
        age(redis, started["id"], 5)
        if phone == PHONE:  # only this one gets a receipt
            redis.hset(names.RECORD + started["sms"]["message_id"], "state", "delivered")
        seen.append([of(body) for body in (started, soon, api.get(at).json())])
    told = [("pending", 3, "underway", state, None) for state in ("queued", "queued", "sent")]
    assert seen == [told] * 3


def test_a_key_that_may_read_sees_who_gets_none(some_get_none, api):
    seen = []
    for phone in (PHONE, TESTED, REFUSED):
        started = api.post("/v1/verifications", {"phone": phone}).json()
        seen.append(of(api.get(f"/v1/verifications/{started['id']}").json())[2:])
    assert seen == [("underway", "sent", None), *[("underway", "cancelled", "withheld")] * 2]


@pytest.mark.parametrize(
    ("fields", "in_full", "else_told"),
    [
        ({"state": "queued"}, ("queued", ""), ("queued", "")),
        ({"state": "sending"}, ("sending", ""), ("queued", "")),
        ({"state": "sent"}, ("sent", ""), ("queued", "")),
        ({"state": "delivered"}, ("delivered", ""), ("queued", "")),
        ({"state": "cancelled"}, ("cancelled", ""), ("queued", "")),
        ({"state": "cancelled", "provider_message_id": ""}, ("cancelled", ""), ("cancelled", "")),
        ({"state": "queued", "redirected": "1", "created_at": "1"}, ("queued", ""), ("sent", "")),
        ({"state": "expired"}, ("expired", "not_in_time"), ("expired", "not_in_time")),
        ({"state": "unknown"}, ("unknown", "unknown"), ("unknown", "unknown")),
        ({"state": "failed"}, ("failed", "no_provider"), ("failed", "no_provider")),
        ({"state": "failed", "fault": "opted_out"}, ("failed", "opted_out"), ("failed", "number_refused")),
    ],
)
def test_the_state_of_an_sms_and_what_went_wrong(redis, fields, in_full, else_told):
    started = services.start(PHONE)
    redis.hset(names.RECORD + started.message_id, mapping=fields)
    for frankly, told in ((True, in_full), (False, else_told)):
        found = services.status(started.id, in_full=frankly).sms
        assert (found.message_id, found.state, found.error) == (started.message_id, *told)


def test_the_sms_is_told_of_after_the_verification_is_over(api):
    started = api.post("/v1/verifications", {"phone": PHONE}).json()
    at = f"/v1/verifications/{started['id']}"
    api.post(f"{at}/check", {"code": code_in(outbox[-1].body)})
    over = api.get(at).json()
    assert (over["status"], over["sms"]["state"]) == ("valid", "sent")
    api.delete(at)
    assert api.get("/v1/verifications/never").json()["sms"] is None


def test_the_states_behind_them_do_differ(some_get_none):
    """So that the tests above have something to hide."""
    assert [state_of(services.start(phone)) for phone in (PHONE, TESTED)] == [State.SENT, State.CANCELLED]
