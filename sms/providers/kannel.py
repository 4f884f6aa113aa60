"""``kannel://USER:PASSWORD@10.0.0.5:13013?from=Shop&receipt_secret=SECRET``: a Kannel gateway of your own.

User and password are those of a ``sendsms-user`` group. Host and port are those of its smsbox
(127.0.0.1:13013).

Options:

- ``from``: a number or sender ID. Without it, Kannel uses its ``default-sender``.
- ``receipt_secret``: 16 or more random characters. Without it, no receipts are requested, and inbound
  messages are refused.
- ``smsc``: the id of a connection.
- ``timeout``, ``base_url`` (for https or a proxy).

Kannel signs nothing. The callback URL of each message holds a token made from our reference and
``receipt_secret``. So a leaked URL allows forged receipts for that one message only. The URL for inbound
messages holds a token without a reference. Put it into kannel.conf, as ``manage.py providers --configured``
prints it::

    group = sms-service
    keyword = default
    post-url = "https://verify.example.com/v1/inbound/ALIAS?token=TOKEN&id=%I"
    send-sender = true
    max-messages = 0

``post-url`` keeps number and text out of the URL, which servers log; ``get-url`` is refused. Without
``max-messages = 0``, Kannel sends our answer to the user as an SMS.

Kannel also needs

- ``http-request-retry = 100`` in its group ``smsbox``, or a STOP is lost while we are away;
- ``concatenation = true`` and ``max-messages = 50`` in the ``sendsms-user``, or long texts are cut after one
  part;
- ``log-level = 2`` and no ``access-log`` in ``smsbox``, which otherwise logs numbers and texts.

Source: kannel.org/download/kannel-userguide-snapshot/userguide.html, "Using the HTTP interface to send
SMS messages", "HTTP response from sendsms", "Delivery reports" and "SMS-service configuration"; tried with
Kannel 1.4.5.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from sms.errors import AccountFailure, PermanentFailure, ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.base import Reply, Sms
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, TokenProvider, outcome_table, state_table
from sms.segments import GSM_7

#: The sum of the states that receipts should report: all of them.
DLR_MASK = "31"

#: Kannel takes 204 for a failure and calls again, so we answer 200.
TAKEN = Reply("OK")

#: Required in an inbound message, beside its text: the field, and the line of kannel.conf that adds it.
USER, OURS, ID = "x-kannel-from", "x-kannel-to", "id"
NEEDED = {USER: "send-sender = true", OURS: "post-url", ID: "&id=%I"}


class KannelProvider(TokenProvider):
    scheme = "kannel"
    name = "Kannel"
    url_names: ClassVar = {"user": "username", **TokenProvider.url_names}
    outcomes = outcome_table(country="not_routable")
    # Values of %d: 4 queued at the SMSC, 8 accepted by it, 16 rejected by it, 2 not delivered to the phone.
    states = state_table(sent="4 8", delivered="1", failed="2 16")
    receives = True
    receipt_reply = inbound_reply = TAKEN

    def __init__(
        self,
        alias: str,
        *,
        username: str,
        password: str,
        host: str = "127.0.0.1:13013",
        smsc: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, f"http://{host}", **common)
        self._headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-Username": username,
            "X-Kannel-Password": password,
            **({"X-Kannel-From": self.sender} if self.sender else {}),
            **({"X-Kannel-SMSC": smsc} if smsc else {}),
        }
        if odd := _odd(self._headers):
            raise BadProviderURL(f"{alias}: {odd.removeprefix('X-Kannel-').lower()} must be printable ASCII.")

    def build(self, sms: Sms) -> Request:
        # Kannel splits this at spaces and sends to each part.
        if not re.fullmatch(r"\+?[0-9]{1,15}", sms.to):
            raise PermanentFailure("the number is not in E.164 form", code="to")
        headers = self._headers | {
            "X-Kannel-To": sms.to,
            # Other texts must go as UCS-2, or Kannel writes question marks.
            "X-Kannel-Coding": "0" if GSM_7.issuperset(sms.body) else "2",
        }
        if sms.sender:
            headers["X-Kannel-From"] = sms.sender
        if sms.expires_in:
            # In minutes. Rounded down, a code of 119 s would lose half its life.
            headers["X-Kannel-Validity"] = str(math.ceil(sms.expires_in / 60))
        # %d is the state. %A would be the SMSC's own words, which may repeat the beginning of the text.
        if address := self.receipt_address(sms):
            dlr_url = f"{address.replace('%', '%%')}&state=%d"
            headers |= {"X-Kannel-DLR-Mask": DLR_MASK, "X-Kannel-DLR-Url": dlr_url}
        if odd := _odd(headers):
            raise AccountFailure("Kannel takes printable ASCII here", code=odd)
        # POST with headers: a query with password, number and code would end up in logs.
        return Request(f"{self.base_url}/cgi-bin/sendsms", sms.body, headers)

    def read(self, content: bytes) -> bytes:
        return content

    def word_in(self, found: bytes) -> str:
        """No word. Kannel's text gives the reason, but we do not keep it, since it may repeat the number."""
        return "not_routable" if found.startswith(b"Not routable") else ""

    def outcome(self, status: int, word: str, found: bytes) -> Outcome:
        meaning = super().outcome(status, word, found)
        # "0: Accepted for delivery" or "3: Queued for later delivery".
        return "unknown" if meaning == "accepted" and not found.startswith((b"0:", b"3:")) else meaning

    def unlisted(self, found: bytes) -> Outcome:
        return "account" if found.startswith(b"Sender missing") else "refused"

    def id_for(self, sms: Sms, found: bytes) -> str:
        return sms.id  # Kannel gives no id of its own

    def panel_address(self, address: str) -> str:
        """The URL for kannel.conf, with Kannel's escapes."""
        return f"{super().panel_address(address).replace('%', '%%')}&id=%I"

    def read_head(self, headers: Mapping[str, str], url: str) -> Mapping[str, str]:
        """The query fields of the URL, and the headers of an inbound message."""
        found = {name: headers.get(name, "") for name in (USER, OURS, "content-type")}
        return {**super().read_head(headers, url), **found}

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        if not head.get("reference"):
            raise ReceiptRejected("the token is the one for inbound messages")
        return [self.receipt(head["reference"], head.get("state", ""))]

    def read_inbound(self, head: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        if missing := next((setting for name, setting in NEEDED.items() if not head.get(name)), ""):
            raise ReceiptRejected(f"the sms-service needs {missing}")
        # UTF-16 if the text has a character outside GSM-7.
        charset = "utf-16-be" if "utf-16be" in head["content-type"].lower() else "utf-8"
        return [Inbound(head[ID], head[USER], head[OURS], body.decode(charset, "replace"))]


def _odd(headers: Mapping[str, str]) -> str:
    """The name of a header with a value that could end it, or that Kannel would misread."""
    return next(
        (name for name, v in headers.items() if not (v.isascii() and v.isprintable() and v == v.strip())), ""
    )
