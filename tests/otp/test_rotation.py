"""A change of PHONE_SECRET_KEY or SMS_SEAL_KEYS while codes are in flight loses none of them."""

from __future__ import annotations

import secrets
from itertools import pairwise

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from otp import digests, services
from otp.errors import NotAllowed, RateLimited
from otp.handler import OTPHandler
from sms import broker
from sms.delivery.run import deliver
from sms.testing import code_in, outbox

PHONE = "+12025550123"


def rotate(settings) -> None:
    settings.PHONE_SECRET_KEY_FALLBACKS = [settings.PHONE_SECRET_KEY, *settings.PHONE_SECRET_KEY_FALLBACKS]
    settings.PHONE_SECRET_KEY = secrets.token_urlsafe(48)


@pytest.fixture(autouse=True)
def no_cooldown(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}


@pytest.mark.parametrize("times", [1, 2])
def test_a_code_from_before_is_right_by_id_and_by_phone(settings, any_redis, times):
    started = services.start(PHONE)
    issued = OTPHandler.generate_otp("+12025550124")
    for _ in range(times):
        rotate(settings)
    assert services.check(started.id, "000000").attempts_left == 2
    assert services.check(started.id, code_in(outbox[0].body)).status == "valid"
    assert OTPHandler.verify_otp("+12025550124", "000000").attempts_left == 2
    assert OTPHandler.verify_otp("+12025550124", issued.code).status == "valid"
    assert OTPHandler.verify_otp("+12025550124", issued.code).status == "expired"


def test_a_resend_repeats_the_code_from_before(settings, any_redis):
    started = services.start(PHONE)
    rotate(settings)
    services.resend(started.id)
    assert outbox[0].body == outbox[1].body
    assert services.check(started.id, code_in(outbox[1].body)).status == "valid"


def test_cooldown_wrong_guesses_and_the_one_live_code_go_on(settings, any_redis):
    settings.OTP_PURPOSES = {"login": {"cooldown": 30}}
    issued = OTPHandler.generate_otp(PHONE)
    OTPHandler.verify_otp(PHONE, "no")
    rotate(settings)
    assert OTPHandler.generate_otp(PHONE).status == "pending"
    (phone,) = any_redis.keys("otp:phone:*")
    assert phone.decode().endswith(digests.of_phone(PHONE, "login")[0])
    any_redis.hset(phone, "resend_at", 0)
    newer = OTPHandler.generate_otp(PHONE)
    assert services.check(issued.id, issued.code).status == "expired"
    OTPHandler.verify_otp(PHONE, "no")
    (failures,) = any_redis.keys("otp:failures:*")
    assert any_redis.get(failures) == b"2"
    assert OTPHandler.verify_otp(PHONE, newer.code).status == "valid"
    assert not any_redis.keys("otp:failures:*")


def test_during_a_cooldown_from_before_nobody_is_asked_about_the_number(settings, any_redis):
    """A challenge, or a look-up by a receiver of ``code_wanted``, may cost money."""
    settings.OTP_PURPOSES = {"login": {"cooldown": 30}}
    settings.OTP_CHALLENGE = f"{__name__}.solved"
    services.start(PHONE)
    rotate(settings)
    ASKED.clear()
    with pytest.raises(RateLimited):
        services.start(PHONE)
    assert ASKED == []


ASKED: list[str] = []


def solved(**about):
    ASKED.append(about["purpose"])
    return True


def test_cancel_finds_the_code_from_before(settings, any_redis):
    OTPHandler.generate_otp(PHONE)
    rotate(settings)
    assert OTPHandler.cancel(PHONE)
    assert not any_redis.keys("otp:verification:*")


def test_two_processes_may_differ_about_which_key_is_the_newest(settings, any_redis):
    """While one after the other is restarted, each knows both keys."""
    one, other = settings.PHONE_SECRET_KEY, secrets.token_urlsafe(48)

    def as_process(newest: str, fallback: str) -> None:
        settings.PHONE_SECRET_KEY, settings.PHONE_SECRET_KEY_FALLBACKS = newest, [fallback]

    as_process(one, other)
    first = OTPHandler.generate_otp(PHONE)
    as_process(other, one)
    assert OTPHandler.resend(PHONE, id=first.id).code == first.code
    as_process(one, other)
    assert OTPHandler.resend(PHONE, id=first.id).code == first.code
    second = OTPHandler.generate_otp(PHONE)
    as_process(other, one)
    assert OTPHandler.verify_otp(PHONE, first.code if first.code != second.code else "no").status == "invalid"
    assert OTPHandler.verify_otp(PHONE, second.code).status == "valid"
    assert len(any_redis.keys("otp:phone:*")) == 0


def test_without_the_former_key_a_code_is_over_and_nothing_breaks(settings):
    started = services.start(PHONE)
    settings.PHONE_SECRET_KEY = secrets.token_urlsafe(48)
    assert services.check(started.id, code_in(outbox[0].body)).status == "invalid"
    with pytest.raises(NotAllowed) as caught:
        services.resend(started.id)
    assert caught.value.code == "expired"


def test_a_new_key_in_front_of_the_seals_loses_no_resend(settings):
    started = services.start(PHONE)
    settings.SMS_SEAL_KEYS = [Fernet.generate_key().decode(), *settings.SMS_SEAL_KEYS]
    services.resend(started.id)
    settings.SMS_SEAL_KEYS = settings.SMS_SEAL_KEYS[:1]
    assert outbox[0].body == outbox[1].body
    assert services.check(started.id, code_in(outbox[1].body)).status == "valid"


def test_in_three_steps_no_worker_meets_a_seal_that_it_cannot_open(settings, monkeypatch):
    """Web and worker are restarted one after the other: in each step both ways round."""
    published = []
    monkeypatch.setattr(
        broker, "publish", lambda message_id, queue: bool(published.append(message_id)) or True
    )
    old, new = settings.SMS_SEAL_KEYS[0], Fernet.generate_key().decode()
    steps = [[old], [old, new], [new, old]]
    phones = iter(f"+1202555{number:04}" for number in range(100, 200))
    for before, after in pairwise(steps):
        for web, worker in ((before, after), (after, before)):
            settings.SMS_SEAL_KEYS = web
            services.start(next(phones))
            settings.SMS_SEAL_KEYS = worker
            deliver(published.pop())
    assert len(outbox) == 4


def test_a_weak_former_key_is_refused_at_start(settings):
    settings.PHONE_SECRET_KEY_FALLBACKS = ["short"]
    with pytest.raises(SystemCheckError, match="PHONE_SECRET_KEY_FALLBACKS must be random"):
        call_command("check")
