"""The requests of the widget in a page of another site, and the answers."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from otp import sessions
from otp.api.access import parse

SHOP = "https://shop.example"
PHONE = "+12025550123"


class Widget:
    """One browser with one session."""

    def __init__(self, session: sessions.Session, *, origin: str = SHOP, holder: str = "a" * 32) -> None:
        self.client = Client(raise_request_exception=False)
        self.session, self.origin, self.holder, self.token = session, origin, holder, ""
        self.language = "en"

    def send(self, step: str, body: object, **more: Any) -> Any:
        headers = {"Origin": self.origin, "Accept-Language": self.language}
        return self.client.post(
            f"/s/{self.session.id}/{step}",
            body if isinstance(body, str) else json.dumps(body),
            headers={name: value for name, value in headers.items() if value},
            **{"content_type": "application/json"} | more,
        )

    def ask(self, step: str, **fields: object) -> Any:
        """The element's step. The token of the answer goes with the next one."""
        answer = self.send(step, {"holder": self.holder, "token": self.token, **fields})
        if answer["Content-Type"].startswith("application/") and answer.content:
            self.token = answer.json().get("token", self.token)
        return answer

    def view(self, step: str, **fields: object) -> dict[str, Any]:
        answer = self.ask(step, **fields)
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()["view"]
        return found


def made(**more: Any) -> sessions.Session:
    return sessions.create(owner="shop", return_url=f"{SHOP}/account", **more)


#: Two keys, of which each lets in pages of its own.
ACCESS = parse(
    f"shop=verify,return:{SHOP},return:https://www.shop.example;bank=verify,return:https://bank.example"
)
