"""The setting ``MAILERS`` from ``EMAIL_URL``."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from sms.masked import Masked

#: By scheme: the option that turns on TLS, and the default port.
_SCHEMES: dict[str, tuple[str, int]] = {
    "smtp": ("", 25),
    "smtp+tls": ("use_tls", 587),
    "smtps": ("use_ssl", 465),
}


def mailers(url: str) -> dict[str, Any]:
    """``MAILERS`` with an SMTP server as the default; {} for "". Raises ``ImproperlyConfigured``."""
    if not url:
        return {}
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _wrong() from None
    if (
        parts.scheme not in _SCHEMES
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise _wrong()
    tls, usual = _SCHEMES[parts.scheme]
    options: dict[str, Any] = {
        "host": parts.hostname,
        "port": port or usual,
        "username": unquote(parts.username or ""),
        "password": Masked(unquote(parts.password or "")),
    }
    if tls:
        options[tls] = True
    return {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}


def _wrong() -> ImproperlyConfigured:
    return ImproperlyConfigured(
        "EMAIL_URL must look like smtp+tls://USER:PASSWORD@HOST:587 (STARTTLS) or "
        "smtps://USER:PASSWORD@HOST:465. In a password, write / # ? @ as %2F %23 %3F %40."
    )
