"""``manage.py twilio_sids``: what a program that speaks Twilio Verify has to be given."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from otp import conf, purposes
from otp.twilio import sids


class Command(BaseCommand):
    help = (
        "Print the SIDs by which Twilio's SDKs know this installation: of each key in API_KEYS that of its "
        "account, whose token is the key itself, and of each purpose that of its service."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        for name in conf.get("API_KEYS"):
            self.stdout.write(f"account  {sids.of_name(sids.ACCOUNT, name)}  {name}")
        for name in purposes.all_purposes():
            self.stdout.write(f"service  {sids.of_name(sids.SERVICE, name)}  {name}")
