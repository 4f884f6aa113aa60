"""Check signatures after Standard Webhooks.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Webhook headers" and
"Signature scheme".
"""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence

#: Seconds by which the timestamp of a call may differ from our clock.
TOLERANCE = 300


def is_genuine(headers: Mapping[str, str], read: Callable[[], bytes], secrets: Sequence[bytes]) -> bool:
    """Whether one of ``secrets`` signed this call a moment ago. It takes the same time for each of them.

    ``read``: returns the body. It is not called if the headers already show that the call is not genuine.
    """
    id, at, signatures = (headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    if (
        not id
        or not signatures
        or not re.fullmatch(r"\d{1,12}", at, re.ASCII)
        or abs(time.time() - int(at)) > TOLERANCE
    ):
        return False
    # The specification puts spaces between signatures; Supabase adds commas.
    given = [word.rstrip(",").encode() for word in signatures.split()]
    content = f"{id}.{at}.".encode(errors="surrogateescape") + read()
    expected = [b"v1," + base64.b64encode(hmac.digest(secret, content, "sha256")) for secret in secrets]
    return sum(hmac.compare_digest(one, right) for one in given for right in expected) > 0
