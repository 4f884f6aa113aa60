"""A code and its SMS together: what reaches the phone, and what is called back."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import pytest

from otp import services, signals, store
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from otp.handler import OTPHandler
from otp.names import VERIFICATION
from sms import broker, cells, ids
from sms import services as sms
from sms.message import State
from sms.testing import code_in, outbox
from tests.commands import commands
from tests.otp.issue import end_cooldown
from tests.tagged import looking

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


def test_a_resend_repeats_the_text(settings, redis):
    settings.OTP_PURPOSES = {"login": {"cooldown": 60}}
    started = services.start(PHONE, locale="de")
    with pytest.raises(RateLimited) as caught:
        services.resend(started.id)
    assert 50 < caught.value.retry_after <= 60
    end_cooldown(redis)
    again = services.resend(started.id)
    assert again.id == started.id
    assert [sent.body for sent in outbox] == [outbox[0].body] * 2
    assert outbox[0].id != outbox[1].id


def test_a_code_may_be_bound_to_the_host_of_another_page(redis):
    started = services.start(PHONE, host="shop.example")
    end_cooldown(redis)
    services.resend(started.id)
    assert ["\n@shop.example #" in sent.body for sent in outbox] == [True, True]


def test_each_resend_has_to_wait_for_longer(redis):
    id, waits = services.start(PHONE).id, []
    for _ in range(3):
        waits.append(math.ceil((services.status(id).resend_at - sms.now()) / 30))
        end_cooldown(redis)
        services.resend(id)
    assert waits == [1, 2, 4]  # of 30 s


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
    """A message that still waits when its code dies is cancelled."""

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
        sealed: Any = looking().get(f"sms:body:{self.started.message_id}")
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


@pytest.mark.usefixtures("no_worker")
def test_a_start_whose_answer_gets_lost_is_cancelled(monkeypatch, redis):
    """The script has run, and Redis hangs before it says so: nobody knows the id of that verification."""
    run = store.start

    def run_and_fail(*args, **kwargs):
        run(*args, **kwargs)
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr("otp.store.start", run_and_fail)
        with pytest.raises(StoreUnavailable):
            services.start(PHONE)
    assert not redis.keys("otp:verification:*")
    (record,) = redis.keys("sms:message:*")
    assert redis.hget(record, "state") == b"cancelled"
    assert redis.zcard("sms:leases:otp") == redis.zcard("sms:waiting:otp") == 0
    with pytest.raises(RateLimited):  # its cooldown stays, as for any cancelled code
        services.start(PHONE)


@pytest.mark.usefixtures("no_worker")
def test_a_resend_whose_answer_gets_lost_stands(monkeypatch, redis, settings):
    """It happened whole, under an id that its caller knows."""
    settings.OTP_PURPOSES = {"login": {"cooldown": (1, 30)}}
    first = services.start(PHONE)
    code = code_in(sms.unseal(redis.get(f"sms:body:{first.message_id}"))["body"])
    time.sleep(1.05)
    run = store.resend

    def run_and_fail(*args, **kwargs):
        run(*args, **kwargs)
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr("otp.store.resend", run_and_fail)
        with pytest.raises(StoreUnavailable):
            services.resend(first.id)
    assert sms.get(first.message_id).state is State.CANCELLED
    assert redis.zcard("sms:leases:otp") == 1
    assert services.check(first.id, code).status == "valid"
    assert redis.zcard("sms:leases:otp") == 0  # its SMS is called back


def everything(redis):
    """Every key with its value, except the tally. The fields of a hash come in any order."""
    return {
        key: redis.hgetall(key) if redis.type(key) == b"hash" else redis.dump(key)
        for key in redis.scan_iter()
        if not key.startswith(b"sms:tally:")
    }


def too_much_waits(redis, settings):
    settings.SMS_LONGEST_WAIT = 2
    long_ago = (time.time() - 10) * 1000
    for cell in cells.every():
        redis.zadd("sms:waiting:otp", {ids.new(cell): long_ago + number for number in range(20)})


@pytest.mark.one_cell
@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize("refusal", ["pending", "blocked", "overloaded", "phone"])
@pytest.mark.parametrize("again", ["start", "resend"])
def test_what_is_refused_writes_nothing(redis, settings, refusal, again):
    """The code that lives goes on, and so does its SMS."""
    cooldown = 30 if refusal == "pending" else 0
    settings.OTP_PURPOSES = {"login": {"cooldown": cooldown, "attempts": 10}}
    settings.OTP_LIMITS = "phone=1/1h" if refusal == "phone" else "phone=9/1h"
    first = services.start(PHONE)
    for _ in range(6 if refusal == "blocked" else 0):
        services.check(first.id, "x")
    if refusal == "overloaded":
        too_much_waits(redis, settings)
    before = everything(redis)
    with pytest.raises((RateLimited, StoreUnavailable)) as caught:
        services.start(PHONE) if again == "start" else services.resend(first.id)
    told = {getattr(caught.value, name, "") for name in ("code", "limit")}
    assert refusal in told
    assert everything(redis) == before
    assert sms.get(first.message_id).state is State.QUEUED


def test_an_overload_says_when_to_ask_again(redis, settings):
    too_much_waits(redis, settings)
    with pytest.raises(StoreUnavailable) as caught:
        services.start(PHONE)
    assert (caught.value.code, caught.value.retry_after) == ("overloaded", 11)
    assert redis.keys("otp:*") == []


@pytest.mark.usefixtures("no_worker")
@pytest.mark.one_cell
def test_a_code_its_sms_and_all_that_it_replaces_change_in_one_script(redis, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    known = services.start("+12025550199")  # from here on the server knows the scripts
    services.resend(known.id)
    services.check(known.id, "x")
    services.cancel(known.id)
    first = services.start(PHONE)
    with commands() as sent:
        second = services.start(PHONE)
    assert sent.count("EVALSHA") == 1
    assert sms.get(first.message_id).state is State.CANCELLED
    assert services.status(first.id).status == "expired"
    with commands() as sent:
        services.resend(second.id)
    assert sent.count("EVALSHA") == 2  # to read which code that is, and to send it
    assert sms.get(second.message_id).state is State.CANCELLED
    (body,) = redis.keys("sms:body:*")
    code = code_in(sms.unseal(redis.get(body))["body"])
    with commands() as sent:
        assert services.check(second.id, code).status == "valid"
    assert sent.count("EVALSHA") == 1
    assert redis.zcard("sms:leases:otp") == 0


@pytest.mark.usefixtures("no_worker")
def test_a_stranger_who_guesses_by_number_does_not_stop_the_sms(redis):
    started = services.start(PHONE)
    for _ in range(4):
        OTPHandler.verify_otp(PHONE, "x")
    assert sms.get(started.message_id).state is State.QUEUED


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
