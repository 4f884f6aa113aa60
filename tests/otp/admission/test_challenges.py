"""A challenge before the SMS, and a number that a signal refuses."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from otp import services, signals
from otp.caller import Caller
from otp.errors import NotAllowed, StoreUnavailable
from sms import broker
from sms import services as sms
from sms.testing import outbox
from tests.otp.admission.calls import PHONE, refused

pytestmark = pytest.mark.usefixtures("no_cooldown")


def captcha(*, number, purpose, ip, answer):
    assert (number.e164, purpose, ip) == (PHONE, "login", "198.51.100.7")
    if answer == "boom":
        raise OSError(f"no answer about {number.e164}")
    return answer == "right"


def test_a_challenge_stands_before_the_sms(settings, caplog):
    settings.OTP_CHALLENGE = f"{__name__}.captcha"
    caller = Caller(ip="198.51.100.7")
    for answer in ("", "wrong"):
        with pytest.raises(NotAllowed) as caught:
            services.start(PHONE, caller=caller, challenge=answer)
        assert (caught.value.code, caught.value.field) == ("challenge_required", "challenge")
    with pytest.raises(StoreUnavailable):
        services.start(PHONE, caller=caller, challenge="boom")
    assert PHONE not in caplog.text
    assert not outbox
    services.start(PHONE, caller=caller, challenge="right")
    assert len(outbox) == 1


def test_over_http_a_challenge_is_403(settings, api, monkeypatch):
    settings.OTP_CHALLENGE = f"{__name__}.refuse"
    answer = api.post("/v1/verifications", {"phone": PHONE, "challenge": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "challenge_required")


def refuse(**_):
    return False


@pytest.mark.parametrize("path", ["nothing.of.this.kind", f"{__name__}.PHONE"])
def test_a_challenge_that_is_no_function_is_refused_at_start(settings, path):
    settings.OTP_CHALLENGE = path
    with pytest.raises(SystemCheckError, match="OTP_CHALLENGE"):
        call_command("check")


def test_a_number_that_a_signal_refuses_gets_no_sms_and_nobody_can_tell(api, monkeypatch):
    seen = []

    def judge(sender, number, purpose, ip, **_):
        seen.append((number.e164, purpose, ip))
        return signals.REFUSE if number.e164 == PHONE else None

    signals.code_wanted.connect(judge)
    try:
        here = api.post("/v1/verifications", {"phone": PHONE})
        there = api.post("/v1/verifications", {"phone": "+12025550124"})
    finally:
        signals.code_wanted.disconnect(judge)
    assert seen == [(PHONE, "login", ""), ("+12025550124", "login", "")]
    assert (
        (here.status_code, len(here.content))
        == (there.status_code, len(there.content))
        == (202, len(there.content))
    )
    assert set(here.json()) == set(there.json())
    assert [message.to for message in outbox] == ["+12025550124"]


def test_what_is_refused_anyway_costs_no_question(settings):
    """A vendor of captchas or of SIM swaps is asked for what would be sent, and for nothing else."""
    settings.OTP_PURPOSES = {"login": {"cooldown": 30}}
    settings.OTP_LIMITS = "ip=2/1m"
    settings.OTP_CHALLENGE = f"{__name__}.counting"
    asked.clear()

    def judge(number, **_):
        asked.append("judge")

    signals.code_wanted.connect(judge)
    caller = Caller(ip="198.51.100.7")
    try:
        with pytest.raises(NotAllowed):
            services.start(PHONE, caller=caller, challenge="wrong")
        assert asked == ["captcha"]  # and nobody looks up a SIM swap for a bot
        services.start(PHONE, caller=caller, challenge="right")
        assert asked == ["captcha"] * 2 + ["judge"]
        assert refused(PHONE, caller=caller, challenge="right").code == "pending"
        services.start("+12025550124", caller=caller, challenge="right")
        assert refused("+12025550125", caller=caller, challenge="right").limit == "ip"
        assert len(asked) == 5
    finally:
        signals.code_wanted.disconnect(judge)


asked: list[str] = []


def counting(*, answer, **_):
    asked.append("captcha")
    return answer == "right"


def test_a_refused_number_needs_a_route_as_any_other(settings):
    settings.SMS_ROUTES = {"GB": "test"}
    signals.code_wanted.connect(always)
    try:
        for phone in (PHONE, "+12025550124"):
            with pytest.raises(NotAllowed) as caught:
                services.start(phone)
            assert caught.value.code == "no_route"
    finally:
        signals.code_wanted.disconnect(always)


def test_a_judge_that_raises_stops_nothing():
    def judge(**_):
        raise RuntimeError

    signals.code_wanted.connect(judge)
    try:
        services.start(PHONE)
    finally:
        signals.code_wanted.disconnect(judge)
    assert len(outbox) == 1


def test_with_a_real_queue_a_withheld_message_never_reaches_a_provider(monkeypatch, redis):
    """The worker cancels it: what the web process does is the same for every number."""
    from sms.delivery.run import deliver

    monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)
    signals.code_wanted.connect(always)
    try:
        started = services.start(PHONE)
    finally:
        signals.code_wanted.disconnect(always)
    message = sms.get(started.message_id)
    assert message.state == "queued"
    deliver(started.message_id)
    message = sms.get(started.message_id)
    assert (message.state, message.error, message.attempts) == ("cancelled", "refused", 0)
    assert redis.exists(f"sms:body:{started.message_id}") == 0
    assert redis.zcard("sms:leases:otp") == redis.zcard("sms:waiting:otp") == 0
    assert not outbox


def always(**_):
    return signals.REFUSE
