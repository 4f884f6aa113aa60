"""``WEBHOOKS``: the receivers of events, each a name, a URL and options.

    shop=https://shop.example.com/hooks#secret=whsec_…&events=verification.*&events=message.failed

Options follow the #, a part of the URL that is never sent. These may be repeated: ``secret`` (two during a
rotation: both sign), ``events`` (default: all) and ``allow`` (``private``, ``loopback``, ``link-local``
addresses; ``http``). ``ssl_ca_certs`` (a file with the CA to trust) may be given once.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf, names
from sms.webhooks.addresses import KINDS

#: Events that may wait for one endpoint.
MOST_WAITING = 50_000

TYPES = (
    *("verification.verified", "verification.blocked", "verification.expired", "verification.cancelled"),
    *("message.sent", "message.delivered", "message.failed", "message.unknown", "message.received"),
    *("guard.refused", "provider.left_out", "provider.back"),
)

#: Values of ``allow``.
ALLOWABLE = (*KINDS, "http")

#: Bytes of a secret (the specification's "Signature scheme"), and how many different ones it needs at least.
SHORTEST, LONGEST, DIFFERENT = 24, 64, 8

_PREFIX = "whsec_"
_OPTIONS = ("secret", "events", "allow", "ssl_ca_certs")
_Wrong = Callable[[str], ImproperlyConfigured]
_NAME = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One receiver."""

    name: str
    url: str = field(repr=False)  # without options; its path may be as good as a password
    secrets: tuple[bytes, ...] = field(repr=False)
    events: frozenset[str]
    allow: frozenset[str] = frozenset()
    ssl_ca_certs: str = ""

    @property
    def origin(self) -> str:
        """Scheme and host, which may be shown."""
        found = urlsplit(self.url)
        return f"{found.scheme}://{found.netloc}"


@conf.cached
def configured() -> dict[str, Endpoint]:
    """The endpoints by name. Raises ``ImproperlyConfigured``, with nothing secret in its text."""
    return {name: _read(name, url) for name, url in conf.get("WEBHOOKS").items()}


@conf.cached
def in_lua() -> str:
    """``;type=endpoint`` for each event that an endpoint takes; "" without any. See includes/event.lua."""
    return "".join(
        f";{type}={name}"
        for name, endpoint in configured().items()
        for type in TYPES
        if type in endpoint.events
    )


def most_waiting() -> int:
    """How many events may wait for one endpoint in a cell, see includes/event.lua."""
    return MOST_WAITING // max(names.cell_counts())


#: What scripts know that write events.
FOR_LUA: dict[str, Any] = {"EVENTS": in_lua, "MOST_EVENTS": most_waiting}


def secret(text: str) -> bytes:
    """Decode ``whsec_…`` into a key. Raises ``ValueError``."""
    encoded = text.removeprefix(_PREFIX)
    if encoded == text:
        raise ValueError
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError from None
    if not SHORTEST <= len(key) <= LONGEST or len(set(key)) < DIFFERENT:
        raise ValueError
    return key


def _read(name: str, text: str) -> Endpoint:
    def wrong(what: str) -> ImproperlyConfigured:
        return ImproperlyConfigured(f"WEBHOOKS: {name} {what}")

    if not _NAME.fullmatch(name):
        raise ImproperlyConfigured("WEBHOOKS: a name has up to 64 letters, digits, - and _.")
    try:
        parts = urlsplit(text)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right or not re.fullmatch("[!-~]+", text):
        raise wrong("must look like https://example.com/hook#secret=whsec_…, in ASCII.")
    if "@" in parts.netloc:
        raise wrong("has a user in its URL, which is never sent. Remove it: the signature shows who we are.")
    options = _options(parts, wrong)
    if not 1 <= len(options["secret"]) <= 2:
        raise wrong(
            "needs one secret (#secret=whsec_…), or two during a rotation. "
            "`manage.py secrets WEBHOOK_SECRET` prints one."
        )
    try:
        secrets = tuple(map(secret, options["secret"]))
    except ValueError:
        raise wrong(
            f"has a secret that is not whsec_ and {SHORTEST} to {LONGEST} random bytes in base64. "
            "`manage.py secrets WEBHOOK_SECRET` prints one."
        ) from None
    allow = frozenset(options["allow"])
    if odd := sorted(allow.difference(ALLOWABLE)):
        raise wrong(f"has allow={odd[0]}. It may name {', '.join(ALLOWABLE)}.")
    if parts.scheme == "http" and not settings.DEBUG and "http" not in allow:
        raise wrong(
            "would be sent unencrypted. Write https://, or add &allow=http if the network is your own."
        )
    return Endpoint(
        name,
        parts._replace(fragment="").geturl(),
        secrets,
        frozenset(_events(options["events"], wrong)),
        allow,
        _ca(options["ssl_ca_certs"], wrong),
    )


def _options(parts: SplitResult, wrong: _Wrong) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {option: [] for option in _OPTIONS}
    for option in filter(None, parts.fragment.split("&")):
        word, _, value = option.partition("=")
        if word not in found:
            raise wrong(f"has an unknown option. After the #, use {', '.join(_OPTIONS)}.")
        found[word].append(unquote(value))
    return found


def _events(patterns: list[str], wrong: _Wrong) -> Iterator[str]:
    for pattern in patterns or ["*"]:
        begin = pattern.removesuffix("*")
        matched = [type for type in TYPES if type.startswith(begin)] if begin != pattern else []
        if begin not in ("", *(f"{type.partition('.')[0]}." for type in TYPES)) or not matched:
            matched = [type for type in TYPES if type == pattern]
        if not matched:
            raise wrong(f"has an unknown event. There are {', '.join(TYPES)}; message.* is a group.")
        yield from matched


def _ca(paths: list[str], wrong: _Wrong) -> str:
    if len(paths) > 1:
        raise wrong("has two ssl_ca_certs. Put both into one file.")
    for path in paths:
        try:
            ssl.create_default_context(cafile=Path(path))
        except (OSError, ssl.SSLError):
            raise wrong("has ssl_ca_certs with a file that cannot be read as PEM.") from None
    return "".join(paths)
