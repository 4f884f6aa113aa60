"""``sandbox://:TOKEN@HOST:PORT``: shows each SMS on the virtual phone at ``/phone/``.

For development. HOST:PORT is the web server that has this page, and TOKEN is any text that you choose.
docs/in-django.md has an example. ``channel=`` (whatsapp, telegram, voice) makes it stand for another channel.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from sms.errors import ReceiptRejected
from sms.providers.base import Sms
from sms.providers.url import read_channel
from sms.providers.vendor import HttpSender, Request


class SandboxProvider(HttpSender):
    scheme = "sandbox"
    name = "the virtual phone"
    url_names: ClassVar = {"password": "token", "host": "host"}
    account_statuses: ClassVar = frozenset[int]()

    def __init__(
        self, alias: str, *, token: str = "", host: str = "127.0.0.1:8000", channel: str = "", **common: Any
    ) -> None:
        super().__init__(alias, f"http://{host}", **common)
        self.token = token
        self.channel = read_channel(alias, channel)

    def build(self, sms: Sms) -> Request:
        return Request(
            f"{self.base_url}/phone/messages",
            json.dumps({"id": sms.id, "to": sms.to, "body": sms.body, "channel": self.channel}),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )

    def id_for(self, sms: Sms, found: Any) -> str:
        return sms.id

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Raise ``ReceiptRejected`` unless the caller holds this provider's token."""
        # Servers strip the header, so "Bearer " with an empty token becomes "Bearer".
        given = headers.get("Authorization", "").removeprefix("Bearer").strip()
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise ReceiptRejected("wrong token")
