"""``WEBHOOKS``: what it may say, and that nothing of it is repeated."""

from __future__ import annotations

import base64

import pytest

from sms.checks import settings as checks
from sms.webhooks import endpoints
from tests.sms.webhooks.receiver import OTHER, SECRET
from tests.starts import manage

URL = "https://shop.example.com/t0ken/hooks?site=1"


def faults(settings, url: str, name: str = "shop") -> list[str]:
    settings.WEBHOOKS = {name: url}
    return [found.msg for found in checks.webhooks()]


def test_an_endpoint(settings):
    options = f"secret={SECRET}&secret={OTHER}&events=verification.*&events=message.failed&allow=private"
    settings.WEBHOOKS = {"shop": f"{URL}#{options}"}
    found = endpoints.configured()["shop"]
    assert (found.url, found.origin) == (URL, "https://shop.example.com")
    assert len(found.secrets) == 2
    assert found.events == {
        "verification.verified",
        "verification.blocked",
        "verification.expired",
        "verification.cancelled",
        "message.failed",
    }
    assert found.allow == {"private"}
    assert "t0ken" not in repr(found)


def test_without_events_it_takes_all(settings):
    settings.WEBHOOKS = {"shop": f"{URL}#secret={SECRET}"}
    assert endpoints.configured()["shop"].events == {*endpoints.TYPES}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must look like https://example.com/hook#secret=whsec_…"),
        ("shop.example.com", "must look like"),
        ("ftp://shop.example.com/#secret=x", "must look like"),
        ("https://[s3cret", "must look like"),
        ("https://h:0/", "must look like"),
        ("https://shöp.example/", "in ASCII"),
        (f"https://me:s3cret@shop.example.com/#secret={SECRET}", "has a user in its URL"),
        (URL, "needs one secret (#secret=whsec_…)"),
        (f"{URL}#secret={SECRET}&secret={OTHER}&secret={SECRET}", "or two during a rotation"),
        (f"{URL}#secret=s3cret", "whsec_ and 24 to 64 random bytes"),
        (f"{URL}#secret=whsec_s3cret!", "whsec_ and 24 to 64 random bytes"),
        (f"{URL}#secret=whsec_{base64.b64encode(b's3cret' * 3).decode()}", "24 to 64 random bytes"),
        (f"{URL}#secret=whsec_{base64.b64encode(b'a' * 32).decode()}", "24 to 64 random bytes"),
        (f"{URL}#secret=whsec_{base64.b64encode(bytes(range(65))).decode()}", "24 to 64 random bytes"),
        (f"{URL}#secret={SECRET}&event=x", "After the #, use secret, events, allow, ssl_ca_certs."),
        (f"{URL}#secret={SECRET}&events=message.lost", "has an unknown event. There are verif"),
        (f"{URL}#secret={SECRET}&events=mess*", "has an unknown event"),
        (f"{URL}#secret={SECRET}&allow=metadata", "It may name private, loopback, link-local, http."),
        (f"http://shop.example.com/t0ken#secret={SECRET}", "Write https://, or add &allow=http"),
        (f"{URL}#secret={SECRET}&ssl_ca_certs=/nowhere", "a file that cannot be read as PEM"),
        (f"{URL}#secret={SECRET}&ssl_ca_certs=/a&ssl_ca_certs=/b", "Put both into one file."),
    ],
)
def test_what_cannot_be_is_named_with_the_mend(settings, url, words):
    (fault,) = faults(settings, url)
    assert fault.startswith("WEBHOOKS: shop ")
    assert words in fault
    for secret in ("s3cret", "t0ken", SECRET, OTHER):
        assert secret not in fault


@pytest.mark.parametrize("name", ["", "my shop", "a;b=c", "x" * 65, "ü"])
def test_a_name_can_stand_in_a_key(settings, name):
    assert faults(settings, f"{URL}#secret={SECRET}", name) == [
        "WEBHOOKS: a name has up to 64 letters, digits, - and _."
    ]


def test_in_clear_with_debug(settings):
    settings.DEBUG = True
    assert faults(settings, f"http://shop.example.com/#secret={SECRET}") == []


@pytest.mark.parametrize(
    ("host", "allow", "words"),
    [
        ("127.0.0.1:8080", "", "is a loopback address. Write &allow=loopback"),
        ("localhost", "", "is a loopback address. Write &allow=loopback"),
        ("[::1]", "private", "is a loopback address. Write &allow=loopback"),
        ("10.1.2.3", "", "is a private address. Write &allow=private"),
        ("[fe80::1]", "", "is a link-local address. Write &allow=link-local"),
        ("169.254.169.254", "link-local", "to which Otpost never sends. Name another."),
        ("127.0.0.1", "loopback", ""),
        ("10.1.2.3", "private", ""),
        ("8.8.8.8", "", ""),
        ("shop.internal", "", ""),  # what a name leads to is judged when it is called
    ],
)
def test_an_address_that_nothing_would_be_sent_to_is_told_at_once(settings, host, allow, words):
    """And not by an endpoint to which each call fails."""
    option = f"&allow={allow}" if allow else ""
    settings.WEBHOOKS = {"shop": f"https://{host}/t0ken#secret={SECRET}{option}"}
    found = checks.webhook_addresses()
    assert [error.id for error in found] == (["sms.E036"] if words else [])
    for error in found:
        assert error.msg.startswith("WEBHOOKS: shop ")
        assert words in error.msg
        assert "t0ken" not in error.msg


def test_a_secret_that_is_printed_is_one():
    printed = manage("secrets", "WEBHOOK_SECRET").stdout.strip()
    assert len(endpoints.secret(printed)) == 32
    assert "WEBHOOK" not in manage("secrets").stdout


def test_from_the_environment():
    done = manage("check", WEBHOOKS=f"shop={URL}#secret=s3cret,crm={URL}#secret={SECRET}")
    assert done.returncode == 1
    assert "WEBHOOKS: shop has a secret that is not whsec_" in done.stderr
    assert "s3cret" not in done.stderr
    assert manage("check", WEBHOOKS=f"shop={URL}#secret={SECRET}&events=message.*").returncode == 0
