"""OTPHandler: the life of a code, on a real server and on fakeredis."""

from __future__ import annotations

import time

import pytest

from otp import digests, names, services, store
from otp import purposes as configured
from otp.handler import OTPHandler, repeat
from sms.errors import InvalidNumber
from tests.otp.issue import end_cooldown

PHONE = "+12025550123"

pytestmark = pytest.mark.usefixtures("any_redis")


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def purposes(settings, **rules):
    settings.OTP_PURPOSES = {"login": rules, "signup": {}}


def test_a_right_code_is_accepted_once():
    issued = OTPHandler.generate_otp(PHONE)
    assert issued.status == "issued"
    assert len(issued.code) == 6
    assert issued.code.isdigit()
    checked = OTPHandler.verify_otp(PHONE, issued.code)
    assert (checked.status, checked.id, checked.purpose) == ("valid", issued.id, "login")
    assert OTPHandler.verify_otp(PHONE, issued.code).status == "expired"


def test_a_second_start_is_pending_while_the_cooldown_runs():
    OTPHandler.generate_otp(PHONE)
    again = OTPHandler.generate_otp(PHONE)
    assert again.status == "pending"
    assert again.message == "OTP already sent. Please wait."
    assert 28 <= again.retry_after <= 30
    assert (again.id, again.code) == ("", "")


def test_wrong_guesses_are_counted_and_then_blocked():
    code = OTPHandler.generate_otp(PHONE).code
    left = [OTPHandler.verify_otp(PHONE, wrong(code)).attempts_left for _ in range(3)]
    assert left == [2, 1, 0]
    assert OTPHandler.verify_otp(PHONE, code).status == "blocked"


def test_guesses_by_number_cost_the_holder_of_the_id_no_attempt():
    """Anybody who knows a number may guess at it. The starter knows the id, and has attempts of his own."""
    issued = OTPHandler.generate_otp(PHONE)
    left = [OTPHandler.verify_otp(PHONE, wrong(issued.code)).attempts_left for _ in range(3)]
    assert left == [2, 1, 0]
    assert OTPHandler.verify_otp(PHONE, issued.code).status == "blocked"  # by number it is guessed no more
    checked = services.check(issued.id, wrong(issued.code))
    assert (checked.status, checked.attempts_left) == ("invalid", 2)
    assert services.check(issued.id, issued.code).status == "valid"
    assert OTPHandler.verify_otp(PHONE, issued.code).status == "expired"


def test_attempts_by_id_that_are_used_up_end_the_code_by_number_too():
    issued = OTPHandler.generate_otp(PHONE)
    for _ in range(3):
        services.check(issued.id, wrong(issued.code))
    assert services.check(issued.id, issued.code).status == "blocked"
    assert OTPHandler.verify_otp(PHONE, issued.code).status == "blocked"


def test_guesses_by_number_and_by_id_count_as_failures_of_one_phone(any_redis):
    """NIST SP 800-63B-4 §3.2.2: at most 100 in a row, whichever way they come."""
    issued = OTPHandler.generate_otp(PHONE)
    (digest,) = digests.of_phone(PHONE, "login")
    for _ in range(3):
        OTPHandler.verify_otp(PHONE, wrong(issued.code))
    for _ in range(2):
        services.check(issued.id, wrong(issued.code))
    assert any_redis.get(f"otp:failures:{digest}") == b"5"


def test_a_code_that_was_guessed_at_by_number_goes_out_again_for_who_has_the_id(settings):
    purposes(settings, cooldown=1)
    first = OTPHandler.generate_otp(PHONE)
    for _ in range(3):
        OTPHandler.verify_otp(PHONE, wrong(first.code))
    time.sleep(1.05)
    assert OTPHandler.resend(PHONE).status == "blocked"
    again = OTPHandler.resend(PHONE, id=first.id)
    assert (again.status, again.code, again.attempts_left) == ("issued", first.code, 3)
    assert services.check(first.id, first.code).status == "valid"


def test_a_code_of_an_older_version_has_one_count(any_redis):
    """A web process that was not restarted yet writes no count of guesses by number."""
    issued = OTPHandler.generate_otp(PHONE)
    any_redis.hdel(f"otp:verification:{issued.id}", "left_by_phone")
    assert OTPHandler.verify_otp(PHONE, wrong(issued.code)).attempts_left == 2
    assert services.check(issued.id, wrong(issued.code)).attempts_left == 1
    assert OTPHandler.verify_otp(PHONE, issued.code).status == "valid"


def test_the_last_attempt_still_counts():
    code = OTPHandler.generate_otp(PHONE).code
    for _ in range(2):
        OTPHandler.verify_otp(PHONE, wrong(code))
    assert OTPHandler.verify_otp(PHONE, code).status == "valid"


def test_the_code_of_one_purpose_or_phone_is_not_one_of_another():
    code = OTPHandler.generate_otp(PHONE).code
    OTPHandler.generate_otp("+12025550124")
    OTPHandler.generate_otp(PHONE, "signup")
    assert OTPHandler.verify_otp("+12025550124", code).status == "invalid"
    assert OTPHandler.verify_otp("+12025550125", code).status == "expired"
    assert OTPHandler.verify_otp(PHONE, code).status == "valid"


def test_a_success_ends_the_cooldown_a_cancel_does_not():
    """Else start, cancel, start, cancel … would flood a phone."""
    OTPHandler.generate_otp(PHONE)
    assert OTPHandler.cancel(PHONE)
    assert not OTPHandler.cancel(PHONE)
    assert OTPHandler.generate_otp(PHONE).status == "pending"
    other = OTPHandler.generate_otp("+12025550124")
    OTPHandler.verify_otp("+12025550124", other.code)
    assert OTPHandler.generate_otp("+12025550124").status == "issued"


def test_a_cancelled_code_is_dead():
    code = OTPHandler.generate_otp(PHONE).code
    OTPHandler.cancel(PHONE)
    assert OTPHandler.verify_otp(PHONE, code).status == "expired"


@pytest.mark.parametrize(("cooldown", "kept"), [(30, 120), (3600, 3600)])
def test_a_phone_is_known_for_ten_minutes_after_its_code_and_cooldown(settings, any_redis, cooldown, kept):
    """A cooldown may outlast the code, and the next one must know that it is the second."""
    purposes(settings, cooldown=cooldown, lifetime=120)
    OTPHandler.generate_otp(PHONE)
    (key,) = any_redis.keys("otp:phone:*")
    assert kept + 599 <= any_redis.ttl(key) <= kept + 600


def test_a_start_after_the_cooldown_replaces_the_code(settings):
    purposes(settings, cooldown=[1, 60])
    first = OTPHandler.generate_otp(PHONE)
    time.sleep(1.05)
    second = OTPHandler.generate_otp(PHONE)
    assert second.status == "issued"
    assert second.id != first.id
    assert services.check(first.id, first.code).status == "expired"
    assert OTPHandler.generate_otp(PHONE).retry_after > 50  # the second step


def test_a_code_dies_with_its_lifetime(settings):
    purposes(settings, lifetime=1)
    code = OTPHandler.generate_otp(PHONE).code
    time.sleep(1.1)
    assert OTPHandler.verify_otp(PHONE, code).status == "expired"


def test_a_resend_repeats_the_live_code_and_keeps_the_count(settings, any_redis):
    purposes(settings, cooldown=60)
    first = OTPHandler.generate_otp(PHONE)
    OTPHandler.verify_otp(PHONE, wrong(first.code))
    assert OTPHandler.resend(PHONE).status == "pending"
    end_cooldown(any_redis)
    again = OTPHandler.resend(PHONE)
    assert (again.status, again.id, again.code) == ("issued", first.id, first.code)
    assert again.attempts_left == 2
    assert again.expires_at > first.expires_at
    assert any_redis.ttl(f"otp:verification:{first.id}") >= 119  # it lives as long as it says
    assert OTPHandler.verify_otp(PHONE, first.code).status == "valid"


def test_a_resend_can_make_a_new_code(settings):
    purposes(settings, cooldown=1, new_code_on_resend=True, length=12)
    first = OTPHandler.generate_otp(PHONE)
    time.sleep(1.05)
    again = OTPHandler.resend(PHONE)
    assert again.id == first.id
    assert again.code != first.code
    assert OTPHandler.verify_otp(PHONE, first.code).status == "invalid"
    assert services.check(first.id, again.code).status == "valid"


def test_a_resend_never_lives_longer_than_ten_minutes(settings, any_redis):
    purposes(settings, cooldown=1, lifetime=600)
    first = OTPHandler.generate_otp(PHONE)
    time.sleep(1.05)
    assert OTPHandler.resend(PHONE).expires_at == pytest.approx(first.expires_at, abs=0.05)


def test_a_code_of_which_the_guard_noted_nothing_is_accepted(any_redis):
    issued = OTPHandler.generate_otp(PHONE)
    any_redis.hdel(names.key(names.VERIFICATION + issued.id), "guard")
    assert OTPHandler.verify_otp(PHONE, issued.code).status == "valid"


def test_a_code_that_ends_while_it_is_repeated_is_over(any_redis):
    """It was read as live, and is gone before the second step; what counts the phone's SMS is still there."""
    issued = OTPHandler.generate_otp(PHONE)
    phones = digests.of_phone(PHONE, "login")
    live = store.live(phones=phones)
    any_redis.delete(names.key(names.VERIFICATION + issued.id))
    assert repeat(configured.get("login"), phones, live, by="by_phone").status == "expired"


def test_there_is_nothing_to_resend_without_a_live_code():
    assert OTPHandler.resend(PHONE).status == "expired"
    code = OTPHandler.generate_otp(PHONE).code
    for _ in range(3):
        OTPHandler.verify_otp(PHONE, wrong(code))
    assert OTPHandler.resend(PHONE).status == "blocked"


def test_wrong_guesses_survive_new_codes_and_a_success_clears_them(any_redis):
    """NIST SP 800-63B-4 §3.2.2: a new code does not start the count anew."""
    code = OTPHandler.generate_otp(PHONE).code
    OTPHandler.verify_otp(PHONE, wrong(code))
    (digest,) = digests.of_phone(PHONE, "login")
    any_redis.delete(f"otp:phone:{digest}")  # as if the cooldown had run
    code = OTPHandler.generate_otp(PHONE).code
    OTPHandler.verify_otp(PHONE, wrong(code))
    assert any_redis.get(f"otp:failures:{digest}") == b"2"
    OTPHandler.verify_otp(PHONE, code)
    assert any_redis.exists(f"otp:failures:{digest}") == 0


def test_after_a_hundred_wrong_guesses_the_phone_is_blocked(any_redis):
    (digest,) = digests.of_phone(PHONE, "login")
    code = OTPHandler.generate_otp(PHONE).code
    any_redis.set(f"otp:failures:{digest}", 100, ex=60)
    assert OTPHandler.verify_otp(PHONE, code).status == "blocked"
    any_redis.delete(f"otp:phone:{digest}")
    assert OTPHandler.generate_otp(PHONE).status == "blocked"


def test_numbers_and_codes_are_read_as_people_write_them():
    code = OTPHandler.generate_otp("+1 (202) 555-0123").code
    typed = f" {code[:3]}-{''.join(chr(ord(c) - 48 + 0xFF10) for c in code[3:])} "
    assert OTPHandler.verify_otp("+1 202 555 0123", typed).status == "valid"
    with pytest.raises(InvalidNumber):
        OTPHandler.generate_otp("call me")


def test_one_phone_has_one_code_however_it_is_spelled():
    assert OTPHandler.generate_otp("+447400123456").status == "issued"
    for spelling in ("+4407400123456", "+44 (0)7400 123456", "+44 7400 123456"):
        assert OTPHandler.generate_otp(spelling).status == "pending"


def test_a_resend_that_would_hardly_live_is_a_new_start(settings, any_redis):
    purposes(settings, cooldown=1)
    first = OTPHandler.generate_otp(PHONE)
    any_redis.hincrby(f"otp:verification:{first.id}", "created_at", -560_000)  # made 560 s ago
    time.sleep(1.05)
    assert OTPHandler.resend(PHONE).status == "expired"
    assert OTPHandler.generate_otp(PHONE).status == "issued"


def test_letters_in_a_code_may_be_typed_small(settings):
    purposes(settings, alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ23456789", length=8)
    code = OTPHandler.generate_otp(PHONE).code
    assert OTPHandler.verify_otp(PHONE, code.lower()).status == "valid"


def test_nothing_is_readable_and_everything_has_a_ttl(any_redis):
    issued = OTPHandler.generate_otp(PHONE)
    OTPHandler.verify_otp(PHONE, wrong(issued.code))
    for key in any_redis.scan_iter():
        assert any_redis.pttl(key) > 0 or key.startswith(b"sms:tally:")
        held = {b"hash": any_redis.hvals, b"set": any_redis.smembers, b"string": lambda _: []}
        content = key + b" ".join(held[any_redis.type(key)](key))
        assert issued.code.encode() not in content.replace(str(int(issued.expires_at * 1000)).encode(), b"")
        assert b"2025550123" not in content
    assert issued.code not in repr(issued)


def test_an_unknown_purpose_is_a_key_error():
    with pytest.raises(KeyError):
        OTPHandler.generate_otp(PHONE, "nonsense")


def test_what_the_version_before_reads_of_a_code_is_there(any_redis):
    """It decodes these two wherever it finds a code; a rolling upgrade has both versions."""
    issued = OTPHandler.generate_otp(PHONE)
    assert any_redis.hmget(f"otp:verification:{issued.id}", "reference", "envelope") == [b"", b""]
