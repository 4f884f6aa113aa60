"""``vonage://APPLICATION_ID@?key=/run/secrets/vonage.pem&from=Shop&signature_secret=SECRET``: Vonage's
Messages API.

Options: ``key``, the application's private key: the path of its PEM file, or the file in base64
(``base64 -w0 private.key``); ``from`` (number or sender ID); ``signature_secret``, the account's, with
which Vonage signs its receipts: without it none are asked for and none believed; ``timeout``;
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
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sms.errors import ReceiptRejected
from sms.message import Receipt
from sms.providers.base import BadProviderURL, Sms
from sms.providers.vendor import Outcome, Request, VendorProvider, outcome_table, state_table
from sms.providers.wire import at, parse

#: What codes mean that their HTTP status does not tell.
CODES = outcome_table(
    # 1000 too many requests, 1030 trouble at Vonage, 1100 the message could not be submitted.
    temporary="1000 1030 1100",
    # 1060 account barred, 1070 no credit, 1080 not enabled for this API, 1110
    # signature, 1140 facility not enabled, 1420 not a sender for SMS.
    account="1060 1070 1080 1110 1140 1420 low-balance account-suspended",
    # 1120 and 1481 a sender ID that local rules do not allow, 1160 a trial account, which sends to listed
    # numbers only, 1470 a prefix that is blocked.
    country="1120 1160 1470 1481",
)

#: Seconds that Vonage tries to deliver; the ends of the range which its SMS service takes.
MIN_TTL, MAX_TTL = 20, 604_800

#: Seconds after which a signed receipt is no longer believed, and those by which clocks may differ.
MAX_AGE, LEEWAY = 600, 60

#: Seconds that one of our own tokens is used, and those that it is valid for.
TOKEN_USED, TOKEN_VALID = 300, 900


class VonageProvider(VendorProvider):
    scheme = "vonage"
    name = "Vonage"
    url_names: ClassVar = {"user": "application_id", **VendorProvider.url_names}
    receipt_option = "signature_secret"
    outcomes = CODES
    account_statuses: ClassVar = frozenset({401, 402, 403, 404})
    id_path = "message_uuid"
    states = state_table(sent="submitted", delivered="delivered read", failed="rejected undeliverable")

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
        if not sender or sender.startswith(" "):
            raise BadProviderURL(f"{alias}: from= must hold a number or a sender ID; write its + as %2B.")
        super().__init__(alias, "https://api.nexmo.com", sender=sender, **common)
        self.takes_receipts = bool(signature_secret)
        self._application_id = application_id
        self._signature_secret = signature_secret
        self._key = _private_key(alias, key)
        self._url = f"{self.base_url}/v1/messages"
        self._headers: tuple[dict[str, str], float] = {}, 0.0  # and when to stop using them

    def build(self, sms: Sms) -> Request:
        message: dict[str, Any] = {
            "channel": "sms",
            "message_type": "text",
            "to": sms.to.removeprefix("+"),
            "from": (sms.sender or self.sender).removeprefix("+"),
            "text": sms.body,
            "client_ref": sms.id,
        }
        if sms.callback_url and self.takes_receipts:
            message |= {"webhook_url": sms.callback_url, "webhook_version": "v1"}
        if sms.expires_in:
            message["ttl"] = max(MIN_TTL, min(int(sms.expires_in), MAX_TTL))
        return Request(self._url, json.dumps(message), self._signed())

    def word_in(self, found: Any) -> str:
        """The code at the end of a problem's type, as …/api-errors/messages#1120; title and detail may
        repeat the phone number.
        """
        code = re.fullmatch(r"\S+#([a-z0-9-]{1,40})", str(at(found, "type")))
        return code[1] if code else ""

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        meaning = super().outcome(status, word, found)
        wrong = at(found, "invalid_parameters")
        blames_sender = isinstance(wrong, list) and any(at(each, "name") == "from" for each in wrong)
        return "account" if meaning == "refused" and blames_sender else meaning

    def read_receipts(self, head: Mapping[str, Any], body: bytes, url: str) -> list[Receipt]:
        digest = hashlib.sha256(body).hexdigest()
        if not hmac.compare_digest(digest.encode(), str(head["payload_hash"]).lower().encode()):
            raise ReceiptRejected("the signature is that of another receipt")
        receipt = parse(body)
        reference = at(receipt, "client_ref")
        if not isinstance(reference, str) or not reference:
            raise ReceiptRejected("the receipt names no message of ours")
        # The signature does not cover the address.
        if parse_qs(urlsplit(url).query).get("reference", [reference]) != [reference]:
            raise ReceiptRejected("the address names another message than the receipt")
        word, id = str(receipt.get("status", "")), str(receipt.get("message_uuid", ""))
        return [self.receipt(reference, word, id=id, error=self.word_in(receipt.get("error")))]

    def read_head(self, headers: Mapping[str, str], url: str) -> dict[str, Any]:
        """What Vonage has signed: a token with the digest of the body and the time."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise ReceiptRejected("the receipt is not signed")
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

    def _signed(self) -> Mapping[str, str]:
        """The headers, with a token of our own. One serves many messages, because an RSA signature takes
        longer than all the rest of a hand-off; two threads that renew it at once do no harm.
        """
        headers, stop = self._headers
        now = time.time()
        if now >= stop:
            claims = {
                "application_id": self._application_id,
                "iat": int(now),
                "exp": int(now) + TOKEN_VALID,
                "jti": str(uuid.uuid4()),
            }
            token = jwt.encode(claims, self._key, algorithm="RS256")
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            self._headers = headers, now + TOKEN_USED
        return headers


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
