"""``twilio://SID:TOKEN@?from=%2B15005550006``: Twilio's Programmable Messaging.

Options: ``from`` (number or sender ID) or ``messaging_service`` (MG…); ``timeout``; ``base_url`` (a
mock or a proxy); ``temporary`` and ``permanent``: error codes, separated by blanks, that shall
count as such whatever the table below says.

Sources: twilio.com/docs/messaging/api/message-resource (parameters, statuses),
twilio.com/docs/api/errors (codes), twilio.com/docs/usage/webhooks/webhooks-security (signature).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from twilio.request_validator import RequestValidator
from twilio.rest import Client
from urllib3.util import make_headers

from sms.errors import ReceiptRejected
from sms.message import Receipt
from sms.providers.base import BadProviderURL, Sms
from sms.providers.vendor import Request, VendorProvider, outcome_table, state_table

#: What codes mean that their HTTP status does not tell.
CODES = outcome_table(
    # 20429 too many requests, 20500 and 20503 trouble at Twilio, 21611 and 30001 a queue is full.
    temporary="20429 20500 20503 21611 30001",
    # 20003 credentials, 20005 and 90010 account not active, 30002 account suspended, 21603 no sender, 21606
    # and 21661 a sender that sends no SMS, 21659 and 21660 one that is not ours, 21704 a messaging service
    # without senders.
    account="20003 20005 21603 21606 21659 21660 21661 21704 30002 90010",
    # 21408 no permission to send there, 21612 this sender does not reach it.
    country="21408 21612",
)

#: What Twilio calls a thing by: two letters for its kind, AC for an account, and 32 hexadecimal digits.
_SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")

#: Seconds. Twilio takes a ValidityPeriod of 1 to 36,000 and drops the message after it.
MAX_VALIDITY = 36_000

#: The header that signs the address and the form of a receipt.
SIGNATURE = "x-twilio-signature"


class TwilioProvider(VendorProvider):
    scheme = "twilio"
    name = "Twilio"
    url_names: ClassVar = {"user": "account_sid", "password": "auth_token", **VendorProvider.url_names}
    account_statuses: ClassVar = frozenset({401, 403})
    id_path = "sid"
    takes_receipts = True
    receipt_option = "auth_token"
    states = state_table(
        sent="accepted scheduled queued sending sent",
        delivered="delivered read",
        failed="undelivered failed canceled",
    )

    def __init__(
        self,
        alias: str,
        *,
        account_sid: str,
        auth_token: str,
        messaging_service: str = "",
        temporary: str = "",
        permanent: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, **common)
        if auth_token.startswith("AC") and not account_sid.startswith("AC"):
            raise BadProviderURL(f"{alias}: SID and token are swapped; write twilio://SID:TOKEN@, AC… first.")
        if _SID.fullmatch(account_sid) and not account_sid.startswith("AC"):
            raise BadProviderURL(f"{alias}: this is no SID of an account; write the one that begins with AC.")
        if _SID.fullmatch(self.sender):
            raise BadProviderURL(
                f"{alias}: from= is a number or sender ID; write messaging_service=MG… instead."
            )
        if bool(self.sender) == bool(messaging_service):
            raise BadProviderURL(f"{alias}: give either from= or messaging_service=.")
        self._from = {"From": self.sender} if self.sender else {"MessagingServiceSid": messaging_service}
        self._validator = RequestValidator(auth_token)
        self.takes_receipts = bool(auth_token)
        about_us = {code for code, meaning in CODES.items() if meaning != "temporary"}
        self.outcomes = {
            **CODES,
            **dict.fromkeys(_codes(alias, temporary), "temporary"),
            **dict.fromkeys(_codes(alias, permanent) - about_us, "refused"),
        }
        # Their SDK knows the host and the headers. A request by it takes twice the CPU of one by ourselves.
        sdk = Client(account_sid, auth_token)
        host = self.base_url or sdk.get_hostname("https://api.twilio.com")
        self._url = f"{host}/2010-04-01/Accounts/{account_sid}/Messages.json"
        credentials = make_headers(basic_auth=f"{account_sid}:{auth_token}")
        self._headers = sdk.get_headers("POST", None) | credentials

    def build(self, sms: Sms) -> Request:
        sender = {"From": sms.sender} if sms.sender else self._from
        fields: dict[str, Any] = {"To": sms.to, "Body": sms.body, **sender}
        if sms.callback_url:
            fields["StatusCallback"] = sms.callback_url
        if sms.expires_in:
            fields["ValidityPeriod"] = max(1, min(int(sms.expires_in), MAX_VALIDITY))
        return Request(self._url, urlencode(fields), self._headers)

    def word_in(self, found: Any) -> str:
        code = found.get("code") if isinstance(found, dict) else None
        return str(code) if code and isinstance(code, int) else ""

    def read_head(self, headers: Mapping[str, str], url: str) -> str:
        if not headers.get(SIGNATURE):
            raise ReceiptRejected("there is no signature")
        return headers[SIGNATURE]

    def read_receipts(self, head: str, body: bytes, url: str) -> list[Receipt]:
        try:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        except ValueError:
            raise ReceiptRejected("the body is no form") from None
        if not self._validator.validate(url, fields, head):
            raise ReceiptRejected("the signature is wrong")
        reference = parse_qs(urlsplit(url).query).get("reference", [""])[0]
        word, id = fields.get("MessageStatus", ""), fields.get("MessageSid", "")
        return [self.receipt(reference, word, id=id, error=fields.get("ErrorCode", ""))]


def _codes(alias: str, text: str) -> set[str]:
    try:
        return {str(int(code)) for code in text.replace(",", " ").split()}
    except ValueError:
        raise BadProviderURL(f"{alias}: temporary= and permanent= hold Twilio's error numbers.") from None
