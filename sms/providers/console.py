"""``console://``: prints each SMS to the worker's standard output. For development.

With DEBUG off, only ``console://?clear=yes`` is accepted.
"""

from __future__ import annotations

import sys

from sms.providers.base import ClearProvider, Sms


class ConsoleProvider(ClearProvider):
    scheme = "console"
    name = "console"
    example = "console://?clear=yes"

    def send(self, sms: Sms) -> str:
        sys.stdout.write(f"\n── SMS to {sms.to} ──\n{sms.body}\n──\n")
        sys.stdout.flush()
        return sms.id
