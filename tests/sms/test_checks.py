"""The system checks: what they say is what can be done."""

from __future__ import annotations

import math
import re

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from sms import conf, names, registry, services
from sms.checks import providers as provider_checks
from sms.checks import settings as checks
from sms.errors import Overloaded
from sms.providers import provider_classes
from sms.providers.base import Provider
from sms.providers.url import options_of
from tests.sms.providers.test_vonage import BASE64


@pytest.mark.parametrize("scheme", provider_classes())
def test_the_option_for_the_secret_of_receipts_is_one_that_the_provider_has(scheme):
    provider = provider_classes()[scheme]
    if provider.parse_receipts is not Provider.parse_receipts:
        assert provider.receipt_option in options_of(provider)


@pytest.mark.parametrize(
    ("url", "option"),
    [
        (f"vonage://app-1@?from=Shop&key={BASE64}", "signature_secret="),
        ("kannel://user:password@127.0.0.1:13013?from=x", "receipt_secret="),
    ],
)
def test_an_alias_without_a_secret_is_told_which_option_takes_it(settings, url, option):
    settings.SMS_PROVIDERS = {"gsm": url}
    (warning,) = provider_checks.receipts_can_be_verified()
    assert warning.id == "sms.W004"
    assert warning.msg.endswith(f"Add {option} to its URL.")


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "5", None, True])
@pytest.mark.parametrize(
    "name", ["SMS_RECEIPT_WAIT", "SMS_LONGEST_WAIT", "MESSAGE_RECORD_HOURS", "MESSAGE_LIFETIME"]
)
def test_a_time_that_no_clock_can_reach(settings, name, value):
    setattr(settings, name, value)
    (error,) = checks.times()
    assert error.id == "sms.E010"
    assert error.msg.startswith(name)
    assert checks.record_hours() == [] or value == -1


@pytest.mark.parametrize("name", ["grün", "a b", "a:US", ""])
def test_an_alias_that_can_stand_in_no_route(settings, name):
    settings.SMS_PROVIDERS = {name: "memory://"}
    (error,) = checks.providers()
    assert (error.id, repr(name) in error.msg) == ("sms.E002", True)


@pytest.mark.parametrize("value", [-1, 1.5, "1", None, True])
def test_copies_are_counted(settings, value):
    assert checks.copies() == []
    settings.OTPOST_COPIES = value
    (error,) = checks.copies()
    assert (error.id, error.msg) == (
        "sms.E047",
        "OTPOST_COPIES must be a whole number, 0 or more, such as 1.",
    )


def test_a_time_of_one_queue(settings):
    settings.SMS_LONGEST_WAIT = {"otp": 10, "bulk": -5}
    (error,) = checks.times()
    assert error.msg == "SMS_LONGEST_WAIT['bulk'] must be seconds, 0 or more, such as 5."


def test_the_times_that_are_right(settings):
    assert checks.times() == []
    settings.SMS_LONGEST_WAIT, settings.SMS_RECEIPT_WAIT = 0, 0
    assert checks.times() == []
    assert conf.longest_wait() == {"otp": 0, "bulk": 3600.0}


@pytest.mark.usefixtures("one_list")
def test_a_number_alone_is_the_longest_wait_of_codes(settings, redis):
    settings.SMS_LONGEST_WAIT = 2
    redis.zadd(f"{names.WAITING}otp", {f"waits-{n}": 1 for n in range(20)})
    with pytest.raises(Overloaded):
        services.send("+12025550123", "123456 is your code.", queue=services.OTP_QUEUE)
    services.send("+12025550123", "A newsletter.")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SMS_PROVIDERS", "main=memory://", 'SMS_PROVIDERS must be a dict such as {"main"'),
        ("SMS_ROUTES", "default=test", 'SMS_ROUTES must be a dict such as {"default"'),
        ("SMS_PROVIDERS", {"main": None}, "SMS_PROVIDERS must be a dict"),
        ("SMS_ROUTES", {"default": ["test"]}, "SMS_ROUTES must be a dict"),
        ("SMS_BREAKER", 30, "SMS_BREAKER must be a dict"),
        ("SMS_SEAL_KEYS", None, "SMS_SEAL_KEYS must be a list of keys"),
        ("SMS_SEAL_KEYS", [None], "SMS_SEAL_KEYS must be a list of keys"),
    ],
)
def test_a_setting_of_a_wrong_type_is_refused_by_name(settings, name, value, words):
    setattr(settings, name, value)
    with pytest.raises((SystemCheckError, ImproperlyConfigured), match=re.escape(words)):
        call_command("check")


@pytest.mark.parametrize(
    ("routes", "word"),
    [
        ({"default": "nobody"}, "nobody"),
        ({"default": ""}, "missing"),
        ({"default": "test>"}, "missing"),
        ({"XX": "test"}, "XX"),
        ({"+0": "test"}, r"\+0"),
        ({"+999": "test"}, "no number begins like this"),
        ({"default": "test*x"}, "weight"),
        ({"default": "test*0"}, "weight"),
        ({"default": "test*1000000"}, "weight"),
        ({"default": "test>test"}, "twice"),
        ({"default": "test test"}, "test test"),
        ({"default": "test@Sh%0Aop"}, "sender"),
        ({"default": "test@%20Shop"}, "sender"),
    ],
)
def test_routes_that_cannot_be(settings, routes, word):
    settings.SMS_ROUTES = routes
    (error,) = checks.routes()
    assert error.id == "sms.E005"
    assert "SMS_ROUTES" in error.msg
    assert word.replace("\\", "") in error.msg


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("rate=x", "rate="),
        ("rate=0", "rate="),
        ("segment_rate=-1", "segment_rate="),
        ("share=2", "share="),
        ("price=-1", "price="),
        ("price=0.05|0.06", "price="),
        ("price=XX:0.05", "price="),
        ("price=DE:0.05|DE:0.06", "price="),
        ("price=cheap", "price="),
        ("rate=1&rate=2", "rate= is given twice"),
        ("rate=1#share=.5", "%23"),
    ],
)
def test_aliases_that_cannot_be(settings, option, word):
    settings.SMS_PROVIDERS = {"a": f"memory://?{option}"}
    (error,) = checks.providers()
    assert error.id == "sms.E002"
    assert word in error.msg


def test_a_price_is_by_country_or_everywhere(settings):
    settings.SMS_PROVIDERS = {"a": "memory://?price=0.05", "b": "memory://?price=DE:0.07|default:0.06&rate=5"}
    known = registry.aliases()
    assert [known["a"].price("DE"), known["b"].price("DE"), known["b"].price("US")] == [0.05, 0.07, 0.06]


@pytest.mark.parametrize(
    "figures", [{"share": 2}, {"window": 0}, {"nonsense": 1}, {"pause": "x"}, {"window": math.inf}]
)
def test_breakers_that_cannot_be(settings, figures):
    settings.SMS_BREAKER = figures
    assert [error.id for error in checks.breaker()] == ["sms.E006"]


def test_an_alias_without_a_secret_says_so_at_start(settings):
    settings.SMS_PROVIDERS = {"gsm": "kannel://user:password@127.0.0.1:13013?from=x", "b": "memory://"}
    (warning,) = provider_checks.receipts_can_be_verified()
    assert warning.id == "sms.W004"
    assert "gsm" in warning.msg
    assert "password" not in warning.msg
