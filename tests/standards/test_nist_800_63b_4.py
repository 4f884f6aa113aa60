"""NIST SP 800-63B-4 (July 2025), §3.1.3.1 to §3.1.3.3 and §3.2.2: what a verifier of codes by SMS shall do.

docs/standards.md has the table: statement, how it is met, which test shows it.
"""

from __future__ import annotations

import base64
import json
import random
from collections import Counter, defaultdict, deque

import pytest

from otp import codes, purposes, services, signals
from otp.checks import purposes as checks
from otp.handler import OTPHandler
from sms import ids
from sms.errors import Unreachable
from sms.providers import from_url
from sms.providers.base import Sms
from sms.testing import outbox
from tests.sms.providers.gateway import gateway, response
from tests.standards.conftest import wrong

PHONE, OTHER = "+12025550123", "+12025550124"


def test_a_secret_has_at_least_six_decimal_digits(settings):
    """§3.1.3.2. A purpose with fewer is refused at start, unless it says that it is weak."""
    for name in purposes.all_purposes():
        code = OTPHandler.generate_otp(PHONE, name).code
        assert len(code) >= 6
        assert code.isdigit()
    settings.OTP_PURPOSES = {"login": {"length": 5}}
    assert "20 bits" in checks.otp_purposes()[0].msg


def test_a_secret_comes_from_the_random_bits_of_the_operating_system(monkeypatch):
    """§3.1.3.2, §3.2.12. ``random`` has no part in it, and every digit is as likely as every other."""
    random.seed(1)
    first = OTPHandler.generate_otp(PHONE).code
    random.seed(1)
    assert OTPHandler.generate_otp(OTHER).code != first
    monkeypatch.setattr(ids, "_drawn", defaultdict(deque))
    monkeypatch.setattr("secrets.token_bytes", lambda size: bytes(range(ids.SIZE)) * (size // ids.SIZE))
    assert base64.urlsafe_b64decode(ids.new() + "==") == bytes(range(16))  # 128 bits
    monkeypatch.undo()
    drawn = [codes.derive(b"k" * 32, ids.new(), 6) for _ in range(20_000)]
    for place in range(6):
        counts = Counter(code[place] for code in drawn)
        # Chi-squared with 9 degrees of freedom: over 39 by chance once in 100,000.
        assert sum((counts[digit] - 2000) ** 2 / 2000 for digit in "0123456789") < 39


@pytest.mark.parametrize("rules", [{}, {"lifetime": 600}, {"cooldown": 10}])
def test_an_authentication_is_invalid_unless_completed_within_10_minutes(clock, settings, rules):
    """§3.1.3.2. However often it is resent."""
    settings.OTP_PURPOSES = {"login": rules}
    issued = OTPHandler.generate_otp(PHONE)
    for _ in range(60):
        clock.advance(10)
        OTPHandler.resend(PHONE, id=issued.id)
    clock.advance(1)
    assert services.check(issued.id, issued.code).status == "expired"
    assert OTPHandler.verify_otp(PHONE, issued.code).status == "expired"


def test_a_longer_lifetime_is_refused_at_start(settings):
    settings.OTP_PURPOSES = {"login": {"lifetime": 601}}
    assert "over 600 s" in checks.otp_purposes()[0].msg


def test_a_secret_is_accepted_only_once():
    """§3.1.3.2. By its id and by its phone; tests/otp/test_race.py has 32 threads try at once."""
    issued = OTPHandler.generate_otp(PHONE)
    assert OTPHandler.verify_otp(PHONE, issued.code).status == "valid"
    assert OTPHandler.verify_otp(PHONE, issued.code).status == "expired"
    assert services.check(issued.id, issued.code).status == "expired"


def test_at_most_100_consecutive_failures(clock, settings):
    """§3.2.2. Then even the right code is refused, and the phone gets no new one for a day."""
    settings.OTP_PURPOSES = {"login": {"attempts": 1000, "lifetime": 600}}
    code = OTPHandler.generate_otp(PHONE).code
    for _ in range(100):
        assert OTPHandler.verify_otp(PHONE, wrong(code)).status == "invalid"
    assert OTPHandler.verify_otp(PHONE, wrong(code)).status == "blocked"
    assert OTPHandler.verify_otp(PHONE, code).status == "blocked"
    clock.advance(23 * 3600)
    assert OTPHandler.generate_otp(PHONE).status == "blocked"


def test_a_new_secret_does_not_reset_the_failed_count(clock, settings):
    """§3.1.3.2."""
    settings.OTP_PURPOSES = {"login": {"attempts": 60, "new_code_on_resend": True}}
    code = OTPHandler.generate_otp(PHONE).code
    for _ in range(30):
        OTPHandler.verify_otp(PHONE, wrong(code))
    clock.advance(3600)  # past every pause
    code = OTPHandler.generate_otp(PHONE).code
    for _ in range(59):
        assert OTPHandler.verify_otp(PHONE, wrong(code)).status == "invalid"
    clock.advance(3600)
    code = OTPHandler.generate_otp(PHONE).code
    for _ in range(11):
        assert OTPHandler.verify_otp(PHONE, wrong(code)).status == "invalid"
    assert OTPHandler.verify_otp(PHONE, code).status == "blocked"  # 30 + 59 + 11


def test_the_wait_grows_with_the_failures(clock, settings):
    """§3.2.2: "for a period of time that increases …, e.g., 30 seconds up to an hour"."""
    settings.OTP_PURPOSES = {"login": {"cooldown": 1}}
    waits = []
    for _ in range(33):
        code = OTPHandler.generate_otp(PHONE).code
        for _ in range(3):
            OTPHandler.verify_otp(PHONE, wrong(code))
        clock.advance(1)
        answer = OTPHandler.generate_otp(PHONE)
        if answer.status == "issued":  # none yet
            for _ in range(3):
                OTPHandler.verify_otp(PHONE, wrong(answer.code))
            clock.advance(1)
            answer = OTPHandler.generate_otp(PHONE)
        if answer.status != "blocked" or answer.retry_after > 3600:
            break
        waits.append(answer.retry_after + 1)
        clock.advance(answer.retry_after)
    assert waits[:4] == [30, 60, 120, 240]
    assert waits == sorted(waits)
    assert max(waits) == 3600


def test_a_success_clears_the_failed_count(clock, settings):
    """§3.2.2."""
    settings.OTP_PURPOSES = {"login": {"attempts": 100, "lifetime": 600}}
    for _ in range(2):
        code = OTPHandler.generate_otp(PHONE).code
        for _ in range(99):
            assert OTPHandler.verify_otp(PHONE, wrong(code)).status == "invalid"
        assert OTPHandler.verify_otp(PHONE, code).status == "valid"


def test_a_changed_number_is_a_new_binding():
    """§3.1.3.3. A proof of one number does not prove another number, and a purpose does not prove another."""
    code = OTPHandler.generate_otp(PHONE).code
    assert OTPHandler.verify_otp(OTHER, code).status == "expired"
    changed = OTPHandler.generate_otp(OTHER)
    assert changed.status == "issued"
    assert changed.code != code or OTPHandler.generate_otp(OTHER).status == "pending"
    assert OTPHandler.verify_otp(PHONE, code, "signup").status == "expired"


def test_a_risk_hook_may_keep_the_sms_back(api):
    """§3.1.3.3: risk indicators are considered before the PSTN is used; who asks learns nothing."""

    def judge(number, **_):
        return signals.REFUSE if number.e164 == PHONE else None

    signals.code_wanted.connect(judge)
    try:
        answers = [api.post("/v1/verifications", {"phone": phone}) for phone in (PHONE, OTHER)]
    finally:
        signals.code_wanted.disconnect(judge)
    assert [sms.to for sms in outbox] == [OTHER]
    assert [(one.status_code, one.json().keys()) for one in answers] == [(202, answers[0].json().keys())] * 2


def test_a_swapped_sim_keeps_the_sms_back(api, settings):
    """§3.1.3.3: a SIM change, as an operator tells it; who asks learns nothing."""
    with gateway() as operator:

        def answer() -> bytes:
            swapped = OTHER.encode() not in operator.bodies[-1]
            token = operator.requests[-1][0].endswith("token")
            return response(200, json.dumps({"access_token": "token"} if token else {"swapped": swapped}))

        operator.answer = answer
        address = f"base_url={operator.url}&token_url={operator.url}/token"
        settings.OTP_LOOKUPS = {"operator": f"camara://client:secret@operator.example?sim_swap=72h&{address}"}
        answers = [api.post("/v1/verifications", {"phone": phone}) for phone in (PHONE, OTHER)]
    assert [sms.to for sms in outbox] == [OTHER]
    assert [(one.status_code, one.json().keys()) for one in answers] == [(202, answers[0].json().keys())] * 2


def test_email_is_not_used_out_of_band(api):
    """§3.1.3.1. A message without an address does not go by e-mail, and an address is not a phone."""
    sms = Sms(id="x", to=PHONE, body="123456 is your code.", code="123456")
    with pytest.raises(Unreachable):
        from_url("main", "email://?from=codes@shop.example").send(sms)
    answer = api.post("/v1/verifications", {"phone": "someone@example.com"})
    assert (answer.status_code, answer.json()["field"]) == (422, "phone")
