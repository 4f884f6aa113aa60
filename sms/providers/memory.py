"""``memory://``: keeps each SMS in a list of this process, for tests."""

from __future__ import annotations

from sms.providers.base import Provider, Sms

#: The messages sent, oldest first. Tests read them by ``sms.testing``.
outbox: list[Sms] = []


class MemoryProvider(Provider):
    scheme = "memory"
    name = "memory"

    def send(self, sms: Sms) -> str:
        outbox.append(sms)
        return sms.id
