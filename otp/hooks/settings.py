"""``HOOKS``: the secrets with which other programs sign what they hand over.

    HOOKS=supabase=v1,whsec_…

The secret stands as Supabase shows it. Two, with | between them, hold while it is being changed.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from otp import conf
from sms.webhooks import endpoints

#: Who signs.
NAMES = ("supabase",)

EXAMPLE = "supabase=v1,whsec_…"

_PREFIX = "v1,"


def parse(text: str) -> dict[str, str]:
    """``name=secret;name=secret`` → {name: secret}. Raises ``ImproperlyConfigured``."""
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, separator, secrets = entry.partition("=")
        if not separator or not name or name in found:
            raise ImproperlyConfigured(f"HOOKS must look like {EXAMPLE}, with ; between two names.")
        found[name] = secrets
    return found


@conf.cached
def configured() -> dict[str, tuple[bytes, ...]]:
    """The secrets of each name, newest or not. Raises ``ImproperlyConfigured``, without a secret."""
    return {name: _read(name, text) for name, text in conf.get("HOOKS").items()}


def _read(name: str, text: str) -> tuple[bytes, ...]:
    if name not in NAMES:
        raise ImproperlyConfigured(f"HOOKS has a name that does not exist. There is {', '.join(NAMES)}.")
    secrets = text.split("|")
    try:
        if len(secrets) > 2:
            raise ValueError
        return tuple(endpoints.secret(secret.strip().removeprefix(_PREFIX)) for secret in secrets)
    except ValueError:
        raise ImproperlyConfigured(
            f"HOOKS: {name} needs the secret that it signs with, as it shows it ({_PREFIX}whsec_ and "
            f"{endpoints.SHORTEST} to {endpoints.LONGEST} random bytes in base64), or two with | between."
        ) from None
