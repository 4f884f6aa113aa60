"""The settings of this package, each with its default, read from Django at the time of use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sms import declared
from sms.declared import Shape

DEFAULTS: dict[str, Any] = {
    # The alias of CACHES behind which codes and messages live; one of its own is best, see sms.checks.place.
    "OTPOST_CACHE": "default",
    # What stands before every key and queue; None: the KEY_PREFIX of that alias, if it has one.
    "OTPOST_NAMESPACE": None,
    # Fernet keys (32 bytes, url-safe base64). The first seals, all open.
    "SMS_SEAL_KEYS": [],
    # alias → provider URL, in the order in which they stand in the environment.
    "SMS_PROVIDERS": {},
    # country, +prefix or "default" → route; see sms.routing. Empty: all providers in their order.
    "SMS_ROUTES": {},
    # Countries, prefixes and kinds of numbers that SMS may go to or not; see sms.destinations.
    "SMS_DESTINATIONS": [],
    # When an alias is left out, and for how long; see sms.health.Breaker.
    "SMS_BREAKER": {},
    # Seconds that a code whose outcome is unknown waits for a receipt before the next alias.
    "SMS_RECEIPT_WAIT": 5.0,
    # queue → seconds that a message may have to wait before new ones are refused; 0: never refuse.
    # A number alone is that of the queue of codes.
    "SMS_LONGEST_WAIT": {"otp": 10.0, "bulk": 3600.0},
    # The address under which providers reach /v1/receipts; empty means: no receipts are asked for.
    "PUBLIC_URL": "",
    # ISO country that national numbers are read in; empty: international numbers only.
    "PHONE_REGION": "",
    # How long the record of a message (no text, no number) is kept, in hours.
    "MESSAGE_RECORD_HOURS": 72,
    # How long a message that is no code may wait for a provider, in seconds.
    "MESSAGE_LIFETIME": 24 * 3600,
}

#: Schemes of providers that send nothing, so cost nothing.
FREE = {"console", "memory", "sandbox", "file"}

declared.add(
    DEFAULTS,
    {
        "OTPOST_CACHE": Shape(str, "an alias of CACHES, such as otpost"),
        "SMS_PROVIDERS": Shape(Mapping, 'a dict such as {"main": "twilio://…"}', str),
        "SMS_ROUTES": Shape(Mapping, 'a dict such as {"default": "main>spare"}', str),
        "SMS_BREAKER": Shape(Mapping, 'a dict such as {"window": 30}'),
        "SMS_SEAL_KEYS": Shape((list, tuple), "a list of keys", (str, bytes)),
        "PUBLIC_URL": Shape(str, "a text such as https://verify.example.com"),
        "PHONE_REGION": Shape(str, "a country such as US, or nothing"),
    },
)

get = declared.get


def public_url_fault(url: str) -> str:
    """What is wrong with ``PUBLIC_URL``, and the mend; "" for nothing."""
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    more = right and (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    # A host in other letters is written as browsers and certificates have it (xn--…).
    if right and not more and re.fullmatch("[!-~]+", url):
        return ""
    return "PUBLIC_URL must look like https://verify.example.com, without a path, in ASCII."


def longest_wait() -> Mapping[str, float]:
    """``SMS_LONGEST_WAIT`` by queue, in seconds."""
    found = get("SMS_LONGEST_WAIT")
    waits: Mapping[str, float] = DEFAULTS["SMS_LONGEST_WAIT"]
    return {**waits, **(found if isinstance(found, Mapping) else {"otp": found})}
