"""``camara://CLIENT:SECRET@HOST/PATH?sim_swap=72h&token_url=https://…``: an operator's CAMARA APIs.

HOST/PATH is the API root that the operator names. The APIs are at ``https://HOST/PATH/sim-swap/v2`` and
``…/number-verification/v2``.

Options, besides ``sim_swap``, ``countries``, ``per_day``, ``base_url`` and ``ssl_ca_certs``:

    token_url                 where to get the access token
    key, key_id               instead of a secret: a PEM file with a private key, and its ``kid``
    scope                     of the token, as the operator defines it
    version                   of the APIs, as in their URLs
    number_verification=yes   see ``otp.lookups.number_verification``

The token is 2-legged, by OAuth 2.0 client credentials, and the request names the number. An operator who
requires 3-legged tokens answers 422 UNNECESSARY_IDENTIFIER or refuses the grant.

Sources: camaraproject/SimSwap (sim-swap.yaml 2.1.0, r3.3), camaraproject/NumberVerification
(number-verification.yaml 2.1.0, r3.2), camaraproject/IdentityAndConsentManagement
(CAMARA-Security-Interoperability.md: client credentials, ``private_key_jwt``, a purpose in the scope).
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from otp.lookups.base import NOT_SWAPPED, SIM_SWAP, SWAPPED, UNKNOWN, Failed, Lookup
from sms import ids
from sms.providers.exchange import Answer, is_address
from sms.providers.url import BadProviderURL, is_yes
from sms.providers.wire import at, basic, parse, word_of

#: CAMARA requires exactly one purpose of W3C's Data Privacy Vocabulary, and the scope of the API.
SCOPE = "dpv:FraudPreventionAndDetection sim-swap:check"

#: Error codes by which an operator says that it knows nothing about a number.
UNKNOWNS = {(404, "NOT_FOUND"), (404, "IDENTIFIER_NOT_FOUND"), (422, "SERVICE_NOT_APPLICABLE")}

#: Seconds: the life of a token without ``expires_in``, and how long before its expiry any token is renewed.
TOKEN_LIFE, TOKEN_MARGIN = 300.0, 30.0

#: Seconds that a client assertion is valid; CAMARA allows 300.
ASSERTION_LIFE = 60

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: A bearer token (RFC 6750, 2.1) that is short enough for a header.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,4000}=*", re.ASCII)


class CamaraLookup(Lookup):
    scheme = "camara"
    name = "CAMARA"
    word_path = "code"
    url_names: ClassVar = {"user": "client", "password": "secret"}

    def __init__(
        self,
        alias: str,
        *,
        client: str = "",
        secret: str = "",
        host: str = "",
        path: str = "",
        token_url: str = "",
        key: str = "",
        key_id: str = "",
        scope: str = SCOPE,
        version: str = "v2",
        number_verification: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, f"https://{host}{path}", **common)
        self.verifies = is_yes(alias, "number_verification", number_verification)
        if not self.hours and not self.verifies:
            raise BadProviderURL(f"{alias}: say what to ask: sim_swap=72h, or number_verification=yes.")
        if self.hours and not (client and bool(secret) != bool(key) and is_address(token_url)):
            raise BadProviderURL(
                f"{alias}: sim_swap= needs camara://CLIENT:SECRET@HOST, or camara://CLIENT@HOST and key=, "
                "and token_url=https://… of the operator, without a query."
            )
        if not re.fullmatch(r"v[0-9a-z.]{1,20}", version, re.ASCII):
            raise BadProviderURL(f"{alias}: version= must be as in the operator's URLs, such as v2.")
        self._client, self._secret, self._token_url, self._scope = client, secret, token_url, scope
        self._signer = _read_key(alias, key) if key else None
        self._key_id = key_id
        self._sim_swap = f"{self.base_url}/sim-swap/{version}/check"
        self._verify = f"{self.base_url}/number-verification/{version}/verify"
        self._token, self._token_until = "", 0.0
        self._renewing, self._tries = threading.Lock(), 0

    def ask(self, e164: str, questions: Collection[str]) -> Mapping[str, str]:
        body = {"phoneNumber": e164, "maxAge": self.hours}
        token = self._fresh_token()
        answer = self._post(self._sim_swap, body, token)
        if answer.status == 401:  # revoked before it expired
            answer = self._post(self._sim_swap, body, self._fresh_token(instead_of=token))
        found = parse(answer.data)
        if (answer.status, word_of(at(found, "code"))) in UNKNOWNS:
            return {SIM_SWAP: UNKNOWN}
        if answer.status != 200:
            raise self.failure(answer)
        swapped = at(found, "swapped")
        if not isinstance(swapped, bool):
            raise Failed("unreadable")
        return {SIM_SWAP: SWAPPED if swapped else NOT_SWAPPED}

    def is_number_of(self, token: str, e164: str) -> bool:
        """Whether the SIM for which the operator issued this 3-legged access token has this number.

        False for a token that is used up, expired, of another scope or not of a mobile connection. Raises
        what ``ask`` raises.
        """
        if not _TOKEN.fullmatch(token):
            return False
        answer = self._post(self._verify, {"phoneNumber": e164}, token)
        if answer.status in (401, 403):
            return False
        verified = at(parse(answer.data), "devicePhoneNumberVerified")
        if answer.status != 200:
            raise self.failure(answer)
        if not isinstance(verified, bool):
            raise Failed("unreadable")
        return verified

    def _post(self, url: str, body: Mapping[str, Any], token: str) -> Answer:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        return self._http.ask("POST", url, json.dumps(body), headers)

    def _fresh_token(self, instead_of: str = "") -> str:
        """The access token, shared by all threads and renewed shortly before it expires."""
        tries = self._tries
        with self._renewing:  # others wait for the same token, or the same failure
            if self._token == instead_of or time.monotonic() >= self._token_until:
                if self._tries != tries:
                    raise Failed("token")
                self._tries += 1
                self._token, self._token_until = self._fetch_token()
            return self._token

    def _fetch_token(self) -> tuple[str, float]:
        form = {"grant_type": "client_credentials", "scope": self._scope}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._signer is None:
            # RFC 6749, 2.3.1: form-encode both first.
            headers["Authorization"] = basic(quote(self._client, safe=""), quote(self._secret, safe=""))
        else:
            form |= {"client_assertion_type": _ASSERTION, "client_assertion": self._assertion(*self._signer)}
        begun = time.monotonic()
        answer = self._http.ask("POST", self._token_url, urlencode(form), headers)
        found = parse(answer.data)
        token, life = at(found, "access_token"), at(found, "expires_in")
        if answer.status != 200 or not isinstance(token, str) or not _TOKEN.fullmatch(token):
            word = word_of(at(found, "error"))  # RFC 6749, 5.2
            raise Failed(
                f"token {answer.status} {word if re.fullmatch('[a-z_]{1,40}', word) else ''}".strip()
            )
        seconds = float(life) if isinstance(life, int | float) and life > 0 else TOKEN_LIFE
        return token, begun + max(seconds - TOKEN_MARGIN, seconds / 2)

    def _assertion(self, key: Any, algorithm: str) -> str:
        now = int(time.time())
        about = {"iss": self._client, "sub": self._client, "aud": self._token_url, "jti": ids.new()}
        claims: dict[str, Any] = {**about, "iat": now, "exp": now + ASSERTION_LIFE}
        headers = {"kid": self._key_id} if self._key_id else None
        return jwt.encode(claims, key, algorithm, headers)


def _read_key(alias: str, path: str) -> tuple[Any, str]:
    """Read a private key from a PEM file. Returns it and its algorithm. Raises ``BadProviderURL``."""
    try:
        key = load_pem_private_key(Path(path).read_bytes(), None)
    except (OSError, ValueError, TypeError):
        key = None
    if isinstance(key, rsa.RSAPrivateKey):
        return key, "RS256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key, "ES256"
    raise BadProviderURL(
        f"{alias}: key= must name a PEM file with a private key without a passphrase, RSA or EC P-256."
    )
