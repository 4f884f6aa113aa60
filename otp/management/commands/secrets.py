"""``manage.py secrets``: print a fresh set of secrets, ready for ``.env``."""

from __future__ import annotations

import secrets
from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Print fresh secrets as lines for .env:  manage.py secrets >> .env"
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"SECRET_KEY={secrets.token_urlsafe(48)}")
        self.stdout.write(f"PHONE_SECRET_KEY={secrets.token_urlsafe(48)}")
        self.stdout.write(f"SMS_SEAL_KEYS={Fernet.generate_key().decode()}")
        self.stdout.write(f"REDIS_PASSWORD={secrets.token_hex(24)}")
