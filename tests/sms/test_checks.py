"""The system checks: what they say is what can be done."""

from __future__ import annotations

import inspect

import pytest

from sms import checks
from sms.providers import PROVIDERS
from sms.providers.base import Provider
from tests.sms.providers.test_vonage import BASE64


@pytest.mark.parametrize("scheme", PROVIDERS)
def test_the_option_for_the_secret_of_receipts_is_one_that_the_provider_has(scheme):
    provider = PROVIDERS[scheme]
    if provider.parse_receipts is not Provider.parse_receipts:
        assert provider.receipt_option in inspect.signature(provider).parameters


@pytest.mark.parametrize(
    ("url", "option"),
    [
        (f"vonage://app-1@?from=Shop&key={BASE64}", "signature_secret="),
        ("kannel://user:password@127.0.0.1:13013?from=x", "receipt_secret="),
    ],
)
def test_an_alias_without_a_secret_is_told_which_option_takes_it(settings, url, option):
    settings.SMS_PROVIDERS = {"gsm": url}
    (warning,) = checks.receipts_can_be_verified()
    assert warning.id == "sms.W004"
    assert warning.msg.endswith(f"Give it {option}.")
