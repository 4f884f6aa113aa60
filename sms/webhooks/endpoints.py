"""``WEBHOOKS``: the endpoints that receive events, with their URLs and options.

    shop=https://shop.example.com/hooks#secret=whsec_…&events=verification.*&events=message.failed

The options follow the #, a part of the URL that no server sees:

- ``secret``: give two to rotate it. Both then sign.
- ``events``: the default is all. May be repeated.
- ``allow``: ``private``, ``loopback`` or ``link-local`` IP addresses, or ``http``. May be repeated.
- ``ssl_ca_certs``: a file with the CA to trust.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf
from sms.webhooks.addresses import KINDS

TYPES = (
    *("verification.verified", "verification.blocked", "verification.expired", "verification.cancelled"),
    *("message.sent", "message.delivered", "message.failed", "message.unknown", "message.received"),
    *("guard.refused", "provider.left_out", "provider.back"),
)

#: Values of ``allow``.
ALLOWABLE = (*KINDS, "http")

#: Bytes of a secret (the specification's "Signature scheme"), and how many of them must differ.
SHORTEST, LONGEST, DIFFERENT = 24, 64, 8

_PREFIX = "whsec_"
_OPTIONS = ("secret", "events", "allow", "ssl_ca_certs")
_Wrong = Callable[[str], ImproperlyConfigured]
_NAME = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One receiver."""

    name: str
    url: str = field(repr=False)  # without our options; its path may be a secret
    secrets: tuple[bytes, ...] = field(repr=False)
    events: frozenset[str]
    allow: frozenset[str] = frozenset()
    ssl_ca_certs: str = ""

    @property
    def origin(self) -> str:
        """The origin of the URL, which may be shown."""
        found = urlsplit(self.url)
        return f"{found.scheme}://{found.netloc}"


@conf.cached
def configured() -> dict[str, Endpoint]:
    """The endpoints by name. Raises ``ImproperlyConfigured``, whose text holds no secret."""
    return {name: _read(name, url) for name, url in conf.get("WEBHOOKS").items()}


@conf.cached
def in_lua() -> str:
    """``;type=endpoint`` for each event that an endpoint takes, "" for none: see includes/event.lua."""
    return "".join(
        f";{type}={name}"
        for name, endpoint in configured().items()
        for type in TYPES
        if type in endpoint.events
    )


def secret(text: str) -> bytes:
    """The key in ``whsec_…``. Raises ``ValueError``."""
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
        raise wrong("has a user in its URL, which is not sent. Leave it out: the signature authenticates us.")
    options = _options(parts, wrong)
    if not 1 <= len(options["secret"]) <= 2:
        raise wrong(
            "needs one secret (#secret=whsec_…), or two to rotate it. "
            "`manage.py secrets WEBHOOK_SECRET` prints one."
        )
    try:
        secrets = tuple(map(secret, options["secret"]))
    except ValueError:
        raise wrong(
            f"has a malformed secret. Write whsec_ and {SHORTEST} to {LONGEST} random bytes in base64. "
            "`manage.py secrets WEBHOOK_SECRET` prints one."
        ) from None
    allow = frozenset(options["allow"])
    if odd := sorted(allow.difference(ALLOWABLE)):
        raise wrong(f"has allow={odd[0]}. It takes {', '.join(ALLOWABLE)}.")
    if parts.scheme == "http" and not settings.DEBUG and "http" not in allow:
        raise wrong("is sent in clear. Write https://, or &allow=http if the network is your own.")
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
            raise wrong(f"has an unknown option. After the #, it takes {', '.join(_OPTIONS)}.")
        found[word].append(unquote(value))
    return found


def _events(patterns: list[str], wrong: _Wrong) -> Iterator[str]:
    for pattern in patterns or ["*"]:
        begin = pattern.removesuffix("*")
        matched = [type for type in TYPES if type.startswith(begin)] if begin != pattern else []
        if begin not in ("", *(f"{type.partition('.')[0]}." for type in TYPES)) or not matched:
            matched = [type for type in TYPES if type == pattern]
        if not matched:
            raise wrong(f"has an unknown event. There are {', '.join(TYPES)}, and groups such as message.*.")
        yield from matched


def _ca(paths: list[str], wrong: _Wrong) -> str:
    if len(paths) > 1:
        raise wrong("has ssl_ca_certs twice. Put both CAs into one file.")
    for path in paths:
        try:
            ssl.create_default_context(cafile=Path(path))
        except (OSError, ssl.SSLError):
            raise wrong("has an ssl_ca_certs file that is not readable PEM.") from None
    return "".join(paths)
