"""A code and its SMS together: what reaches the phone, and what is called back."""

from __future__ import annotations

import importlib
import re
import time
from typing import Any

import pytest
from django_redis import get_redis_connection

from otp import services, signals
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.names import VERIFICATION
from sms import broker
from sms import services as sms
from sms.errors import Overloaded, Unavailable
from sms.message import State
from sms.testing import code_in, outbox

PHONE = "+12025550123"


@pytest.fixture
def no_worker(monkeypatch):
    """Messages stay in the queue, as while no worker runs."""
    monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)


def test_the_sms_holds_the_code_and_binds_it_to_the_host():
    started = services.start("+1 (202) 555-0123", "login")
    (sent,) = outbox
    assert sent.to == PHONE
    code = code_in(sent.body)
    assert sent.body.endswith(f"\n@otp.example.com #{code}")
    assert 100 < sent.expires_in <= 120
    assert started.masked == "+1••••••••23"
    assert services.check(started.id, code).status == "valid"
    assert services.status(started.id).status == "valid"


def test_a_resend_repeats_the_text(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 1}}
    started = services.start(PHONE, locale="de")
    with pytest.raises(RateLimited) as caught:
        services.resend(started.id)
    assert caught.value.retry_after == 1
    time.sleep(1.05)
    again = services.resend(started.id)
    assert again.id == started.id
    assert [sent.body for sent in outbox] == [outbox[0].body] * 2
    assert outbox[0].id != outbox[1].id


@pytest.mark.parametrize("skew", [-300, 300])
def test_the_sms_tells_the_life_of_the_code_whatever_the_clock_of_the_web_says(
    settings, monkeypatch, redis, skew
):
    """A code lives by the clock of Redis, which the web's may not agree with."""
    settings.OTP_PURPOSES = {"login": {"lifetime": 300, "cooldown": 0}}
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + skew)
    started = services.start(PHONE)
    services.resend(started.id)
    redis.hset(VERIFICATION + started.id, "created_at", int((now() - 420) * 1000))
    services.resend(started.id)  # 10 min after it was made it is over: 3 remain
    assert [re.findall(r"expires in (\d+) min", sent.body) for sent in outbox] == [["5"], ["5"], ["3"]]
    assert [round(sent.expires_in, -1) for sent in outbox] == [300, 300, 180]


def test_a_resend_without_a_live_code_says_why():
    with pytest.raises(NotAllowed) as caught:
        services.resend("never-was")
    assert caught.value.code == "expired"
    started = services.start(PHONE)
    for _ in range(3):
        services.check(started.id, "x")
    with pytest.raises(NotAllowed) as caught:
        services.resend(started.id)
    assert caught.value.code == "blocked"


@pytest.mark.usefixtures("no_worker")
def test_a_code_goes_the_fast_way_and_once_more_if_nobody_knows(redis):
    message = sms.get(services.start(PHONE).message_id)
    assert message.queue == "otp"
    assert redis.hget(f"sms:message:{message.id}", "resend_unknown") == b"1"


@pytest.mark.usefixtures("no_worker")
class TestDeadCodesAreNotSent:
    """What still waits when its code dies is called back."""

    def test_cancelled(self):
        started = services.start(PHONE)
        assert services.cancel(started.id)
        assert not services.cancel(started.id)
        assert sms.get(started.message_id).state is State.CANCELLED

    def test_verified(self):
        code = self.start_with_code()
        assert services.check(self.started.id, code).status == "valid"
        assert sms.get(self.started.message_id).state is State.CANCELLED

    def test_blocked(self):
        self.start_with_code()
        for _ in range(3):
            services.check(self.started.id, "x")
        assert sms.get(self.started.message_id).state is State.CANCELLED

    def test_replaced_or_sent_again(self, settings):
        settings.OTP_PURPOSES = {"login": {"cooldown": 1}}
        first = services.start(PHONE)
        time.sleep(1.05)
        second = services.start(PHONE)
        assert sms.get(first.message_id).state is State.CANCELLED
        time.sleep(1.05)
        third = services.resend(second.id)
        assert sms.get(second.message_id).state is State.CANCELLED
        assert sms.get(third.message_id).state is State.QUEUED

    def start_with_code(self):
        """Start, and read the code where only a holder of the seal key can."""
        self.started = services.start(PHONE)
        sealed: Any = get_redis_connection("default").get(f"sms:body:{self.started.message_id}")
        return code_in(sms.unseal(sealed)["body"])


def test_numbers_and_purposes_that_get_no_code(redis):
    for phone, code in [("911", "phone_emergency"), ("+19005550123", "phone_type"), ("x", "phone_letters")]:
        with pytest.raises(NotAllowed) as caught:
            services.start(phone)
        assert (caught.value.code, caught.value.field) == (code, "phone")
    with pytest.raises(NotAllowed) as caught:
        services.start(PHONE, "nonsense")
    assert caught.value.field == "purpose"
    assert redis.keys() == []
    assert outbox == []


def test_a_message_that_cannot_be_written_leaves_no_code(monkeypatch, redis):
    """Nothing half-made: the next start need not wait for a cooldown."""

    def fail(*args, **kwargs):
        raise Unavailable("gone")

    monkeypatch.setattr("sms.store.create", fail)
    with pytest.raises(StoreUnavailable):
        services.start(PHONE)
    assert redis.keys() == []
    monkeypatch.undo()
    assert services.start(PHONE).status == "pending"


@pytest.mark.parametrize("lost", ["sms.store.create", "otp.store.generate"])
def test_an_answer_that_gets_lost_leaves_nothing_half_made(monkeypatch, redis, lost):
    """The script has run, Redis hangs before it says so: neither code nor SMS may stay behind."""
    module, name = lost.rsplit(".", 1)
    original = getattr(importlib.import_module(module), name)

    def run_and_fail(*args, **kwargs):
        original(*args, **kwargs)
        raise Unavailable("gone") if module == "sms.store" else StoreUnavailable

    monkeypatch.setattr("sms.broker.publish", lambda message_id, queue: True)
    with monkeypatch.context() as patch:
        patch.setattr(lost, run_and_fail)
        with pytest.raises(StoreUnavailable):
            services.start(PHONE)
    assert not list(redis.scan_iter("otp:*"))
    assert redis.zcard("sms:leases:otp") == 0
    assert services.start(PHONE).status == "pending"


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize("failing", ["sms.store.create", "otp.services._send"])
def test_a_start_that_fails_leaves_the_earlier_code_and_its_sms(monkeypatch, redis, settings, failing):
    """Whoever asks once more while too much waits must not lose the code that is on its way."""
    settings.OTP_PURPOSES = {"login": {"cooldown": (1, 30, 60)}}
    settings.OTP_LIMITS = "phone=2/1m"
    first = services.start(PHONE)
    code = code_in(sms.unseal(redis.get(f"sms:body:{first.message_id}"))["body"])
    services.check(first.id, "x")
    time.sleep(1.05)

    def overloaded(*_, **__):
        assert services.status(first.id).status == "expired"  # for this moment the new one counts
        assert services.check(first.id, code).status == "expired"
        with pytest.raises(NotAllowed):
            services.resend(first.id)
        raise Overloaded("More messages wait than can be sent in time.", 12)

    with monkeypatch.context() as patch:
        patch.setattr(failing, overloaded)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                services.start(PHONE)
            with pytest.raises(RateLimited):  # or starts in a row would keep the code dead
                services.start(PHONE)
            time.sleep(1.05)
    assert sms.get(first.message_id).state is State.QUEUED
    assert all(redis.pttl(key) > 0 for key in redis.keys("otp:*"))
    standing = services.status(first.id)
    assert (standing.status, standing.attempts_left) == ("pending", 2)
    assert len(redis.keys("otp:verification:*")) == 1
    second = services.resend(first.id)  # the second SMS and the second step of the cooldown
    assert 28 < second.resend_at - time.time() <= 30
    assert sms.get(first.message_id).state is State.CANCELLED
    assert services.check(first.id, code).status == "valid"


@pytest.mark.usefixtures("no_worker")
def test_a_code_that_is_cancelled_while_a_start_fails_stays_cancelled(monkeypatch, redis, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": (1, 30)}}
    first = services.start(PHONE)
    code = code_in(sms.unseal(redis.get(f"sms:body:{first.message_id}"))["body"])
    time.sleep(1.05)

    def overloaded(*_, **__):
        services.cancel(first.id)
        raise Overloaded("More messages wait than can be sent in time.", 12)

    with monkeypatch.context() as patch:
        patch.setattr("sms.store.create", overloaded)
        with pytest.raises(StoreUnavailable):
            services.start(PHONE)
    assert services.check(first.id, code).status == "expired"
    assert services.start(PHONE).status == "pending"


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize("lost", ["sms.store.create", "otp.store.resend"])
@pytest.mark.parametrize("new_code", [False, True])
def test_a_resend_that_fails_leaves_the_earlier_sms_in_its_place(
    monkeypatch, redis, settings, lost, new_code
):
    """Else it went out beside the next one, after its code was used, or with a code that is dead."""
    settings.OTP_PURPOSES = {"login": {"cooldown": (1, 30), "new_code_on_resend": new_code, "length": 12}}
    settings.OTP_LIMITS = "phone=2/1m"
    first = services.start(PHONE)
    code = code_in(sms.unseal(redis.get(f"sms:body:{first.message_id}"))["body"])
    time.sleep(1.05)
    original = getattr(importlib.import_module(lost.rpartition(".")[0]), "resend", None)

    def fail(*args, **kwargs):
        if original is None:
            raise Overloaded("More messages wait than can be sent in time.", 12)
        original(*args, **kwargs)
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(lost, fail)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                services.resend(first.id)
    assert sms.get(first.message_id).state is State.QUEUED
    assert services.status(first.id).expires_at == first.expires_at
    assert redis.pttl(f"otp:verification:{first.id}") <= 119_000
    second = services.resend(first.id)
    assert sms.get(first.message_id).state is State.CANCELLED
    again = code_in(sms.unseal(redis.get(f"sms:body:{second.message_id}"))["body"])
    assert (again == code) is not new_code
    assert services.cancel(first.id)
    assert sms.get(second.message_id).state is State.CANCELLED


def test_a_new_code_that_cannot_be_sent_leaves_the_former_one_right(monkeypatch, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 1, "new_code_on_resend": True}}
    first = services.start(PHONE)
    time.sleep(1.05)

    def overloaded(*_, **__):
        raise Overloaded("More messages wait than can be sent in time.", 12)

    with monkeypatch.context() as patch:
        patch.setattr("sms.store.create", overloaded)
        with pytest.raises(StoreUnavailable):
            services.resend(first.id)
    assert services.check(first.id, code_in(outbox[-1].body)).status == "valid"


def overloaded(*_: object, **__: object) -> None:
    raise Overloaded("More messages wait than can be sent in time.", 12)


@pytest.mark.usefixtures("no_worker")
def test_a_start_that_fails_takes_no_step_of_the_cooldown_and_forgets_none(monkeypatch, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": (1, 30, 60)}}
    services.cancel(services.start(PHONE).id)
    time.sleep(1.05)
    with monkeypatch.context() as patch:
        patch.setattr("sms.store.create", overloaded)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                services.start(PHONE)
    assert 28 < services.start(PHONE).resend_at - time.time() <= 30


@pytest.mark.usefixtures("no_worker")
def test_a_resend_that_fails_counts_towards_nothing_although_the_code_was_used_up_meanwhile(
    monkeypatch, settings
):
    settings.OTP_PURPOSES = {"login": {"cooldown": (1, 30, 60)}}
    settings.OTP_LIMITS = "phone=2/1m"
    first = services.start(PHONE)
    time.sleep(1.05)

    def fail(*args, **kwargs):
        for _ in range(3):
            services.check(first.id, "x")
        overloaded()

    with monkeypatch.context() as patch:
        patch.setattr("sms.store.create", fail)
        with pytest.raises(StoreUnavailable):
            services.resend(first.id)
    assert services.status(first.id).status == "blocked"
    assert services.start(PHONE).status == "pending"


@pytest.mark.usefixtures("no_worker")
def test_no_former_code_comes_back_although_the_purpose_was_changed(monkeypatch, redis, settings):
    def body(message_id):
        return code_in(sms.unseal(redis.get(f"sms:body:{message_id}"))["body"])

    settings.OTP_PURPOSES = {"login": {"cooldown": 0, "new_code_on_resend": True}}
    first = services.start(PHONE)
    old = body(first.message_id)
    new = body(services.resend(first.id).message_id)
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    with monkeypatch.context() as patch:
        patch.setattr("sms.store.create", overloaded)
        with pytest.raises(StoreUnavailable):
            services.resend(first.id)
    assert services.check(first.id, old).status == "invalid"
    assert services.check(first.id, new).status == "valid"
    assert not redis.hexists(f"otp:verification:{first.id}", "former")


def test_one_signal_per_fact():
    heard = []

    def hear(signal, **facts):
        heard.append((names[signal], facts["purpose"]))

    names = {
        signals.code_issued: "issued",
        signals.code_accepted: "accepted",
        signals.code_rejected: "rejected",
        signals.code_blocked: "blocked",
        signals.verification_cancelled: "cancelled",
    }
    for signal in names:
        signal.connect(hear)
    try:
        first = services.start(PHONE)
        services.check(first.id, "x")
        services.check(first.id, code_in(outbox[-1].body))
        second = services.start(PHONE, "signup")
        services.cancel(second.id)
    finally:
        for signal in names:
            signal.disconnect(hear)
    assert heard == [
        ("issued", "login"),
        ("rejected", "login"),
        ("accepted", "login"),
        ("issued", "signup"),
        ("cancelled", "signup"),
    ]


def test_a_country_without_a_route_gets_no_code(redis, settings):
    settings.SMS_ROUTES = {"DE": "test"}
    with pytest.raises(NotAllowed) as caught:
        services.start("+12025550123")
    assert (caught.value.code, caught.value.field) == ("no_route", "phone")
    assert redis.keys() == []


def test_overload_undoes_the_code(redis, monkeypatch):
    def overloaded(*_, **__):
        raise Overloaded("More messages wait than can be sent in time.", 12)

    monkeypatch.setattr("sms.store.create", overloaded)
    with pytest.raises(StoreUnavailable) as caught:
        services.start("+12025550123")
    assert (caught.value.code, caught.value.retry_after) == ("overloaded", 12)
    assert redis.keys("otp:*") == []
