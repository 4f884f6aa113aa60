"""The provider that CONTRIBUTING.md shows: it passes the contract unchanged."""

from __future__ import annotations

import hashlib
import hmac
import json
import textwrap
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from sms.message import State
from sms.providers.base import Provider
from sms.providers.url import options_from_url
from tests.sms.providers.contract import SMS, URL, ProviderContract

SECRET = "secret-of-the-receipts"


@cache
def shown() -> Any:
    text = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text()
    code = text.partition("   ```python\n")[2].partition("   ```\n")[0]
    found: dict[str, Any] = {"__name__": "acme"}
    exec(textwrap.dedent(code), found)  # noqa: S102  # it is ours
    return found["AcmeProvider"]


def error(status: int, code: str) -> tuple[int, str]:
    return status, json.dumps({"error": {"code": code, "text": f"{SMS.to} is wrong"}})


class TestAcme(ProviderContract):
    url = f"acme://:token@?from=Shop&receipt_secret={SECRET}&base_url={{base_url}}&timeout={{timeout}}"
    accepted = (200, '{"message": {"id": "A-1"}}')
    accepted_id = "A-1"
    refused_number = error(422, "bad_number")
    refused_credentials = error(401, "unauthorized")
    throttled = error(429, "busy")
    refusals: ClassVar = {
        "temporary": [error(409, "busy")],
        "account": [error(400, "no_funds")],
        "country": [error(400, "no_route")],
    }
    words: ClassVar = {
        "queued": State.SENT,
        "delivered": State.DELIVERED,
        "rejected": State.FAILED,
        "expired": State.FAILED,
    }

    def provider(self, base_url: str, timeout: float = 5.0) -> Provider:
        url = self.url.format(base_url=base_url, timeout=timeout)
        found: Provider = shown()("main", **options_from_url(shown(), "main", url))
        return found

    def receipt(self, word, **changes):
        body = json.dumps({"state": word}).encode()
        signature = hmac.new(SECRET.encode(), URL.encode() + body, hashlib.sha256).hexdigest()
        return {"x-acme-signature": signature}, body
