"""System checks of aliases that send e-mail: each names the fault and the fix."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from sms import registry
from sms.checks import mail as checks
from sms.mail.carrier import Carrier
from sms.providers.email import EmailProvider

DJANGO = "django.core.mail.backends"


def texts(check) -> list[str]:
    return [str(one.msg) for one in check()]


@pytest.fixture
def alias(settings):
    """An alias, and its mailer."""

    def made(url: str = "from=codes@shop.example", backend: str = f"{DJANGO}.smtp.EmailBackend", **options):
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        settings.SMS_PROVIDERS = {"mail": f"email://?{url}"}

    return made


def test_a_good_one_is_silent(alias):
    alias(host="mail.example.com", use_tls=True)
    found = [
        checks.mail_has_a_sender,
        checks.mail_backends_work,
        checks.mail_goes_over_tls,
        checks.mail_is_sent,
    ]
    assert [texts(check) for check in found] == [[]] * 4


def test_one_needs_a_sender(alias, settings):
    alias("", host="mail.example.com")
    assert "from=codes@shop.example" in texts(checks.mail_has_a_sender)[0]
    settings.DEFAULT_FROM_EMAIL = "Shop <hello@shop.example>"
    assert texts(checks.mail_has_a_sender) == []


@pytest.mark.parametrize(
    ("host", "warned"), [("127.0.0.1", 0), ("localhost", 0), ("::1", 0), ("10.0.0.5", 1)]
)
def test_mail_in_clear_is_warned_of(alias, host, warned):
    alias(host=host)
    found = texts(checks.mail_goes_over_tls)
    assert len(found) == warned
    assert all("smtp+tls://" in text and host in text for text in found)


@pytest.mark.parametrize("name", ["console", "locmem", "dummy"])
def test_a_backend_for_development_is_warned_of(alias, settings, name):
    alias(backend=f"{DJANGO}.{name}.EmailBackend")
    assert "for development" in texts(checks.mail_is_sent)[0]
    settings.DEBUG = True
    assert texts(checks.mail_is_sent) == []


def test_what_a_backend_lacks_is_said_at_once(alias, settings):
    settings.ANYMAIL = {}
    alias(backend="anymail.backends.postmark.EmailBackend")
    assert "server_token" in texts(checks.mail_backends_work)[0]
    alias(host="mail.example.com", use_tls=True, use_ssl=True)
    assert len(texts(checks.mail_backends_work)) == 1
    assert texts(checks.mail_goes_over_tls) == []


@pytest.mark.parametrize(
    ("backend", "mend"),
    [
        ("nobody", "MAILERS has no 'nobody'. Name one of its mailers: default."),
        ("no.such.Backend", "no is not installed"),
        ("django.core.mail.EmailMessage", "is not a mail backend. Write one such as"),
        (f"{DJANGO}.smtp.Nothing", "cannot be imported"),
    ],
)
def test_a_backend_that_there_is_not(alias, backend, mend):
    alias(f"backend={backend}")
    with pytest.raises(ImproperlyConfigured, match="SMS_PROVIDERS: mail: ") as caught:
        registry.aliases()
    assert mend in str(caught.value)


def test_a_mailer_can_be_named(alias, settings):
    alias("from=a@b.example&backend=codes", host="mail.example.com")
    settings.MAILERS = settings.MAILERS | {"codes": {"OPTIONS": {"host": "other.example.com"}}}
    provider = registry.providers()["mail"]
    assert isinstance(provider, EmailProvider)
    assert isinstance(provider.carry, Carrier)
    made: Any = provider.carry.backend.connection(5, "")
    assert (made.host, made.timeout) == ("other.example.com", 5)


def test_without_mailers_none_can_be_named(settings):
    del settings.MAILERS
    settings.SMS_PROVIDERS = {"mail": "email://?backend=codes"}
    with pytest.raises(ImproperlyConfigured, match="MAILERS is not set"):
        registry.aliases()
