"""``vonage://APPLICATION_ID@?key=/run/secrets/vonage.pem&from=Shop&signature_secret=SECRET``: Vonage's
Messages API.

Options: ``key``, the application's private key: the path of its PEM file, or the file in base64
(``base64 -w0 private.key``); ``from`` (number or sender ID); ``signature_secret``, the account's, with
which Vonage signs its reports: without it none are asked for and none believed; ``timeout``;
``base_url`` (a region as https://api-eu.nexmo.com, a mock, a proxy).

Sources: developer.vonage.com/en/api/messages (request, answers), …/en/api-errors and
…/en/api-errors/messages (codes), …/en/messages/concepts/signed-webhooks (signature),
…/en/messages/concepts/sms-status-callbacks (statuses).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

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

#: Codes that pass whatever the HTTP status: 1000 too many requests, 1030 trouble at Vonage, 1100 the
#: message could not be submitted. Every other code follows its status: 408, 429 and 5xx pass.
TEMPORARY = frozenset({"1000", "1030", "1100"})

#: Codes that speak of the account or its sender, beside every 401, 402, 403 and 404: 1060 account
#: barred, 1070 no credit, 1080 not enabled for this API, 1110 signature, 1140 facility not enabled,
#: 1420 not a sender for SMS, low-balance, account-suspended.
ACCOUNT = frozenset({"1060", "1070", "1080", "1110", "1140", "1420", "low-balance", "account-suspended"})

#: The same, but for the message's country alone: 1120 and 1481 a sender ID that local rules do not
#: allow, 1160 a trial account, which sends to listed numbers only, 1470 a prefix that is blocked.
COUNTRY = frozenset({"1120", "1160", "1470", "1481"})

#: Seconds that Vonage tries to deliver; the ends of the range which its SMS service takes.
MIN_TTL, MAX_TTL = 20, 604_800

#: Seconds after which a signed report is no longer believed, and those by which clocks may differ.
MAX_AGE, LEEWAY = 600, 60

#: Seconds that one of our own tokens is used, and those that it is valid for.
TOKEN_USED, TOKEN_VALID = 300, 900

STATES: Mapping[str, State] = {
    "submitted": State.SENT,
    "delivered": State.DELIVERED,
    "read": State.DELIVERED,
    "rejected": State.FAILED,
    "undeliverable": State.FAILED,
}


class VonageProvider(Provider):
    scheme = "vonage"
    url_names: ClassVar = {"user": "application_id", "from": "sender"}
    takes_receipts: bool
    receipt_option = "signature_secret"

    def __init__(
        self,
        alias: str,
        *,
        application_id: str,
        key: str,
        sender: str,
        signature_secret: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, "https://api.nexmo.com", **common)
        if not sender or sender.startswith(" "):
            raise BadProviderURL(f"{alias}: from= must hold a number or a sender ID; write its + as %2B.")
        self.takes_receipts = bool(signature_secret)
        self._application_id = application_id
        self._sender = sender
        self._signature_secret = signature_secret
        self._key = _private_key(alias, key)
        self._token = ("", 0.0)  # and when to stop using it
        self._http = self.http_pool()

    def send(self, sms: Sms) -> str:
        message: dict[str, Any] = {
            "channel": "sms",
            "message_type": "text",
            "to": sms.to.removeprefix("+"),
            "from": (sms.sender or self._sender).removeprefix("+"),
            "text": sms.body,
            "client_ref": sms.id,
        }
        if sms.callback_url and self.takes_receipts:
            message |= {"webhook_url": sms.callback_url, "webhook_version": "v1"}
        if sms.expires_in:
            message["ttl"] = max(MIN_TTL, min(int(sms.expires_in), MAX_TTL))
        headers = {"Authorization": f"Bearer {self._authorization()}", "Content-Type": "application/json"}
        answer = self._http.ask("POST", f"{self.base_url}/v1/messages", json.dumps(message), headers)
        found = _object(answer.data)
        if answer.status >= 400:
            raise _error(answer.status, answer.headers, found)
        id = found.get("message_uuid")
        if not isinstance(id, str) or not id:
            # 2xx with a body that cannot be read: most likely Vonage has the message.
            raise OutcomeUnknown("the answer names no message", code="no_message_uuid")
        return id

    def check_head(self, headers: Mapping[str, str], url: str) -> None:
        super().check_head(headers, url)
        self._claims(headers)

    def parse_receipts(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        super().check_head(headers, url)
        claims = self._claims(headers)
        digest = hashlib.sha256(body).hexdigest()
        if not hmac.compare_digest(digest.encode(), str(claims["payload_hash"]).lower().encode()):
            raise ReceiptRejected("the signature is that of another report")
        report = _object(body)
        reference = report.get("client_ref")
        if not isinstance(reference, str) or not reference:
            raise ReceiptRejected("the report names no message of ours")
        # The signature does not cover the address.
        if parse_qs(urlsplit(url).query).get("reference", [reference]) != [reference]:
            raise ReceiptRejected("the address names another message than the report")
        word = str(report.get("status", ""))
        return [
            Receipt(
                reference=reference,
                state=STATES.get(word, State.UNKNOWN),
                raw=word,
                provider_message_id=str(report.get("message_uuid", "")),
                error=_code(report.get("error")),
            )
        ]

    def _claims(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """What Vonage has signed: a token with the digest of the body and the time."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise ReceiptRejected("the report is not signed")
        try:
            claims: dict[str, Any] = jwt.decode(
                token.strip(),
                self._signature_secret,
                algorithms=["HS256"],
                options={"require": ["iat", "payload_hash"]},
                leeway=LEEWAY,
            )
            age = time.time() - float(claims["iat"])
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise ReceiptRejected("the signature is wrong") from None
        if not age <= MAX_AGE + LEEWAY:
            raise ReceiptRejected("the signature is too old")
        return claims

    def _authorization(self) -> str:
        """Our own token. One serves many messages, because an RSA signature takes longer than all
        the rest of a hand-off; two threads that renew it at once do no harm.
        """
        token, stop = self._token
        now = time.time()
        if now >= stop:
            claims = {
                "application_id": self._application_id,
                "iat": int(now),
                "exp": int(now) + TOKEN_VALID,
                "jti": str(uuid.uuid4()),
            }
            token = jwt.encode(claims, self._key, algorithm="RS256")
            self._token = token, now + TOKEN_USED
        return token


def _error(status: int, headers: Message, problem: Mapping[str, Any]) -> ProviderError:
    code = _code(problem) or str(status)
    if is_temporary(status) or code in TEMPORARY:
        return TemporaryFailure("Vonage cannot take it now", code=code, retry_after=retry_after(headers))
    if status in (401, 402, 403, 404) or code in ACCOUNT | COUNTRY or _blames_sender(problem):
        return AccountFailure("Vonage refuses us", code=code, here=code in COUNTRY)
    return PermanentFailure("Vonage refuses it", code=code)


def _code(problem: object) -> str:
    """The code at the end of a problem's type, as …/api-errors/messages#1120; title and detail may
    repeat the phone number.
    """
    type_ = problem.get("type") if isinstance(problem, dict) else None
    found = re.fullmatch(r"\S+#([a-z0-9-]{1,40})", type_) if isinstance(type_, str) else None
    return found[1] if found else ""


def _blames_sender(problem: Mapping[str, Any]) -> bool:
    named = problem.get("invalid_parameters")
    return isinstance(named, list) and any(isinstance(p, dict) and p.get("name") == "from" for p in named)


def _object(content: bytes) -> dict[str, Any]:
    """The JSON object that ``content`` is, empty if it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _private_key(alias: str, key: str) -> RSAPrivateKey:
    try:
        # Base64 of a PEM file always begins so; in a query its + reads as a blank.
        if key.startswith("LS0tLS1CRUdJTi"):
            pem = base64.b64decode(key.replace(" ", "+"), validate=True)
        else:
            pem = Path(key).read_bytes()
        found = load_pem_private_key(pem, None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, RSAPrivateKey):
        raise BadProviderURL(
            f"{alias}: key= must be the path of a readable PEM file that holds the application's RSA "
            "private key without a passphrase, or that file in base64 (base64 -w0 private.key)."
        )
    return found
