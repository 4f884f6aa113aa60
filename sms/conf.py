"""Every setting of ours, its default, and what it must be; read from Django at the time of use."""

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

#: What begins so is meant for us.
OURS = (
    *("SMS_", "OTP_", "OTPOST_", "GUARD_", "PHONE_", "METRICS_"),
    *("TEST_NUMBER", "MESSAGE_RECORD", "MESSAGE_LIFE", "WEBHOOKS"),
)

#: A text, or a lazy one of Django.
TEXT = (str, Promise)

#: Schemes of providers that send nothing, so cost nothing.
FREE = {"console", "memory", "sandbox", "file"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. Without a ``kind`` it is judged where it is read."""

    default: Any
    kind: _Types = ()
    words: str = ""  # what it must be, and an example
    parts: _Types = object  # what it holds

    def fits(self, value: Any) -> bool:
        if not self.kind:
            return True
        held = value.values() if isinstance(value, Mapping) else value
        return isinstance(value, self.kind) and all(isinstance(part, self.parts) for part in held)


#: By name; the packages above this one add theirs.
DECLARED = {
    # The alias of CACHES behind which codes and messages live; see sms.checks.place.
    "OTPOST_CACHE": Setting("default", str, "an alias of CACHES, such as otpost"),
    # How many replicas must hold a message before it is accepted; see sms.scripts. 0: the master alone.
    "OTPOST_COPIES": Setting(0),
    # What stands before every key and queue; None: the KEY_PREFIX of that alias, if it has one.
    "OTPOST_NAMESPACE": Setting(None),
    # Fernet keys (32 bytes, url-safe base64). The first seals, all open.
    "SMS_SEAL_KEYS": Setting([], (list, tuple), "a list of keys", (str, bytes)),
    # Secret of the digests of phones (and, in otp, of codes): at least 32 characters.
    "PHONE_SECRET_KEY": Setting("", str, "a text of at least 32 random characters"),
    # Other values of PHONE_SECRET_KEY that codes in flight may still have been made with.
    "PHONE_SECRET_KEY_FALLBACKS": Setting(
        [], (list, tuple), "a list of former values of PHONE_SECRET_KEY", str
    ),
    # Former values of PHONE_SECRET_KEY under which numbers have opted out; see sms.optouts.
    "SMS_OPTOUT_KEYS": Setting([], (list, tuple), "a list of former values of PHONE_SECRET_KEY", str),
    # What a user who sends HELP gets back; empty: nothing.
    "SMS_HELP": Setting("", TEXT, "a text"),
    # alias → provider URL, in the order in which they stand in the environment.
    "SMS_PROVIDERS": Setting({}, Mapping, 'a dict such as {"main": "twilio://…"}', str),
    # country, +prefix or "default" → route; see sms.routing. Empty: all providers in their order.
    "SMS_ROUTES": Setting({}, Mapping, 'a dict such as {"default": "main>spare"}', str),
    # Who decides where a route gives a choice: the weights, or what converts; see sms.learning.
    "SMS_ROUTING": Setting("weights"),
    # What an accepted code is worth, in the currency of the providers' price=; 0: prices do not count.
    "SMS_CODE_WORTH": Setting(0.0),
    # Countries, prefixes and kinds of numbers that SMS may go to or not; see sms.destinations.
    "SMS_DESTINATIONS": Setting([]),
    # When an alias is left out, and for how long; see sms.breaker.
    "SMS_BREAKER": Setting({}, Mapping, 'a dict such as {"window": 30}'),
    # Seconds that a code whose outcome is unknown waits for a receipt before the next alias.
    "SMS_RECEIPT_WAIT": Setting(5.0),
    # queue → seconds; a message that would have to wait longer than 85 % of them is refused; 0: never refuse.
    # A number alone is that of the queue of codes.
    "SMS_LONGEST_WAIT": Setting({"otp": 10.0, "bulk": 3600.0}),
    # Where users and providers reach us. Its host ends a code's SMS; empty: no receipts are asked for.
    "PUBLIC_URL": Setting("", str, "a text such as https://verify.example.com"),
    # Who has it may read /metrics, see sms.metrics_views; two, with a comma between, while it is changed.
    # Empty: nobody.
    "METRICS_TOKEN": Setting("", str, "a text of at least 32 random characters"),
    # ISO country that national numbers are read in; empty: international numbers only.
    "PHONE_REGION": Setting("", str, "a country such as US, or nothing"),
    # name → URL of who is told what happens; see sms.webhooks.endpoints.
    "WEBHOOKS": Setting({}, Mapping, 'a dict such as {"shop": "https://…#secret=whsec_…"}', str),
    # How long the record of a message (no text, no number) is kept, in hours.
    "MESSAGE_RECORD_HOURS": Setting(72),
    # How long a message that is no code may wait for a provider, in seconds.
    "MESSAGE_LIFETIME": Setting(24 * 3600),
}


def default(name: str) -> Any:
    return DECLARED[name].default


def cached(read: Callable[..., T]) -> functools._lru_cache_wrapper[T]:
    """Remember what ``read`` finds in settings, until a test changes one."""
    remembered = functools.cache(read)
    setting_changed.connect(lambda **_: remembered.cache_clear(), weak=False)
    return remembered


@cached  # a start asks twenty times, and Django takes a microsecond for each
def get(name: str) -> Any:
    """The setting ``name``, or its default; None for a text is none. Raises ``ImproperlyConfigured``."""
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
    """What is of a wrong type."""
    found = []
    for name in DECLARED:
        try:
            get(name)
        except ImproperlyConfigured as error:
            found.append(str(error))
    return found


def nearest(name: str, known: Collection[str]) -> str:
    """The one of ``known`` for which ``name`` seems misspelled, "" if there is none."""
    return next(iter(difflib.get_close_matches(name.upper().replace("-", "_"), known, 1, 0.85)), "")


def number(text: str) -> float:
    """The number in a part of a setting, NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


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


@cached  # a start asks for them ten times
def phone_secrets() -> tuple[bytes, ...]:
    """``PHONE_SECRET_KEY``, then its former values, with which codes in flight were made."""
    newest: str = get("PHONE_SECRET_KEY")
    return tuple(secret.encode() for secret in (newest, *get("PHONE_SECRET_KEY_FALLBACKS")))


def longest_wait() -> Mapping[str, float]:
    """``SMS_LONGEST_WAIT`` by queue, in seconds."""
    found = get("SMS_LONGEST_WAIT")
    return {**default("SMS_LONGEST_WAIT"), **(found if isinstance(found, Mapping) else {"otp": found})}
