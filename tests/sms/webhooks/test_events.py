"""Which events there are, what they say, and what they never do."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from otp import services as codes
from otp.errors import RateLimited
from otp.verification import Verification
from sms import inbound, names, receipts, services, store
from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure
from sms.message import Inbound
from sms.testing import code_in, outbox
from sms.webhooks import endpoints
from tests.sms.house import PHONE
from tests.sms.webhooks.conftest import send_all
from tests.sms.webhooks.receiver import SECRET

REFERENCE = "order-77"


def told(receiver, *types: str) -> list[dict]:
    send_all()
    assert not receiver.forged
    return [got.data for got in receiver.got if got.type in types]


def wrong(code: str) -> str:
    return "000000" if code != "000000" else "111111"


def start(**options) -> Verification:
    return codes.start(PHONE, reference=REFERENCE, **options)


def of(verification: Verification, status: str) -> dict:
    return {
        "verification_id": verification.id,
        "message_id": verification.message_id,
        "status": status,
        "purpose": "login",
        "reference": REFERENCE,
        "country": "US",
        "channel": "sms",
    }


def test_a_code_that_its_user_sends(receiver, settings):
    settings.SMS_PROVIDERS = settings.SMS_PROVIDERS | {"main": "twilio://AC1:token@?from=%2B12025550100"}
    settings.OTP_PURPOSES, settings.OTP_REVERSE = {"login": {"reverse": True}}, {"main": "+12025550100"}
    started = start(reverse=True)
    codes.hear(PHONE, started.wanted.text)
    (said,) = told(receiver, "verification.verified")
    assert said | {"message_id": ""} == of(started, "valid")
    assert "message_id" not in said


def test_a_code_that_is_typed(receiver):
    started = start()
    codes.check(started.id, code_in(outbox[-1].body))
    codes.check(started.id, code_in(outbox[-1].body))  # too late: it is told once
    assert told(receiver, "verification.verified") == [of(started, "valid")]
    assert told(receiver, "message.sent") == [
        {
            "message_id": started.message_id,
            "verification_id": started.id,
            "purpose": "login",
            "reference": REFERENCE,
            "state": "sent",
            "country": "US",
            "channel": "sms",
            "alias": "test",
        }
    ]
    assert sorted(receiver.types()) == ["message.sent", "verification.verified"]


def test_a_code_with_too_many_wrong_guesses(receiver):
    started = start()
    for _ in range(4):
        codes.check(started.id, wrong(code_in(outbox[-1].body)))
    assert told(receiver, "verification.blocked") == [of(started, "blocked")]


def test_a_code_that_is_cancelled(receiver):
    started = start()
    codes.cancel(started.id)
    codes.cancel(started.id)
    assert told(receiver, "verification.cancelled") == [of(started, "cancelled")]


@pytest.mark.parametrize("how", ["verified", "resent", "cancelled", "before"])
def test_a_code_of_a_session_names_it(receiver, settings, how):
    endpoints = dict(settings.WEBHOOKS)
    if how == "before":  # it was started before webhooks were set
        settings.WEBHOOKS = {}
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    started = start(session="the-session")
    settings.WEBHOOKS = endpoints
    if how == "resent":
        codes.resend(started.id)
    if how == "cancelled":
        codes.cancel(started.id)
    else:
        codes.check(started.id, code_in(outbox[-1].body))
    (data,) = told(receiver, "verification.verified", "verification.cancelled")
    assert data["session_id"] == "the-session"


def test_a_code_that_dies(receiver, settings, redis):
    """No script runs at that moment. A sweep reports it once, with the time of its death."""
    settings.OTP_PURPOSES = {"login": {"lifetime": 2, "cooldown": 0}}
    first = start()
    resent = codes.resend(first.id)
    assert told(receiver, "verification.expired") == []
    died = float(redis.hget("otp:verification:" + first.id, "expires_at")) / 1000
    redis.zadd(names.VERIFICATIONS_END, {first.id: int(died * 1000) - 5000})  # it is over
    assert told(receiver, "verification.expired") == [of(resent, "expired")]
    assert told(receiver, "verification.expired") == [of(resent, "expired")]
    assert redis.zcard(names.VERIFICATIONS_END) == redis.hlen(names.VERIFICATIONS_TOLD) == 0


@pytest.mark.parametrize("how", ["typed", "replaced"])
def test_a_code_that_is_over_does_not_die(receiver, settings, redis, how):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    started = start()
    if how == "typed":
        codes.check(started.id, code_in(outbox[-1].body))
    else:
        later = start()
    left = [] if how == "typed" else [later.id.encode()]
    assert redis.zrange(names.VERIFICATIONS_END, 0, -1) == left
    assert redis.hkeys(names.VERIFICATIONS_TOLD) == left


def test_a_code_of_before_webhooks_were_set(receiver, settings):
    url = dict(settings.WEBHOOKS)
    settings.WEBHOOKS = {}
    started = start()
    settings.WEBHOOKS = url
    codes.check(started.id, code_in(outbox[-1].body))
    (data,) = told(receiver, "verification.verified")
    assert data == {
        "verification_id": started.id,
        "message_id": started.message_id,
        "status": "valid",
        "purpose": "login",
    }


class TestMessages:
    @pytest.fixture(autouse=True)
    def _of(self, receiver, house):
        self.receiver, self.house = receiver, house

    @pytest.mark.parametrize(
        ("outcome", "type", "state", "fault"),
        [
            (None, "message.sent", "sent", None),
            (PermanentFailure("no", code="21211"), "message.failed", "failed", "number_refused"),
            (OutcomeUnknown("?"), "message.unknown", "unknown", None),
        ],
    )
    def test_that_a_provider_was_asked_for(self, outcome, type, state, fault):
        self.house.providers["a"].always = outcome
        id = self.house.send(reference=REFERENCE)
        self.house.deliver(id)
        (data,) = told(self.receiver, type)
        assert (data["message_id"], data["state"], data.get("fault")) == (id, state, fault)
        assert (data["reference"], data["country"], data["channel"], data["alias"]) == (
            REFERENCE,
            "US",
            "sms",
            "a",
        )
        assert self.receiver.types() == [type]

    def test_that_was_delivered(self):
        id = self.house.send()
        self.house.deliver(id)
        for _ in range(2):
            receipts.take("a", {}, f"{id} delivered".encode(), "/", "https://x.example/")
        assert [data["message_id"] for data in told(self.receiver, "message.delivered")] == [id]

    def test_that_died_before_it_could_be_sent(self):
        id = self.house.send(expires_at=store.now() - 1)
        self.house.deliver(id)
        (data,) = told(self.receiver, "message.failed")
        assert (data["state"], data["fault"]) == ("expired", "expired")

    def test_that_is_cancelled_is_no_event(self):
        services.cancel(self.house.send())
        send_all()
        assert self.receiver.got == []

    def test_a_provider_that_is_left_out_and_back(self):
        a = self.house.providers["a"]
        a.outcomes = [AccountFailure("no funds", code="30002")]
        self.house.deliver(self.house.send())
        assert told(self.receiver, "provider.left_out") == [{"alias": "a"}]
        self.house.pause_is_over("a")
        self.house.deliver(self.house.send())
        assert told(self.receiver, "provider.back") == [{"alias": "a"}]

    def test_a_provider_that_is_left_out_in_a_country(self):
        self.house.providers["a"].outcomes = [AccountFailure("not there", code="21408", here=True)]
        self.house.deliver(self.house.send())
        assert told(self.receiver, "provider.left_out") == [{"alias": "a", "country": "US"}]


def test_what_the_guard_refuses_is_told_once_a_minute(receiver, settings, redis):
    settings.GUARD_MODE, settings.GUARD_FIGURES = "enforce", {"fine": (2, 9, 9), "strict": 2}
    for number in range(4):
        with suppress(RateLimited):
            codes.start(f"+1202555{number + 200:04}")
    expected = {"reason": "hour", "country": "US", "purpose": "login", "channel": "sms"}
    assert told(receiver, "guard.refused") == [expected]
    (mark,) = redis.keys(names.GUARD_TOLD + "*")
    assert 50 < redis.ttl(mark) <= 60


def test_in_shadow_nothing_is_refused(receiver, settings):
    settings.GUARD_MODE, settings.GUARD_FIGURES = "shadow", {"fine": (2, 9, 9), "strict": 2}
    for number in range(3):
        codes.start(f"+1202555{number + 200:04}")
    assert told(receiver, "guard.refused") == []


def test_a_message_from_a_user(receiver, settings):
    text = "STOP"
    for _ in range(2):  # as a vendor repeats it
        inbound.receive("test", Inbound("SM1", PHONE, "+15005550006", text))
    inbound.receive("test", Inbound("", "12345", "+15005550006", "Hello"))
    stop = {"alias": "test", "country": "US", "word": "stop", "channel": "sms"}
    hello = {"alias": "test", "channel": "sms"}
    found = told(receiver, "message.received")
    assert {json.dumps(data, sort_keys=True) for data in found} == {
        json.dumps(data, sort_keys=True) for data in (stop, hello)
    }
    assert len({got.id for got in receiver.got}) == 2


def test_nothing_that_is_sent_has_a_number_or_a_code(receiver, house, settings, redis):
    """In every case: neither is in a call, nor in an event that waits for one."""
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    settings.GUARD_MODE, settings.GUARD_FIGURES = "enforce", {"fine": (4, 9, 9), "strict": 2}
    house.providers["a"].outcomes = [None, PermanentFailure(f"{PHONE}?", code="21211")]
    seen = []
    for _ in range(3):
        started = start()
        house.deliver(started.message_id)
        seen.append(house.providers["a"].calls[-1].code)
        codes.check(started.id, wrong(seen[-1]))
        codes.check(started.id, seen[-1])
    with suppress(RateLimited):
        for number in range(9):
            codes.start(f"{PHONE[:-4]}{number + 1000}")
    inbound.receive("a", Inbound("SM1", PHONE, "+15005550006", f"STOP {seen[0]}"))
    waiting = b"".join(redis.zrange(names.WEBHOOKS_DUE + "shop", 0, -1))
    send_all()
    wire = b"".join(got.raw for got in receiver.got)
    assert {
        "verification.verified",
        "message.sent",
        "message.failed",
        "guard.refused",
        "message.received",
    } <= {*receiver.types()}
    for secret in (PHONE, PHONE[1:], PHONE[2:], "5005550006", *seen):
        assert secret.encode() not in wire + waiting


def test_an_endpoint_gets_what_it_takes_alone(receiver, settings, redis):
    settings.WEBHOOKS = {
        "all": receiver.url(),
        "few": receiver.url("events=verification.*", "events=message.failed"),
    }
    started = start()
    codes.check(started.id, code_in(outbox[-1].body))
    counts = {name: redis.zcard(names.WEBHOOKS_DUE + name) for name in ("all", "few")}
    assert counts == {"all": 2, "few": 1}
    send_all()
    assert sorted(receiver.types()) == ["message.sent", *["verification.verified"] * 2]
    assert len({got.id for got in receiver.got}) == 2  # the same for both


def test_without_endpoints_nothing_is_written(redis, settings):
    started = start()
    codes.check(started.id, code_in(outbox[-1].body))
    inbound.receive("test", Inbound("SM1", PHONE, "+15005550006", "Hello"))
    assert endpoints.in_lua() == ""
    assert redis.keys("sms:webhooks:*") == []


def test_the_scripts_know_a_change_of_the_settings(receiver, settings, redis):
    settings.WEBHOOKS = {}
    start()
    settings.WEBHOOKS = {"shop": receiver.url("events=message.sent")}
    services.send(PHONE, "Hello")
    (event,) = redis.zrange(names.WEBHOOKS_DUE + "shop", 0, -1)
    assert json.loads(event.partition(b" ")[2])["type"] == "message.sent"


@pytest.mark.usefixtures("one_list")
def test_on_any_server(any_redis, settings):
    settings.WEBHOOKS = {"shop": f"https://shop.example/#secret={SECRET}"}
    first = start()
    codes.check(first.id, code_in(outbox[-1].body))
    codes.cancel(codes.start("+12025550124").id)
    lying = [
        json.loads(text.partition(b" ")[2]) for text in any_redis.zrange(names.WEBHOOKS_DUE + "shop", 0, -1)
    ]
    found = {event["type"]: event["data"] for event in lying}
    assert found["verification.verified"] == of(first, "valid")
    assert set(found) == {"message.sent", "verification.verified", "verification.cancelled"}
