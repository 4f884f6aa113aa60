"""``kannel://USER:PASSWORD@10.0.0.5:13013?from=Shop&receipt_secret=SECRET``: a Kannel gateway of your own.

User and password are those of a ``sendsms-user`` group, host and port those of its smsbox
(127.0.0.1:13013). Options: ``from`` (number or sender ID; without it Kannel's ``default-sender``);
``receipt_secret``, 16 random characters or more: without it no receipts are asked for and none
believed; ``smsc`` (a connection's id); ``timeout``; ``base_url`` (https, a proxy).

Kannel signs nothing. The address that we give it for receipts holds a token made of our reference and
``receipt_secret``; whoever has that address can send receipts of that one message and of no other.

At its usual log level smsbox writes numbers and texts into its log, and always into its access-log:
set ``log-level = 2`` there and no ``access-log``.

Source: kannel.org/download/kannel-userguide-snapshot/userguide.html, "Using the HTTP interface to send
SMS messages", "HTTP response from sendsms" and "Delivery reports"; tried with Kannel 1.4.5.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from sms.errors import AccountFailure, PermanentFailure, ReceiptRejected
from sms.message import Receipt
from sms.providers.base import BadProviderURL, Sms
from sms.providers.vendor import Outcome, Request, VendorProvider, outcome_table, state_table
from sms.segments import GSM_7

#: The sum of the states of which we want to hear: all that there are.
DLR_MASK = "31"

#: A receipt_secret that is shorter could be guessed by those who see the addresses.
MIN_SECRET = 16


class KannelProvider(VendorProvider):
    scheme = "kannel"
    name = "Kannel"
    url_names: ClassVar = {"user": "username", **VendorProvider.url_names}
    outcomes = outcome_table(country="not_routable")
    account_statuses: ClassVar = frozenset({401, 403, 404})
    # The values of %d: 4 queued on the SMSC, 8 accepted and 16 rejected by it, 2 not delivered to the phone.
    states = state_table(sent="4 8", delivered="1", failed="2 16")

    def __init__(
        self,
        alias: str,
        *,
        username: str,
        password: str,
        host: str = "127.0.0.1:13013",
        receipt_secret: str = "",
        smsc: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, f"http://{host}", **common)
        if 0 < len(receipt_secret) < MIN_SECRET:
            raise BadProviderURL(f"{alias}: receipt_secret= needs {MIN_SECRET} random characters or more.")
        self.takes_receipts = bool(receipt_secret)
        self._receipt_secret = receipt_secret.encode()
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
        # Kannel splits this at blanks and sends to each.
        if not re.fullmatch(r"\+?[0-9]{1,15}", sms.to):
            raise PermanentFailure("the number is not written as E.164", code="to")
        headers = self._headers | {
            "X-Kannel-To": sms.to,
            # With any other character it has to go as UCS-2, or Kannel writes question marks.
            "X-Kannel-Coding": "0" if GSM_7.issuperset(sms.body) else "2",
        }
        if sms.sender:
            headers["X-Kannel-From"] = sms.sender
        if sms.expires_in:
            # In minutes, rounded up: rounded down, a code of 119 s would lose half of its life.
            headers["X-Kannel-Validity"] = str(math.ceil(sms.expires_in / 60))
        if sms.callback_url and self.takes_receipts:
            headers |= {"X-Kannel-DLR-Mask": DLR_MASK, "X-Kannel-DLR-Url": self._dlr_url(sms)}
        if odd := _odd(headers):
            raise AccountFailure("Kannel takes printable ASCII here", code=odd)
        # POST and headers: a query with password, number and code would end in logs on the way.
        return Request(f"{self.base_url}/cgi-bin/sendsms", sms.body, headers)

    def read(self, content: bytes) -> bytes:
        return content

    def word_in(self, found: bytes) -> str:
        """Kannel's text says why and is not kept: it may repeat the number."""
        return "not_routable" if found.startswith(b"Not routable") else ""

    def outcome(self, status: int, word: str, found: bytes) -> Outcome:
        meaning = super().outcome(status, word, found)
        if meaning == "accepted":
            # "0: Accepted for delivery" or "3: Queued for later delivery"
            return meaning if found.startswith((b"0:", b"3:")) else "unknown"
        return "account" if meaning == "refused" and found.startswith(b"Sender missing") else meaning

    def id_for(self, sms: Sms, found: bytes) -> str:
        return sms.id  # Kannel tells no id of its own

    def read_head(self, headers: Mapping[str, str], url: str) -> Mapping[str, str]:
        fields = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        expected = self._token(fields.get("reference", ""))
        if not hmac.compare_digest(expected.encode(), fields.get("token", "").encode()):
            raise ReceiptRejected("the token is wrong")
        return fields

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        return [self.receipt(head.get("reference", ""), head.get("state", ""))]

    def _dlr_url(self, sms: Sms) -> str:
        """Where Kannel sends receipts, with %d for the state. Not %A, the SMSC's own words: they may repeat
        the beginning of the text.
        """
        return f"{sms.callback_url.replace('%', '%%')}&token={self._token(sms.id)}&state=%d"

    def _token(self, reference: str) -> str:
        return hmac.new(self._receipt_secret, f"receipt:{reference}".encode(), hashlib.sha256).hexdigest()


def _odd(headers: Mapping[str, str]) -> str:
    """The name of a header whose value could end it, or that Kannel would read otherwise."""
    return next(
        (name for name, v in headers.items() if not (v.isascii() and v.isprintable() and v == v.strip())), ""
    )
