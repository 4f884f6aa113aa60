"""``sandbox://:TOKEN@HOST:PORT``: shows each SMS on the virtual phone of the demo page."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from sms.errors import PermanentFailure, ReceiptRejected, TemporaryFailure
from sms.providers.base import Provider, Sms
from sms.providers.transport import redirected


class SandboxProvider(Provider):
    scheme = "sandbox"
    url_names: ClassVar = {"password": "token", "host": "host"}

    def __init__(
        self,
        alias: str,
        *,
        token: str = "",
        host: str = "127.0.0.1:8000",
        **common: Any,
    ) -> None:
        super().__init__(alias, f"http://{host}", **common)
        self.token = token
        self._http = self.http_pool()

    def send(self, sms: Sms) -> str:
        answer = self._http.ask(
            "POST",
            f"{self.base_url}/phone/messages",
            json.dumps({"id": sms.id, "to": sms.to, "body": sms.body}),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        if answer.status >= 500:
            raise TemporaryFailure("the virtual phone is away", code=str(answer.status))
        if answer.status >= 400:
            raise PermanentFailure("the virtual phone refuses", code=str(answer.status))
        if answer.status >= 300:
            raise redirected(answer.status)
        return sms.id

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Raise ``ReceiptRejected`` unless the caller holds this provider's token."""
        given = (
            headers.get("Authorization", "").removeprefix("Bearer").strip()
        )  # servers strip the header, an empty token with it
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise ReceiptRejected("wrong token")
