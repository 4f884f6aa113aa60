"""``manage.py api_key NAME``: make a key for the HTTP API."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from otp import conf
from otp.api import access, keys


class Command(BaseCommand):
    help = (
        "Make an API key: print the key for the caller, and the entries for API_KEYS and API_ACCESS. "
        f"API_ACCESS says what a name may do, such as {access.EXAMPLE}. Without an entry it may verify, send "
        "messages and read both, for every purpose. It may not act on the dashboard (operate), name the end "
        "user's IP address (client_ip), or supply its own codes (own_code)."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="who will use it: letters, digits, . _ -")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        if not keys.NAME.fullmatch(name):
            raise CommandError("A name has 1 to 64 letters, digits, dots, dashes or underscores.")
        if len(conf.get("API_KEYS").get(name, ())) >= keys.MOST:
            raise CommandError(
                f"API_KEYS already has {keys.MOST} keys of {name}, which is the limit. "
                "Remove the older one first."
            )
        key, digest = keys.make()
        self.stderr.write("The key for the caller. It is shown only once:")
        self.stdout.write(key)
        self.stderr.write("Append to API_KEYS (comma-separated):")
        self.stdout.write(f"{name}:{digest}")
        if name in conf.get("API_ACCESS"):
            self.stderr.write(f"API_ACCESS already has an entry for {name}. It applies to this key, too.")
            return
        self.stderr.write(
            "Append to API_ACCESS (separated by ;), and add what else the key needs (see docs/keys.md):"
        )
        self.stderr.write(f"{name}=verify")
