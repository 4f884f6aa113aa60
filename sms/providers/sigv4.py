"""AWS Signature Version 4, for POST requests with a body.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from sms.providers.exchange import place_of


class Credentials(NamedTuple):
    access_key: str
    secret_key: str
    session_token: str = ""  # of temporary keys


def signed(
    url: str, body: str, headers: Mapping[str, str], credentials: Credentials, *, region: str, service: str
) -> dict[str, str]:
    """``headers``, plus those that sign them, the body and the time. ``url`` must have no query."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time()))
    place = place_of(url)
    sent = {**headers, "X-Amz-Date": moment}
    if credentials.session_token:
        sent["X-Amz-Security-Token"] = credentials.session_token
    seen = sorted({name.lower(): value for name, value in {**sent, "Host": place.name}.items()}.items())
    names = ";".join(name for name, _ in seen)
    lines = [f"{name}:{' '.join(value.split())}" for name, value in seen]
    request = "\n".join(["POST", quote(place.target, "/~"), "", *lines, "", names, _sha256(body)])

    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{_sha256(request)}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    owner = f"Credential={credentials.access_key}/{scope}"
    sent["Authorization"] = f"AWS4-HMAC-SHA256 {owner}, SignedHeaders={names}, Signature={signature}"
    return sent


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
