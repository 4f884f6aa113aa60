"""``manage.py secrets``: print new secrets, ready for ``.env``."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand, CommandError, CommandParser

_MAKE: dict[str, Callable[[], str]] = {
    "SECRET_KEY": partial(secrets.token_urlsafe, 48),
    "PHONE_SECRET_KEY": partial(secrets.token_urlsafe, 48),
    "SMS_SEAL_KEYS": lambda: Fernet.generate_key().decode(),
    "REDIS_PASSWORD": partial(secrets.token_hex, 24),
}

#: Made only on request, because they open what is closed without them.
_MAKE_ALONE: dict[str, Callable[[], str]] = {
    "METRICS_TOKEN": partial(secrets.token_urlsafe, 48),
    "WEBHOOK_SECRET": lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
}

_KNOWN = _MAKE | _MAKE_ALONE


class Command(BaseCommand):
    help = (
        "Print new secrets; manage.py secrets >> .env appends them to .env. If a name has several lines "
        "there, the last one counts."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="*", help=f"only these, of {', '.join(_KNOWN)}")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in options["name"] or _MAKE:
            if name not in _KNOWN:
                raise CommandError(f"{name} is not a secret. The secrets are {', '.join(_KNOWN)}.")
            # The secret of a webhook is part of another setting, so it is printed without a name.
            made = _KNOWN[name]()
            self.stdout.write(made if name == "WEBHOOK_SECRET" else f"{name}={made}")
