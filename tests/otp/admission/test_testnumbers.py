"""Test numbers: a known code and no SMS, for a while, and no caller can tell."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from otp import services
from otp.admission import testnumbers
from otp.errors import NotAllowed, RateLimited
from sms import services as sms
from sms.testing import outbox

VALID, INVENTED = "+12025550100", "+10000000001"


@pytest.fixture(autouse=True)
def test_numbers(settings):
    settings.TEST_NUMBERS = {VALID: "123456", INVENTED: "654321"}
    settings.TEST_NUMBERS_UNTIL = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.mark.parametrize(
    ("spelling", "code"), [(VALID, "123456"), ("+1 (202) 555-0100", "123456"), (INVENTED, "654321")]
)
def test_the_configured_code_works_and_no_sms_goes_out(spelling, code, settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    started = services.start(spelling)
    assert services.check(started.id, "000000").status == "invalid"
    resent = services.resend(started.id)
    assert services.check(resent.id, code).status == "valid"
    assert not outbox
    assert sms.get(started.message_id).error == sms.get(resent.message_id).error == "test_number"


def test_a_new_code_on_resend_is_the_configured_one_too(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0, "new_code_on_resend": True}}
    started = services.start(VALID)
    services.resend(started.id)
    assert services.check(started.id, "123456").status == "valid"


def test_who_asks_cannot_tell(api):
    here = api.post("/v1/verifications", {"phone": VALID})
    there = api.post("/v1/verifications", {"phone": "+12025550124"})
    assert here.status_code == there.status_code == 202
    lengths = [
        len(re.sub(rb"[.]\d{3}Z", b"Z", answer.content)) for answer in (here, there)
    ]  # .000 is left out
    assert lengths[0] == lengths[1]
    with pytest.raises(RateLimited, match="already sent"):  # cooldown and limits hold
        services.start(VALID)


def test_it_needs_no_route_and_no_allowed_country(settings):
    settings.SMS_ROUTES = {"DE": "test"}
    settings.SMS_DESTINATIONS = ["DE"]
    started = services.start(VALID)
    assert services.check(started.id, "123456").status == "valid"
    with pytest.raises(NotAllowed):
        services.start("+12025550124")


def test_on_the_pages_it_works_as_any_other(client):
    answer = client.post("/", {"phone": INVENTED}, follow=True, secure=True)
    assert "+1••••••••01" in answer.content.decode().replace("<wbr>", "")
    answer = client.post("/code", {"code": "654321"}, follow=True, secure=True)
    assert answer.redirect_chain[-1][0].endswith("/done")


def test_a_resend_after_its_day_is_over_and_counts_towards_nothing(settings):
    settings.OTP_PURPOSES = {"login": {"cooldown": 0}}
    settings.OTP_LIMITS = "phone=2/1m"
    started = services.start(VALID)
    settings.TEST_NUMBERS_UNTIL = "2020-01-01"
    for _ in range(3):
        with pytest.raises(NotAllowed) as caught:
            services.resend(started.id)
        assert caught.value.code == "expired"
    assert services.check(started.id, "123456").status == "valid"
    services.start(VALID)
    assert len(outbox) == 1


def test_after_its_day_it_is_a_number_as_any_other(settings):
    settings.TEST_NUMBERS_UNTIL = "2020-01-01"
    with pytest.raises(NotAllowed):
        services.start(INVENTED)
    started = services.start(VALID)
    assert len(outbox) == 1
    if "123456" not in outbox[0].body:  # one time in a million it does hold it
        assert services.check(started.id, "123456").status == "invalid"


@pytest.mark.parametrize(
    ("numbers", "until", "words"),
    [
        ({"12025550100": "123456"}, "2099-01-01", "is not E.164"),
        ({"+1202555010012345": "123456"}, "2099-01-01", "is not E.164"),
        ({VALID: "12"}, "2099-01-01", "4 to 64 digits"),
        ({VALID: "1234"}, "2099-01-01", r"the code of \+1••••••••00 fits no purpose.*6 \(login\)"),
        ({VALID: "12345678"}, "2099-01-01", "fits no purpose"),
        ({VALID: "ABCDEF"}, "2099-01-01", "fits no purpose"),
        ({VALID: 123456}, "2099-01-01", "TEST_NUMBERS must map numbers"),
        ([VALID], "2099-01-01", "TEST_NUMBERS must map numbers"),
        (f"{VALID}:123456", "2099-01-01", "TEST_NUMBERS must map numbers"),
        ({VALID: "123456"}, "12:00Z", "a date or a time"),
        ({VALID: "123456"}, "", "needs TEST_NUMBERS_UNTIL"),
        ({VALID: "123456"}, "tomorrow", "a date or a time"),
        ({VALID: "123456"}, "2020-01-01", "TEST_NUMBERS_UNTIL has passed"),
        ({VALID: "123456"}, date(2099, 1, 1), "must be a text with a date"),
    ],
)
@pytest.mark.parametrize("command", [["check"], ["check", "--deploy"]])
def test_what_cannot_work_is_refused_at_start(settings, numbers, until, words, command):
    settings.TEST_NUMBERS, settings.TEST_NUMBERS_UNTIL = numbers, until
    with pytest.raises(SystemCheckError, match=words):
        call_command(*command)


def test_they_are_over_in_the_moment_that_is_named(settings, monkeypatch):
    settings.TEST_NUMBERS_UNTIL = "2099-01-01"
    ends = testnumbers.end()
    monkeypatch.setattr(time, "time", lambda: ends)
    assert testnumbers.in_force() == {}
    with pytest.raises(SystemCheckError, match="TEST_NUMBERS_UNTIL has passed"):
        call_command("check")


def test_a_code_may_be_one_of_any_purpose(settings):
    settings.OTP_PURPOSES = {"login": {}, "payment": {"length": 8, "alphabet": "0123456789AB"}}
    settings.TEST_NUMBERS = {VALID: "1234567A"}
    call_command("check")


def test_check_deploy_shows_that_they_are_on(settings, capsys):
    settings.TEST_NUMBERS_UNTIL = "2099-01-01"
    call_command("check", "--deploy")
    assert "2 test numbers have a known code until 2099-01-01" in capsys.readouterr().err
    settings.TEST_NUMBERS = {}
    call_command("check", "--deploy")
    assert "test number" not in capsys.readouterr().err
