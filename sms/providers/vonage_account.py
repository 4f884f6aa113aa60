"""Shared by Vonage's products: an application's key and tokens, error codes, the signature of callbacks.

Sources: developer.vonage.com/en/getting-started/concepts/authentication (token), …/en/api-errors (problems),
…/en/getting-started/concepts/webhooks (signature).
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sms.errors import ReceiptRejected
from sms.providers.callbacks import require_recent, same
from sms.providers.url import BadProviderURL
from sms.providers.vendor import VendorProvider
from sms.providers.wire import at, parse

#: Seconds: for how long we use one of our tokens, and for how long it is valid.
TOKEN_USED, TOKEN_VALID = 300, 900

#: Seconds: the age at which a signed callback is refused, and the difference between clocks.
MAX_AGE, LEEWAY = 600, 60


class VonageAccount(VendorProvider):
    """A product of Vonage's that an application uses."""

    url_names: ClassVar = {"user": "application_id", **VendorProvider.url_names}
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
        if not sender or sender.startswith(" "):
            raise BadProviderURL(f"{alias}: from= must be a number or a sender ID. Write its + as %2B.")
        super().__init__(alias, "https://api.nexmo.com", sender=sender, **common)
        self.takes_receipts = bool(signature_secret)
        self._signature_secret = signature_secret
        self._application_id = application_id
        self._key = _private_key(alias, key)
        self._headers: tuple[dict[str, str], float] = {}, 0.0  # and when to stop using them

    def word_in(self, found: Any) -> str:
        """The code at the end of a problem's type, such as …/api-errors/messages#1120. Title and detail may
        repeat the phone number.
        """
        code = re.fullmatch(r"\S+#([a-z0-9-]{1,40})", str(at(found, "type")))
        return code[1] if code else ""

    def signed(self) -> Mapping[str, str]:
        """The headers with a token of ours.

        A token serves many messages, because an RSA signature takes longer than the rest of a hand-off. Two
        threads may renew it at the same time, which does no harm.
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

    def read_head(self, headers: Mapping[str, str], url: str) -> dict[str, Any]:
        """The claims of the signed token: the digest of the body, and the time."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise ReceiptRejected("the callback is not signed")
        try:
            claims: dict[str, Any] = jwt.decode(
                token.strip(),
                self._signature_secret,
                algorithms=["HS256"],
                options={"require": ["iat", "payload_hash"]},
                leeway=LEEWAY,
            )
            require_recent(claims["iat"], LEEWAY, MAX_AGE)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise ReceiptRejected("the signature is wrong") from None
        return claims


def signed_by(head: Mapping[str, Any], body: bytes) -> Any:
    """The parsed body, if it is the one that was signed. Raises ``ReceiptRejected``."""
    if not same(str(head["payload_hash"]).lower(), hashlib.sha256(body).hexdigest()):
        raise ReceiptRejected("the signature is for another body")
    return parse(body)


def _private_key(alias: str, key: str) -> RSAPrivateKey:
    try:
        # The base64 of a PEM file always begins like this. In a query, its + reads as a space.
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
