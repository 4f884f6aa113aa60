"""``EMAIL_URL`` and ``ANYMAIL``: what Django and django-anymail get of them."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.mail import mailers
from tests.starts import python


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("smtp://localhost", {"host": "localhost", "port": 25, "username": "", "password": ""}),
        (
            "smtp+tls://otp:p%40ss%2Fword@mail.shop.test",
            {
                "host": "mail.shop.test",
                "port": 587,
                "username": "otp",
                "password": "p@ss/word",
                "use_tls": True,
            },
        ),
        (
            "smtps://otp@shop.test:secret@mail.shop.test:8465/",
            {
                "host": "mail.shop.test",
                "port": 8465,
                "username": "otp@shop.test",
                "password": "secret",
                "use_ssl": True,
            },
        ),
    ],
)
def test_a_server(url, options):
    made = mailers(url)["default"]
    assert made["OPTIONS"] == options
    assert "secret" not in repr(made)


def test_none():
    assert mailers("") == {}


@pytest.mark.parametrize(
    "url",
    [
        "mail.shop.test",
        "http://mail.shop.test",
        "smtp://",
        "smtp://:s3cret@",
        "smtp://h/path",
        "smtp://h?timeout=3",
        "smtp+tls://u:s3cret/x@h",
        "smtp+tls://u:s3cret#x@h",
        "smtp://h:port",
    ],
)
def test_what_is_none_is_refused_without_its_password(url):
    with pytest.raises(ImproperlyConfigured, match=r"EMAIL_URL must look like smtp\+tls://") as caught:
        mailers(url)
    assert "s3cret" not in str(caught.value)


SHOW = """
import json
from django.conf import settings
from django.urls import reverse, NoReverseMatch
import django
django.setup()
try:
    path = reverse("anymail:postmark_tracking_webhook")
except NoReverseMatch:
    path = ""
installed = "anymail" in settings.INSTALLED_APPS
print(json.dumps([path, installed, repr(settings.ANYMAIL), repr(settings.MAILERS)]))
"""


@pytest.mark.parametrize("anymail", ["", "POSTMARK_SERVER_TOKEN=t0ken,WEBHOOK_SECRET=otpost:s3cret"])
def test_an_esp(anymail):
    """Its webhooks have an address only if it has settings. These are never printed."""
    done = python(
        "-c",
        SHOW,
        ANYMAIL=anymail,
        EMAIL_URL="smtp://:pa55word@localhost",
        DJANGO_SETTINGS_MODULE="config.settings",
    )
    assert done.returncode == 0, done.stderr
    path, installed, *shown = json.loads(done.stdout)
    assert (path, installed) == (("/anymail/postmark/tracking/", True) if anymail else ("", False))
    assert not any(secret in text for text in shown for secret in ("t0ken", "s3cret", "pa55word"))
