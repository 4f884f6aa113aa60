"""``manage.py twilio_sids``: print the SIDs that a client of Twilio Verify needs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from otp import conf, purposes
from otp.twilio import sids


class Command(BaseCommand):
    help = (
        "Print the SIDs by which Twilio's SDKs know this installation: an account SID for each key in "
        "API_KEYS, whose auth token is the key itself, and a service SID for each purpose."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        for name in conf.get("API_KEYS"):
            self.stdout.write(f"account  {sids.of_name(sids.ACCOUNT, name)}  {name}")
        for name in purposes.all_purposes():
            self.stdout.write(f"service  {sids.of_name(sids.SERVICE, name)}  {name}")
