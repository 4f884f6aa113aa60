"""The settings of this package, each with its default, read from Django at the time of use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

DEFAULTS: dict[str, Any] = {
    # The alias of CACHES behind which codes and messages live; one of its own is best, see sms.place_checks.
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

_Types = type[Any] | tuple[type[Any], ...]

#: The type of each, and of what it holds: in a project somebody may write them otherwise.
_SHAPES: dict[str, tuple[_Types, _Types, str]] = {
    "SMS_PROVIDERS": (Mapping, str, 'a dict such as {"main": "twilio://…"}'),
    "SMS_ROUTES": (Mapping, str, 'a dict such as {"default": "main>spare"}'),
    "SMS_BREAKER": (Mapping, object, 'a dict such as {"window": 30}'),
    "SMS_SEAL_KEYS": ((list, tuple), (str, bytes), "a list of keys"),
}


def get(name: str) -> Any:
    """The setting ``name``, or its default. Raises ``ImproperlyConfigured`` for one of a wrong type."""
    found = getattr(settings, name, DEFAULTS[name])
    if name in _SHAPES:
        whole, parts, example = _SHAPES[name]
        values = found.values() if isinstance(found, Mapping) else found
        if not isinstance(found, whole) or not all(isinstance(value, parts) for value in values):
            raise ImproperlyConfigured(f"{name} must be {example}.")
    return found


def longest_wait() -> Mapping[str, float]:
    """``SMS_LONGEST_WAIT`` by queue, in seconds."""
    found = get("SMS_LONGEST_WAIT")
    waits: Mapping[str, float] = DEFAULTS["SMS_LONGEST_WAIT"]
    return found if isinstance(found, Mapping) else {**waits, "otp": found}
