"""System checks of what the configured providers do: whether it is meant, and whether it can be heard of."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from sms import conf, receipts, registry
from sms.declared import register
from sms.providers.base import ClearProvider, Provider


@register(Tags.security)
def nothing_is_in_clear(**_: Any) -> list[CheckMessage]:
    """Who wants it so in production is reminded of it; ``sms.registry`` refuses it from who did not say."""
    if settings.DEBUG:
        return []
    return [
        Warning(
            f"SMS_PROVIDERS: {provider.alias} writes numbers and codes in clear, as its clear=yes wants. "
            "Whoever can read what it writes can log in as your users.",
            id="sms.W005",
        )
        for provider in _configured()
        if isinstance(provider, ClearProvider)
    ]


@register()
def reports_find_us(**_: Any) -> list[CheckMessage]:
    """A report that nobody takes is lost: no code of an SMS that did not arrive goes to another provider."""
    heard = [provider for provider in _configured() if provider.takes_receipts]
    if not heard:
        return []
    found: list[CheckMessage] = []
    try:
        if not receipts.path(heard[0].alias):
            found.append(
                Warning(
                    f"SMS_PROVIDERS: {heard[0].alias} reports what becomes of an SMS, and no address of this "
                    'project takes it. Add path("sms/", include("sms.urls")) to its urlpatterns.',
                    id="sms.W006",
                )
            )
    except Exception:
        return []  # Django's own check says what is wrong with the URLconf
    try:
        host = urlsplit(conf.get("PUBLIC_URL")).hostname or ""
    except ValueError:
        host = ""  # another check says it
    if host and not settings.DEBUG and not validate_host(host, settings.ALLOWED_HOSTS):
        found.append(
            Warning(
                f"ALLOWED_HOSTS lacks {host}, the host of PUBLIC_URL: what {heard[0].alias} reports there is "
                "answered 400. Add it.",
                id="sms.W007",
            )
        )
    return found


def _configured() -> list[Provider]:
    try:
        return list(registry.providers().values())
    except ImproperlyConfigured:
        return []  # another check says it
