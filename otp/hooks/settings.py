"""``HOOKS``: the secrets with which other programs sign their calls.

    HOOKS=supabase=v1,whsec_…

Write the secret as Supabase shows it. While it is changed, write two with | between them.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from otp import conf
from sms.webhooks import endpoints

#: The programs that sign.
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
    """All secrets of each name. Raises ``ImproperlyConfigured``; its text holds no secret."""
    return {name: _read(name, text) for name, text in conf.get("HOOKS").items()}


def _read(name: str, text: str) -> tuple[bytes, ...]:
    if name not in NAMES:
        raise ImproperlyConfigured(f"HOOKS has an unknown name. Use {', '.join(NAMES)}.")
    secrets = text.split("|")
    try:
        if len(secrets) > 2:
            raise ValueError
        return tuple(endpoints.secret(secret.strip().removeprefix(_PREFIX)) for secret in secrets)
    except ValueError:
        raise ImproperlyConfigured(
            f"HOOKS: {name} needs the secret of the hook, as its console shows it ({_PREFIX}whsec_ and "
            f"{endpoints.SHORTEST} to {endpoints.LONGEST} random bytes in base64), or two with | between."
        ) from None
