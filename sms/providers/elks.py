"""``elks://USER:PASSWORD@?from=Shop&receipt_secret=SECRET``: 46elks.

User and password are the API's.

Options:

- ``from``: a number, or a sender ID of at most 11 letters and digits.
- ``receipt_secret``: 16 or more random characters. Without it, no receipts are requested, and inbound
  messages are refused.
- ``timeout``, ``base_url`` (for a mock or a proxy).

46elks signs nothing. The callback URL of each message holds a token made from our reference and
``receipt_secret``. The ``sms_url`` of a number, for inbound messages, holds a token without a reference.
46elks sends the body of our answer to the user as a reply, so our answer is empty.

Every message is sent with ``dontlog=message``, which keeps its text out of 46elks' history. Messages have no
time to live. 46elks does not list its error texts. We only read whether that of a 400 mentions ``from``.

Sources: 46elks.com/docs/send-sms, …/docs/sms-delivery-reports, …/docs/receive-sms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from sms.message import Inbound, Receipt
from sms.providers.base import Sms
from sms.providers.callbacks import form
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, TokenProvider, state_table
from sms.providers.wire import at, basic, parse


class ElksProvider(TokenProvider):
    scheme = "elks"
    name = "46elks"
    url_names: ClassVar = {"user": "username", **TokenProvider.url_names}
    id_path = "id"
    states = state_table(sent="created sent", delivered="delivered", failed="failed")
    tells_prices = True
    receives = True

    def __init__(self, alias: str, *, username: str, password: str, **common: Any) -> None:
        super().__init__(alias, "https://api.46elks.com", **common)
        if not self.sender:
            raise BadProviderURL(f"{alias}: from= must be a number or a sender ID.")
        self._headers = {
            "Authorization": basic(username, password),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def build(self, sms: Sms) -> Request:
        fields = {
            "from": sms.sender or self.sender,
            "to": sms.to,
            "message": sms.body,
            "dontlog": "message",
        }
        if address := self.receipt_address(sms):
            fields["whendelivered"] = address
        return Request(f"{self.base_url}/a1/sms", urlencode(fields), self._headers)

    def read(self, content: bytes) -> Any:
        return parse(content) or content  # an error may be plain text

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        meaning = super().outcome(status, word, found)
        is_taken = at(found, "status") in ("created", "sent", "delivered")
        return "unknown" if meaning == "accepted" and not is_taken else meaning

    def unlisted(self, found: Any) -> Outcome:
        # We do not keep the text, which may repeat the number.
        return "account" if re.search(r"\bfrom\b", str(found)) else "refused"

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        fields = form(body, "id", "status")
        return [self.receipt(head.get("reference", ""), fields["status"], id=fields["id"])]

    def read_inbound(self, head: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        fields = form(body, "id", "from", "to")
        text = fields.get("message", "")
        return [Inbound(id=fields["id"], phone=fields["from"], sender=fields["to"], text=text)]
