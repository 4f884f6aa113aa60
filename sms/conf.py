"""All settings of Otpost with their defaults and types. They are read from Django when used."""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.functional import Promise

T = TypeVar("T")
_Types = type[Any] | tuple[type[Any], ...]

#: Settings with these prefixes are meant for Otpost.
OURS = (
    *("SMS_", "OTP_", "OTPOST_", "GUARD_", "PHONE_", "METRICS_"),
    *("TEST_NUMBER", "MESSAGE_RECORD", "MESSAGE_LIFE", "WEBHOOKS", "REDIS_CELLS"),
)

#: A text, or a lazy text of Django.
TEXT = (str, Promise)

#: Schemes of providers that send nothing and so cost nothing.
FREE = {"console", "memory", "sandbox", "file"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. Without a ``kind``, the code that reads it checks it."""

    default: Any
    kind: _Types = ()
    words: str = ""  # its type in words, with an example
    parts: _Types = object  # the type of its items

    def fits(self, value: Any) -> bool:
        if not self.kind:
            return True
        held = value.values() if isinstance(value, Mapping) else value
        return isinstance(value, self.kind) and all(isinstance(part, self.parts) for part in held)


#: All settings by name. The packages above this one add theirs.
DECLARED = {
    # The alias in CACHES of the Redis that holds codes and messages; see sms.checks.place. A list of
    # aliases: several servers, over which the cells are spread.
    "OTPOST_CACHE": Setting(
        "default", (str, list, tuple), "an alias of CACHES such as otpost, or a list of them", str
    ),
    # In how many cells the keys of phones are, and the former number; see sms.cells.
    "REDIS_CELLS": Setting(1),
    "REDIS_CELLS_BEFORE": Setting(0),
    # How many replicas must hold a message before it is accepted; see sms.scripts. 0: only the master.
    "OTPOST_COPIES": Setting(0),
    # The prefix of every key and queue. None: the KEY_PREFIX of the first alias in
    # OTPOST_CACHE, if it has one.
    "OTPOST_NAMESPACE": Setting(None),
    # Fernet keys (32 bytes, url-safe base64). The first seals; all of them open.
    "SMS_SEAL_KEYS": Setting([], (list, tuple), "a list of keys", (str, bytes)),
    # The secret for digests of phone numbers, and in otp also of codes. At least 32 characters.
    "PHONE_SECRET_KEY": Setting("", str, "a text of at least 32 random characters"),
    # Former values of PHONE_SECRET_KEY that live codes may still depend on.
    "PHONE_SECRET_KEY_FALLBACKS": Setting(
        [], (list, tuple), "a list of former values of PHONE_SECRET_KEY", str
    ),
    # Former values of PHONE_SECRET_KEY under which numbers have opted out; see sms.optouts.
    "SMS_OPTOUT_KEYS": Setting([], (list, tuple), "a list of former values of PHONE_SECRET_KEY", str),
    # The answer to a user who sends HELP; empty: none.
    "SMS_HELP": Setting("", TEXT, "a text"),
    # alias → provider URL, in the order of the environment variable.
    "SMS_PROVIDERS": Setting({}, Mapping, 'a dict such as {"main": "twilio://…"}', str),
    # country, +prefix or "default" → route; see sms.routing. Empty: all providers in their order.
    "SMS_ROUTES": Setting({}, Mapping, 'a dict such as {"default": "main>spare"}', str),
    # How to decide if a route offers a choice: the weights, or the conversion; see sms.learning.
    "SMS_ROUTING": Setting("weights"),
    # The worth of an accepted code, in the currency of the providers' price=; 0: prices do not count.
    "SMS_CODE_WORTH": Setting(0.0),
    # Countries, prefixes and kinds of numbers that are allowed or denied; see sms.destinations.
    "SMS_DESTINATIONS": Setting([]),
    # When an alias is left out, and for how long; see sms.breaker.
    "SMS_BREAKER": Setting({}, Mapping, 'a dict such as {"window": 30}'),
    # Seconds that a code with an unknown outcome waits for a receipt before it goes to the next alias.
    "SMS_RECEIPT_WAIT": Setting(5.0),
    # queue → seconds. Otpost refuses a message that would wait longer than 85 % of them; 0: never refuse.
    # A single number is for the queue of codes.
    "SMS_LONGEST_WAIT": Setting({"otp": 10.0, "bulk": 3600.0}),
    # The URL at which users and providers reach us. Its host is in the last line of an SMS with a code.
    # Empty: no receipts.
    "PUBLIC_URL": Setting("", str, "a text such as https://verify.example.com"),
    # The token for /metrics; see sms.metrics_views. Two, separated by a comma, while you change it. Empty:
    # /metrics is closed.
    "METRICS_TOKEN": Setting("", str, "a text of at least 32 random characters"),
    # The ISO country of national numbers; empty: only international numbers are accepted.
    "PHONE_REGION": Setting("", str, "a country such as US, or nothing"),
    # name → URL that receives events; see sms.webhooks.endpoints.
    "WEBHOOKS": Setting({}, Mapping, 'a dict such as {"shop": "https://…#secret=whsec_…"}', str),
    # Hours for which the record of a message (no text, no number) is kept.
    "MESSAGE_RECORD_HOURS": Setting(72),
    # Seconds that a message without a code may wait for a provider.
    "MESSAGE_LIFETIME": Setting(24 * 3600),
}


def default(name: str) -> Any:
    return DECLARED[name].default


def cached(read: Callable[..., T]) -> functools._lru_cache_wrapper[T]:
    """Cache what ``read`` finds in settings, until a test changes a setting."""
    remembered = functools.cache(read)
    setting_changed.connect(lambda **_: remembered.cache_clear(), weak=False)
    return remembered


@cached  # each start reads about twenty, and Django takes a microsecond for each
def get(name: str) -> Any:
    """The setting ``name``, or its default. None for a text counts as "". Raises ``ImproperlyConfigured``."""
    setting = DECLARED[name]
    found = getattr(settings, name, setting.default)
    if found is None and setting.default == "":
        return ""
    if not setting.fits(found):
        raise ImproperlyConfigured(f"{name} must be {setting.words}.")
    return found


def metrics_tokens() -> list[str]:
    """The parts of ``METRICS_TOKEN``."""
    return [token.strip() for token in get("METRICS_TOKEN").split(",") if token.strip()]


def faults() -> list[str]:
    """A text for each setting of a wrong type."""
    found = []
    for name in DECLARED:
        try:
            get(name)
        except ImproperlyConfigured as error:
            found.append(str(error))
    return found


def nearest(name: str, known: Collection[str]) -> str:
    """The name in ``known`` of which ``name`` seems to be a misspelling, "" if there is none."""
    return next(iter(difflib.get_close_matches(name.upper().replace("-", "_"), known, 1, 0.85)), "")


def number(text: str) -> float:
    """A part of a setting as a number, NaN if it is not one."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def public_url_fault(url: str) -> str:
    """The fault of ``PUBLIC_URL`` and its fix, "" if it is good."""
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    more = right and (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    # A host name in other scripts must be written as browsers and certificates have it (xn--…).
    if right and not more and re.fullmatch("[!-~]+", url):
        return ""
    return "PUBLIC_URL must look like https://verify.example.com, without a path, in ASCII."


@cached  # each start reads them ten times
def phone_secrets() -> tuple[bytes, ...]:
    """``PHONE_SECRET_KEY``, then its former values, on which live codes may still depend."""
    newest: str = get("PHONE_SECRET_KEY")
    return tuple(secret.encode() for secret in (newest, *get("PHONE_SECRET_KEY_FALLBACKS")))


def longest_wait() -> Mapping[str, float]:
    """``SMS_LONGEST_WAIT`` by queue, in seconds."""
    found = get("SMS_LONGEST_WAIT")
    return {**default("SMS_LONGEST_WAIT"), **(found if isinstance(found, Mapping) else {"otp": found})}
