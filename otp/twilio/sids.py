"""Twilio's SIDs: two letters and 32 hex digits.

Our ids have 128 bits, written as 22 characters of url-safe base64. A SID has the same bits in hex. Settings
have no id, so their SIDs are digests of their names, the same in every installation.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

ACCOUNT, SERVICE, VERIFICATION, ATTEMPT = "AC", "VA", "VE", "VL"
RATE_LIMIT, BUCKET, TEMPLATE = "RK", "BL", "HJ"


def of_id(letters: str, id: str) -> str:
    """The SID for an id of ours (see ``sms.ids``)."""
    return letters + urlsafe_b64decode(id + "==").hex()


def id_of(letters: str, sid: str) -> str:
    """The id in a SID, "" if it is malformed or does not begin with ``letters``."""
    if not re.fullmatch(f"{letters}[0-9a-fA-F]{{32}}", sid, re.ASCII):
        return ""
    return urlsafe_b64encode(bytes.fromhex(sid[2:])).decode().rstrip("=")


def of_name(letters: str, *names: str) -> str:
    """The SID of something that the settings name."""
    return letters + hashlib.sha256("\0".join((letters, *names)).encode()).hexdigest()[:32]
