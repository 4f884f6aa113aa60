"""``kannel://USER:PASSWORD@10.0.0.5:13013?from=Shop&receipt_secret=SECRET``: a Kannel gateway of your own.

User and password are those of a ``sendsms-user`` group, host and port those of its smsbox
(127.0.0.1:13013). Options: ``from`` (number or sender ID; without it Kannel's ``default-sender``);
``receipt_secret``, 16 random characters or more: without it no reports are asked for and none
believed; ``smsc`` (a connection's id); ``timeout``; ``base_url`` (https, a proxy).

Kannel signs nothing. The address that we give it for reports holds a token made of our reference and
``receipt_secret``; whoever has that address can report on that one message and on no other.

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
from email.message import Message
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    ReceiptRejected,
    TemporaryFailure,
)
from sms.message import Receipt, State
from sms.providers.base import BadProviderURL, Provider, Sms
from sms.providers.transport import is_temporary, retry_after
from sms.segments import GSM_7

#: The values of %d; their sum is the mask that asks for all of them.
STATES: Mapping[str, State] = {
    "1": State.DELIVERED,
    "2": State.FAILED,  # could not be delivered to the phone
    "4": State.SENT,  # queued on the SMSC
    "8": State.SENT,  # accepted by the SMSC
    "16": State.FAILED,  # rejected by the SMSC
}
DLR_MASK = "31"

#: A receipt_secret that is shorter could be guessed by those who see the addresses.
MIN_SECRET = 16


class KannelProvider(Provider):
    scheme = "kannel"
    url_names: ClassVar = {"user": "username", "from": "sender"}
    takes_receipts: bool

    def __init__(
        self,
        alias: str,
        *,
        username: str,
        password: str,
        host: str = "127.0.0.1:13013",
        sender: str = "",
        receipt_secret: str = "",
        smsc: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, f"http://{host}", **common)
        if sender.startswith(" "):
            raise BadProviderURL(f"{alias}: write the + of from= as %2B.")
        if 0 < len(receipt_secret) < MIN_SECRET:
            raise BadProviderURL(f"{alias}: receipt_secret= needs {MIN_SECRET} random characters or more.")
        self.takes_receipts = bool(receipt_secret)
        self._receipt_secret = receipt_secret.encode()
        self._headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-Username": username,
            "X-Kannel-Password": password,
            **({"X-Kannel-From": sender} if sender else {}),
            **({"X-Kannel-SMSC": smsc} if smsc else {}),
        }
        if odd := _odd(self._headers):
            raise BadProviderURL(f"{alias}: {odd.removeprefix('X-Kannel-').lower()} must be printable ASCII.")
        self._http = self.http_pool()

    def send(self, sms: Sms) -> str:
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
        answer = self._http.ask("POST", f"{self.base_url}/cgi-bin/sendsms", sms.body.encode(), headers)
        if answer.status >= 400:
            raise _error(answer.status, answer.headers, answer.data)
        # "0: Accepted for delivery" or "3: Queued for later delivery"
        if not answer.data.startswith((b"0:", b"3:")):
            raise OutcomeUnknown("the answer cannot be read", code=str(answer.status))
        return sms.id  # Kannel tells no id of its own

    def check_head(self, headers: Mapping[str, str], url: str) -> None:
        super().check_head(headers, url)
        fields = _fields(url)
        expected = self._token(fields.get("reference", ""))
        if not hmac.compare_digest(expected.encode(), fields.get("token", "").encode()):
            raise ReceiptRejected("the token is wrong")

    def parse_receipts(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        self.check_head(headers, url)
        fields = _fields(url)
        word = fields.get("state", "")
        state = STATES.get(word, State.UNKNOWN)
        return [Receipt(reference=fields.get("reference", ""), state=state, raw=word)]

    def _dlr_url(self, sms: Sms) -> str:
        """Where Kannel reports, with %d for the state. Not %A, the SMSC's own words: they may repeat
        the beginning of the text.
        """
        return f"{sms.callback_url.replace('%', '%%')}&token={self._token(sms.id)}&state=%d"

    def _token(self, reference: str) -> str:
        return hmac.new(self._receipt_secret, f"receipt:{reference}".encode(), hashlib.sha256).hexdigest()


def _fields(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def _odd(headers: Mapping[str, str]) -> str:
    """The name of a header whose value could end it, or that Kannel would read otherwise."""
    return next(
        (name for name, v in headers.items() if not (v.isascii() and v.isprintable() and v == v.strip())), ""
    )


def _error(status: int, headers: Message, content: bytes) -> ProviderError:
    """Kannel's text says why and is not kept: it may repeat the number."""
    if is_temporary(status):
        return TemporaryFailure(
            "Kannel cannot take it now", code=str(status), retry_after=retry_after(headers)
        )
    if content.startswith(b"Not routable"):
        return AccountFailure("Kannel has no SMSC for it", code="not_routable", here=True)
    if status in (401, 403, 404) or content.startswith(b"Sender missing"):
        return AccountFailure("Kannel refuses us", code=str(status))
    return PermanentFailure("Kannel refuses it", code=str(status))
