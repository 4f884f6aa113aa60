"""Rules of limits that cannot be read are refused at the start."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from otp import services
from otp.admission import limits
from otp.api import access
from tests.otp.admission.calls import PHONE

pytestmark = pytest.mark.usefixtures("no_cooldown")


@pytest.mark.parametrize("rule", ["abc/def", "0/1m", "5/1y"])
def test_own_limits_that_cannot_be_read_are_refused_at_start(settings, rule):
    settings.API_ACCESS = access.parse(f"tests=verify,{rule}")
    with pytest.raises(SystemCheckError, match="API_ACCESS: tests: "):
        call_command("check")


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("phone", "write rules as"),
        ("", "it is empty"),
        (" ", "it is empty"),
        ("phone=5", "cannot be read"),
        ("phone=5/10", "cannot be read"),
        ("phone=5/10m,ip=20/10m", "'ip=20/10m' is a separate rule; write ; before it, not a comma."),
        ("phone=0/10m", "phone: 0/10m would let nothing through; use figures over 0."),
        ("phone=5/0m", "phone: 5/0m would let nothing through; use figures over 0."),
        ("phone=5/10m+0", "phone: 5/10m+0 would let nothing through; use figures over 0."),
        ("phone=-1/10m", "cannot be read"),
        ("phone=5/400d", "phone: 5/400d would count for over 31 days; write at most 31d."),
        ("telephone=5/10m", "cannot be counted"),
        ("phone-phone=5/10m", "cannot be counted"),
        ("+0=5/10m", "no number begins with +0."),
        ("+999=5/10m", "no number begins with +999."),
        ("+1-ip=5/10m", "no number begins with +1-ip."),
        ("phone=5/10m;phone=9/1d", "twice"),
        ("all=5000/1m", "5000/1m+5000"),
        ({"phone": "often"}, "cannot be read"),
        ({"phone": 5}, "a dict of strings"),
        ({"phone": ["5/10m"]}, "a dict of strings"),
        (["phone=5/10m"], "a dict of strings"),
        (None, "a dict of strings"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_at_start(settings, setting, word):
    settings.OTP_LIMITS = setting
    with pytest.raises(ImproperlyConfigured, match="OTP_LIMITS") as caught:
        limits.all_rules()
    assert word in str(caught.value)
    with pytest.raises(SystemCheckError, match="E004"):
        call_command("check")


def test_off_means_none(settings):
    settings.OTP_LIMITS = "off"
    assert limits.all_rules() == ()
    for _ in range(12):
        services.start(PHONE)
