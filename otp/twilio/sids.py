"""Twilio's SIDs: two letters and 32 hex digits.

An id of ours has 128 bits, as 22 characters of url-safe base64; in a SID the same bits are written in hex.
What is configured has no id, so its SID is a digest of its name: the same everywhere, whatever the secrets.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

ACCOUNT, SERVICE, VERIFICATION, ATTEMPT = "AC", "VA", "VE", "VL"
RATE_LIMIT, BUCKET, TEMPLATE = "RK", "BL", "HJ"


def of_id(letters: str, id: str) -> str:
    """The SID that says an id of ours (see ``sms.ids``)."""
    return letters + urlsafe_b64decode(id + "==").hex()


def id_of(letters: str, sid: str) -> str:
    """The id that a SID says, "" if it is none that begins with ``letters``."""
    if not re.fullmatch(f"{letters}[0-9a-fA-F]{{32}}", sid, re.ASCII):
        return ""
    return urlsafe_b64encode(bytes.fromhex(sid[2:])).decode().rstrip("=")


def of_name(letters: str, *names: str) -> str:
    """The SID of what the settings call by these names."""
    return letters + hashlib.sha256("\0".join((letters, *names)).encode()).hexdigest()[:32]
