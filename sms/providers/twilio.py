"""``twilio://SID:TOKEN@?from=%2B15005550006``: Twilio's Programmable Messaging, by its own SDK.

Options: ``from`` (number or sender ID) or ``messaging_service`` (MG…); ``timeout``; ``base_url`` (a
mock or a proxy); ``temporary`` and ``permanent``: error codes, separated by blanks, that shall
count as such whatever the table below says.

Sources: twilio.com/docs/messaging/api/message-resource (parameters, statuses),
twilio.com/docs/api/errors (codes), twilio.com/docs/usage/webhooks/webhooks-security (signature).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from email.message import Message
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from urllib3.util import make_headers

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
from sms.providers.transport import is_temporary, request_left, retry_after

#: Codes whose HTTP status says "your mistake" but that pass: 20429 too many requests, 21611 the
#: sender's queue is full, 30001 queue overflow, 20500 and 20503 trouble at Twilio. Every other
#: code follows its status: 408, 429 and 5xx pass, the rest of 4xx does not.
TEMPORARY = frozenset({20429, 20500, 20503, 21611, 30001})

#: Codes that speak of the account or its sender and not of the number, beside every 401 and 403:
#: 20003 credentials, 20005 and 90010 account not active, 30002 account suspended, 21603 no sender,
#: 21606 and 21661 a sender that sends no SMS, 21659 and 21660 one that is not ours, 21704 a
#: messaging service without senders.
ACCOUNT = frozenset({20003, 20005, 21603, 21606, 21659, 21660, 21661, 21704, 30002, 90010})

#: The same, but for the message's country alone: 21408 no permission to send there, 21612 this
#: sender does not reach it.
COUNTRY = frozenset({21408, 21612})

#: What Twilio calls a thing by: two letters for its kind, AC for an account, and 32 hexadecimal digits.
_SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")

#: Seconds. Twilio takes a ValidityPeriod of 1 to 36,000 and drops the message after it.
MAX_VALIDITY = 36_000

STATES: Mapping[str, State] = {
    "accepted": State.SENT,
    "scheduled": State.SENT,
    "queued": State.SENT,
    "sending": State.SENT,
    "sent": State.SENT,
    "delivered": State.DELIVERED,
    "read": State.DELIVERED,
    "undelivered": State.FAILED,
    "failed": State.FAILED,
    "canceled": State.FAILED,
}


#: The header that signs the address and the form of a receipt.
SIGNATURE = "x-twilio-signature"


class TwilioProvider(Provider):
    scheme = "twilio"
    takes_receipts = True
    receipt_option = "auth_token"
    url_names: ClassVar = {"user": "account_sid", "password": "auth_token", "from": "sender"}

    def __init__(
        self,
        alias: str,
        *,
        account_sid: str,
        auth_token: str,
        sender: str = "",
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
        if _SID.fullmatch(sender):
            raise BadProviderURL(
                f"{alias}: from= is a number or sender ID; write messaging_service=MG… instead."
            )
        if bool(sender) == bool(messaging_service):
            raise BadProviderURL(f"{alias}: give either from= or messaging_service=.")
        if sender.startswith(" "):
            raise BadProviderURL(f"{alias}: write the + of from= as %2B.")
        self._from = {"from_": sender} if sender else {"messaging_service_sid": messaging_service}
        self._validator = RequestValidator(auth_token)
        self.takes_receipts = bool(auth_token)
        http = _Http(self, account_sid, auth_token, _codes(alias, temporary), _codes(alias, permanent))
        self._client = Client(account_sid, auth_token, http_client=http)

    def send(self, sms: Sms) -> str:
        sender = {"from_": sms.sender} if sms.sender else self._from
        params: dict[str, Any] = {"to": sms.to, "body": sms.body, **sender}
        if sms.callback_url:
            params["status_callback"] = sms.callback_url
        if sms.expires_in:
            params["validity_period"] = max(1, min(int(sms.expires_in), MAX_VALIDITY))
        try:
            sid = self._client.messages.create(**params).sid
        except ProviderError:
            raise
        except Exception as error:
            if not request_left():
                raise
            # 2xx with a body that the SDK cannot read: most likely Twilio has the message.
            raise OutcomeUnknown("the answer cannot be read", code=type(error).__name__) from None
        if not isinstance(sid, str) or not sid:
            raise OutcomeUnknown("the answer names no message", code="no_sid")
        return sid

    def check_head(self, headers: Mapping[str, str], url: str) -> None:
        super().check_head(headers, url)
        if not headers.get(SIGNATURE):
            raise ReceiptRejected("there is no signature")

    def parse_receipts(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        self.check_head(headers, url)
        try:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        except ValueError:
            raise ReceiptRejected("the body is no form") from None
        if not self._validator.validate(url, fields, headers[SIGNATURE]):
            raise ReceiptRejected("the signature is wrong")
        word = fields.get("MessageStatus", "")
        return [
            Receipt(
                reference=parse_qs(urlsplit(url).query).get("reference", [""])[0],
                state=STATES.get(word, State.UNKNOWN),
                raw=word,
                provider_message_id=fields.get("MessageSid", ""),
                error=fields.get("ErrorCode", ""),
            )
        ]


class _Http(HttpClient):
    """The SDK's transport: one pooled session, both timeouts set, and errors with their headers.

    The SDK turns an error answer into an exception without headers, which loses Retry-After; so
    the answer is judged here, where they still are.
    """

    def __init__(
        self,
        provider: TwilioProvider,
        account_sid: str,
        auth_token: str,
        temporary: frozenset[int],
        permanent: frozenset[int],
    ) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False)
        self._http = provider.http_pool()
        self._base_url = provider.base_url
        self._authorization = make_headers(basic_auth=f"{account_sid}:{auth_token}")
        self._temporary = (TEMPORARY | temporary) - permanent
        self._permanent = permanent

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        **_: Any,
    ) -> Response:
        if self._base_url:
            parts = urlsplit(url)
            url = f"{self._base_url}{parts.path}{'?' + parts.query if parts.query else ''}"
        answer = self._http.ask(method, url, urlencode(data), headers | self._authorization)
        if answer.status >= 400:
            raise self._error(answer.status, answer.headers, answer.data)
        return Response(answer.status, answer.data.decode(errors="replace"), answer.headers)

    def _error(self, status: int, headers: Message, content: bytes) -> ProviderError:
        code = _code(content) or status
        passes = is_temporary(status) or code in self._temporary
        if passes and code not in self._permanent:
            return TemporaryFailure(
                "Twilio cannot take it now", code=str(code), retry_after=retry_after(headers)
            )
        if code in ACCOUNT | COUNTRY or (status in (401, 403) and code not in self._permanent):
            return AccountFailure("Twilio refuses us", code=str(code), here=code in COUNTRY)
        return PermanentFailure("Twilio refuses it", code=str(code))


def _code(content: bytes) -> int | None:
    """Twilio's error code, which stands beside a text that may repeat the phone number."""
    try:
        code = json.loads(content)["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return code if isinstance(code, int) else None


def _codes(alias: str, text: str) -> frozenset[int]:
    try:
        return frozenset(int(code) for code in text.replace(",", " ").split())
    except ValueError:
        raise BadProviderURL(f"{alias}: temporary= and permanent= hold Twilio's error numbers.") from None
