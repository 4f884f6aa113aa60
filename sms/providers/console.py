"""``console://``: prints each SMS to the worker's standard output. For development."""

from __future__ import annotations

import sys

from sms.providers.base import Provider, Sms


class ConsoleProvider(Provider):
    scheme = "console"

    def send(self, sms: Sms) -> str:
        sys.stdout.write(f"\n── SMS to {sms.to} ──\n{sms.body}\n──\n")
        sys.stdout.flush()
        return sms.id
