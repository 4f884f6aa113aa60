"""``manage.py secrets``: print a fresh set of secrets, ready for ``.env``."""

from __future__ import annotations

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


class Command(BaseCommand):
    help = "Print fresh secrets for .env, where the last line of a name counts:  manage.py secrets >> .env"
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="*", help=f"only these, of {', '.join(_MAKE)}")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in options["name"] or _MAKE:
            if name not in _MAKE:
                raise CommandError(f"{name} is no secret. The secrets are {', '.join(_MAKE)}.")
            self.stdout.write(f"{name}={_MAKE[name]()}")
