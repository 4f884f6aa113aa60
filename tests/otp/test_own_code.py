"""A code that the caller brings: it is sent, kept, guessed at and sent again as our own are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from otp import services
from otp.api import access
from otp.errors import NotAllowed
from otp.names import VERIFICATION
from sms.testing import code_in, outbox

PHONE = "+12025550123"
VERIFICATIONS = "/v1/verifications"


@pytest.fixture(autouse=True)
def no_cooldown(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}


def test_it_is_what_the_sms_holds_and_what_is_accepted_once():
    started = services.start(PHONE, code="048 392")
    assert code_in(outbox[-1].body) == "048392"
    assert services.check(started.id, "048391").status == "invalid"
    assert services.check(started.id, "048392").status == "valid"
    assert services.check(started.id, "048392").status == "expired"


@pytest.mark.parametrize("fresh", [False, True])
def test_a_resend_repeats_it_and_it_lives_no_longer_for_that(settings, redis, fresh):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0, "new_code_on_resend": fresh}}
    started = services.start(PHONE, code="048392")
    redis.hincrby(VERIFICATION + started.id, "created_at", -500_000)
    again = services.resend(started.id)
    assert again.expires_at == pytest.approx(started.expires_at - 20, abs=5)  # ten minutes since it was made
    assert [code_in(sent.body) for sent in outbox] == ["048392"] * 2
    assert services.check(started.id, "048392").status == "valid"


def test_it_stands_nowhere_in_clear_and_goes_with_the_verification(redis, caplog):
    started = services.start(PHONE, code="048392")
    kept = {key: redis.dump(key) for key in redis.keys("*")}
    assert not any(b"048392" in key + value for key, value in kept.items())
    assert "048392" not in caplog.text
    services.check(started.id, "048392")
    assert redis.hget(VERIFICATION + started.id, "envelope") is None


@pytest.mark.parametrize("code", ["12345", "1234567", "12345A", "", 123456, "１２３４５"])
def test_one_that_the_purpose_would_not_draw_is_refused(code):
    if code == "":
        assert services.start(PHONE, code=code).status == "pending"  # as none
        return
    with pytest.raises(NotAllowed) as caught:
        services.start(PHONE, code=code)
    assert (caught.value.code, caught.value.field) == ("code_invalid", "code")
    assert "6 characters out of 0123456789" in caught.value.detail
    assert not outbox


def test_digits_of_another_script_are_the_same_code():
    services.start(PHONE, code="١٢٣٤٥٦")
    assert code_in(outbox[-1].body) == "123456"


def test_a_test_number_keeps_its_own(settings):
    settings.TEST_NUMBERS = {PHONE: "111111"}
    settings.TEST_NUMBERS_UNTIL = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    started = services.start(PHONE, code="048392")
    services.resend(started.id)
    assert not outbox
    assert services.check(started.id, "048392").status == "invalid"
    assert services.check(started.id, "111111").status == "valid"


def test_over_http_a_key_has_to_be_allowed_to(api, settings):
    body = {"phone": PHONE, "code": "048392"}
    settings.API_ACCESS = access.parse("tests=verify")
    refused = api.post(VERIFICATIONS, body)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_code_not_allowed")
    assert not outbox
    settings.API_ACCESS = access.parse("tests=verify,own_code")
    started = api.post(VERIFICATIONS, body)
    assert started.status_code == 202
    assert code_in(outbox[-1].body) == "048392"
    wrong = api.post(VERIFICATIONS, body | {"code": "1"})
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["field"]) == (422, "code_invalid", "code")


def test_without_an_entry_no_key_may(api):
    assert api.post(VERIFICATIONS, {"phone": PHONE, "code": "048392"}).status_code == 403
