"""An alias ``mail`` over a server on loopback."""

from __future__ import annotations

import pytest

from sms import registry


@pytest.fixture
def mail(settings):
    """Makes the provider, which sends by SMTP to a port; with further options of its URL and its mailer."""

    def made(port: int, url: str = "", **options):
        settings.MAILERS = {"default": {"OPTIONS": {"host": "127.0.0.1", "port": port, **options}}}
        settings.SMS_PROVIDERS = {"mail": f"email://?from=Shop+<codes@shop.example>&timeout=5{url}"}
        return registry.providers()["mail"]

    return made
