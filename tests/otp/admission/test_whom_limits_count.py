"""Whom limits count: phones, addresses and their networks, countries, keys."""

from __future__ import annotations

import time

import pytest

from otp import recipients, services
from otp.admission import limits
from otp.api import access
from otp.caller import Caller
from tests.otp.admission.calls import PHONE, numbers, refused
from tests.otp.issue import issue

pytestmark = pytest.mark.usefixtures("no_cooldown")


def test_a_phone_has_its_limit_in_every_spelling_and_for_all_purposes(settings):
    settings.OTP_LIMITS = {"phone": "3/10m"}
    for spelling, purpose in [(PHONE, "login"), ("+1 202 555 0123", "payment"), (PHONE, "login")]:
        services.start(spelling, purpose)
    error = refused("+1 (202) 555-0123", "payment")
    assert (error.code, error.limit, error.quota, error.window) == ("rate_limited", "phone", 3, 600)
    assert 590 < error.retry_after <= 600
    services.start("+12025550124")


def test_the_defaults_stop_the_sixth_in_ten_minutes_and_the_twenty_first_of_an_address(settings):
    for _ in range(5):
        services.start(PHONE)
    assert refused(PHONE).limit == "phone"
    for phone in numbers(20):
        services.start(phone, caller=Caller(ip="198.51.100.7"))
    assert refused("+12025550199", caller=Caller(ip="198.51.100.7")).limit == "ip"
    services.start("+12025550199", caller=Caller(ip="198.51.100.8"))
    services.start("+12025550198")  # a caller that knows no address has no rule by address


def test_one_address_cannot_use_up_the_day_of_a_phone(settings):
    settings.OTP_LIMITS = {"phone": "10/1d", "phone-ip": "7/1d"}
    for _ in range(7):
        services.start(PHONE, caller=Caller(ip="198.51.100.7"))
    assert refused(PHONE, caller=Caller(ip="198.51.100.7")).limit == "phone-ip"
    for _ in range(3):  # the owner is somewhere else
        services.start(PHONE, caller=Caller(ip="203.0.113.9"))
    assert refused(PHONE, caller=Caller(ip="203.0.113.10")).limit == "phone"


def test_of_ipv6_the_network_counts(settings):
    settings.OTP_LIMITS = "ip=2/1m"
    one, two, *others = numbers(4)
    services.start(one, caller=Caller(ip="2001:db8:1:2::1"))
    services.start(two, caller=Caller(ip="2001:db8:1:2:ffff::9"))
    assert refused(others[0], caller=Caller(ip="2001:db8:1:2::77")).limit == "ip"
    services.start(others[1], caller=Caller(ip="2001:db8:1:3::1"))


def send(phone: str, caller: Caller) -> str:
    """The fate of a code for a phone: issued, or the name of the limit that is reached."""
    spent = limits.of_sms(recipients.parse_phone(phone), "login", caller)
    issued = issue(phone, spent)
    return issued.limit.name if issued.limit else issued.status


def test_by_default_a_network_of_ipv6_gets_five_times_what_an_address_gets():
    """One customer may have a /48, which holds 65,536 networks of /64."""
    answers = [
        send(phone, Caller(ip=f"2001:db8:1:{number:x}::1")) for number, phone in enumerate(numbers(150))
    ]
    assert answers == ["issued"] * 100 + ["ip"] * 50
    assert send("+12025550999", Caller(ip="2001:db8:2::1")) == "issued"
    of_one = [send(phone, Caller(ip="2001:db8:3::1")) for phone in numbers(22)]
    assert of_one == ["issued"] * 20 + ["ip"] * 2


def test_by_default_a_network_of_ipv6_cannot_use_up_the_day_of_a_phone(settings):
    settings.OTP_LIMITS = {"phone": "10/1d", "phone-ip": "7/1d"}
    answers = [send(PHONE, Caller(ip=f"2001:db8:1:{number:x}::1")) for number in range(9)]
    assert answers == ["issued"] * 7 + ["phone-ip"] * 2
    assert send(PHONE, Caller(ip="2001:db8:2::1")) == "issued"


def test_the_answer_names_the_figures_of_the_network(settings, api):
    settings.OTP_LIMITS = "ip=1/1m"
    settings.API_ACCESS = access.parse("tests=verify,client_ip")
    for number, phone in enumerate(numbers(5)):
        body = {"phone": phone, "client_ip": f"2001:db8:1:{number:x}::1"}
        assert api.post("/v1/verifications", body).status_code == 202
    answer = api.post("/v1/verifications", body | {"phone": PHONE, "client_ip": "2001:db8:1:ffff::1"})
    assert (answer.status_code, answer.json()["limit"]) == (429, "ip")
    assert answer["RateLimit-Policy"] == '"ip";q=5;w=60'


def test_by_default_the_whole_has_a_ceiling_that_a_small_site_never_meets(caplog):
    spent = limits.of_sms(recipients.parse_phone(PHONE), "login", Caller())
    (ceiling,) = (rule for rule in spent.rules if rule.name == "all")
    assert (ceiling.most, ceiling.seconds, ceiling.at_once) == (1000, 3600, 1000)
    many = (f"+1202{number:07}" for number in range(2000000, 2002000))
    began = time.monotonic()
    issued = next(count for count, phone in enumerate(many) if send(phone, Caller()) == "all")
    assert 1000 <= issued <= 1001 + (time.monotonic() - began) / 3.6  # one more every 3.6 s
    refused("+447400123456")
    (line,) = (record.getMessage() for record in caplog.records if "limit_reached" in record.getMessage())
    assert "'limit': 'all'" in line


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("64:ff9b::c633:6407", "64:ff9b::cb00:7109", False),  # NAT64: two users of IPv4
        ("64:ff9b::c633:6407", "198.51.100.7", True),
        ("2002:c633:6407:1::1", "2002:c633:6407:ffff::1", True),  # 6to4: one user, two of his /64
        ("2002:c633:6407::1", "198.51.100.7", True),
        ("2001:0:4136:e378:8000:63bf:39cc:9bf8", "198.51.100.7", True),  # Teredo keeps it inverted
        ("2001:0:4136:e378:8000:63bf:39cc:9bf8", "2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ],
)
def test_ipv4_inside_ipv6_counts_as_ipv4(settings, one, other, same):
    settings.OTP_LIMITS = "ip=1/1m"
    first, second = numbers(2)
    services.start(first, caller=Caller(ip=one))
    if same:
        assert refused(second, caller=Caller(ip=other)).limit == "ip"
    else:
        services.start(second, caller=Caller(ip=other))


def test_numbers_of_no_country_have_a_limit_by_country_too(settings):
    settings.OTP_LIMITS = "country=1/1m"
    settings.TEST_NUMBERS = {"+88216123456789": "123456", "+88316123456789": "123456"}
    settings.TEST_NUMBERS_UNTIL = "2999-01-01"
    services.start("+88216123456789")
    assert refused("+88316123456789").limit == "country"


def test_prefix_country_purpose_key_and_a_keys_own_limits(settings):
    settings.OTP_LIMITS = "+1202555=2/1m;country=3/1m;purpose=4/1m;key=5/1m"
    services.start("+12025550101", caller=Caller("shop"))
    services.start("+12025550102", caller=Caller("shop"))
    assert refused("+12025550103", caller=Caller("shop")).limit == "+1202555"
    services.start("+14155550101", caller=Caller("shop"))
    assert refused("+14155550102", caller=Caller("shop")).limit == "country"
    services.start("+447400123456", caller=Caller("shop"))
    assert refused("+447400123457", caller=Caller("shop")).limit == "purpose"
    services.start("+447400123457", "payment", caller=Caller("shop"))
    assert refused("+4915123456789", "payment", caller=Caller("shop")).limit == "key"
    services.start("+4915123456789", "payment", caller=Caller("other", limits="1/1m,9/1d"))
    error = refused("+447400123458", "payment", caller=Caller("other", limits="1/1m,9/1d"))
    assert (error.limit, error.quota) == ("key", 1)


@pytest.mark.parametrize(("before", "after"), [("4/1m", "4/1m+2"), ("4/1m+2", "4/1m"), ("", "4/1m,4/1m+2")])
def test_a_window_that_becomes_a_rate_counts_anew(settings, api, before, after):
    for figures in filter(None, (before, after)):
        settings.OTP_LIMITS = f"all={figures}"
        for phone in numbers(2):
            assert api.post("/v1/verifications", {"phone": phone}).status_code == 202
    assert ("+2" in after) == (api.post("/v1/verifications", {"phone": PHONE}).status_code == 429)


def test_a_rule_that_stands_twice_counts_once(settings):
    settings.OTP_LIMITS = "key=4/1m;all=4/1m,4/60s"
    for phone in numbers(4):
        services.start(phone, caller=Caller("shop", limits="4/1m"))
    assert refused(PHONE, caller=Caller("shop", limits="4/1m")).limit in ("key", "all")
