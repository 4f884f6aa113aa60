"""Wrong guesses in a row make their phone pause, and no other."""

from __future__ import annotations

import pytest

from otp import services
from otp.handler import OTPHandler
from tests.otp.admission.calls import PHONE
from tests.tagged import looking

pytestmark = pytest.mark.usefixtures("no_cooldown")


def fail(times: int) -> None:
    """So many wrong guesses in a row, each code with its three."""
    redis = looking()
    for number in range(times):
        if number % 3 == 0:
            for key in redis.keys("otp:phone:*"):
                redis.hset(key, "resend_at", 0)
            failures = redis.keys("otp:failures:*")
            for key in failures:  # the pause is over
                redis.pexpire(key, 24 * 3_600_000 - 3_600_000)
            assert OTPHandler.generate_otp(PHONE).status == "issued"
            for key in failures:
                redis.pexpire(key, 24 * 3_600_000)
        assert OTPHandler.verify_otp(PHONE, "no").status == "invalid"


@pytest.mark.parametrize(
    ("wrong", "pause"),
    [(3, 0), (5, 0), (6, 30), (8, 30), (9, 60), (12, 120), (24, 1920), (27, 3600), (60, 3600)],
)
def test_the_pauses_grow_with_the_wrong_guesses(any_redis, wrong, pause):
    fail(wrong)
    answer = OTPHandler.generate_otp(PHONE)
    assert answer.status == ("blocked" if pause else "issued")
    assert pause - 1 <= answer.retry_after <= pause


def test_neither_a_new_code_nor_a_resend_ends_a_pause_and_a_success_does(any_redis):
    fail(7)
    (phone,) = any_redis.keys("otp:phone:*")
    any_redis.hset(phone, "resend_at", 0)
    resent = OTPHandler.resend(PHONE)
    assert (resent.status, resent.retry_after) == ("blocked", 30)
    (failures,) = any_redis.keys("otp:failures:*")
    any_redis.pexpire(failures, 24 * 3_600_000 - 30_000)
    code = OTPHandler.generate_otp(PHONE).code
    assert OTPHandler.verify_otp(PHONE, code).status == "valid"
    assert OTPHandler.generate_otp(PHONE).status == "issued"


def test_a_pause_tells_its_name_and_its_end(any_redis, api):
    fail(6)
    answer = api.post("/v1/verifications", {"phone": PHONE})
    assert (answer.status_code, answer.json()["code"], answer.json()["limit"]) == (429, "blocked", "guesses")
    assert 28 <= answer.json()["retry_after"] <= 30
    assert answer["RateLimit-Policy"] == '"guesses";q=100'


def test_the_live_code_of_the_owner_works_in_a_pause(any_redis):
    """A stranger's wrong guesses hold up the next code, never the one that is under way."""
    fail(6)
    (failures,) = any_redis.keys("otp:failures:*")
    any_redis.pexpire(failures, 24 * 3_600_000 - 30_000)
    code = OTPHandler.generate_otp(PHONE).code
    assert OTPHandler.verify_otp(PHONE, "no").status == "invalid"
    assert OTPHandler.verify_otp(PHONE, code).status == "valid"


def test_a_stranger_with_an_id_of_his_own_cannot_guess_the_owners_code():
    strangers = services.start(PHONE)
    owners = services.start(PHONE)  # the newest one counts, and has an id of its own
    assert services.check(strangers.id, "1").status == "expired"
    assert services.status(owners.id).attempts_left == 3
