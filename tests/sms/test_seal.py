"""Sealing: nothing readable, and keys that can be rotated."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from sms import seal
from sms.checks import settings as checks

CONTENT = {"to": "+12025550123", "body": "Grüße"}


def test_what_is_sealed_opens_again():
    sealed = seal.seal(CONTENT)
    assert b"2025550123" not in sealed
    assert seal.unseal(sealed) == CONTENT


def test_a_new_key_first_still_opens_what_the_old_one_sealed(settings):
    sealed = seal.seal(CONTENT)
    settings.SMS_SEAL_KEYS = [Fernet.generate_key().decode(), *settings.SMS_SEAL_KEYS]
    assert seal.unseal(sealed) == CONTENT
    settings.SMS_SEAL_KEYS = settings.SMS_SEAL_KEYS[:1]
    with pytest.raises(seal.Unsealable):
        seal.unseal(sealed)


def test_a_changed_byte_is_noticed():
    sealed = bytearray(seal.seal(CONTENT))
    sealed[40] ^= 1
    with pytest.raises(seal.Unsealable):
        seal.unseal(bytes(sealed))


@pytest.mark.parametrize("keys", [[], ["short"], ["x" * 44]])
def test_unusable_keys_are_named(settings, keys):
    settings.SMS_SEAL_KEYS = keys
    with pytest.raises(ImproperlyConfigured, match="SMS_SEAL_KEYS"):
        seal.seal(CONTENT)
    assert [error.id for error in checks.seal_keys()] == ["sms.E001"]
