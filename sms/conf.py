"""The settings of this package, each with its default, read from Django at the time of use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from sms import declared
from sms.declared import Setting

declared.add(
    {
        # The alias of CACHES behind which codes and messages live; see sms.checks.place.
        "OTPOST_CACHE": Setting("default", str, "an alias of CACHES, such as otpost"),
        # What stands before every key and queue; None: the KEY_PREFIX of that alias, if it has one.
        "OTPOST_NAMESPACE": Setting(None),
        # Fernet keys (32 bytes, url-safe base64). The first seals, all open.
        "SMS_SEAL_KEYS": Setting([], (list, tuple), "a list of keys", (str, bytes)),
        # alias → provider URL, in the order in which they stand in the environment.
        "SMS_PROVIDERS": Setting({}, Mapping, 'a dict such as {"main": "twilio://…"}', str),
        # country, +prefix or "default" → route; see sms.routing. Empty: all providers in their order.
        "SMS_ROUTES": Setting({}, Mapping, 'a dict such as {"default": "main>spare"}', str),
        # Countries, prefixes and kinds of numbers that SMS may go to or not; see sms.destinations.
        "SMS_DESTINATIONS": Setting([]),
        # When an alias is left out, and for how long; see sms.delivery.breaker.
        "SMS_BREAKER": Setting({}, Mapping, 'a dict such as {"window": 30}'),
        # Seconds that a code whose outcome is unknown waits for a receipt before the next alias.
        "SMS_RECEIPT_WAIT": Setting(5.0),
        # queue → seconds that a message may have to wait before new ones are refused; 0: never refuse.
        # A number alone is that of the queue of codes.
        "SMS_LONGEST_WAIT": Setting({"otp": 10.0, "bulk": 3600.0}),
        # Where users and providers reach us. Its host stands in the last line of a code's SMS; empty means
        # that no receipts are asked for.
        "PUBLIC_URL": Setting("", str, "a text such as https://verify.example.com"),
        # ISO country that national numbers are read in; empty: international numbers only.
        "PHONE_REGION": Setting("", str, "a country such as US, or nothing"),
        # How long the record of a message (no text, no number) is kept, in hours.
        "MESSAGE_RECORD_HOURS": Setting(72),
        # How long a message that is no code may wait for a provider, in seconds.
        "MESSAGE_LIFETIME": Setting(24 * 3600),
    }
)

get, default = declared.get, declared.default

#: Schemes of providers that send nothing, so cost nothing.
FREE = {"console", "memory", "sandbox", "file"}


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
    return {**default("SMS_LONGEST_WAIT"), **(found if isinstance(found, Mapping) else {"otp": found})}
