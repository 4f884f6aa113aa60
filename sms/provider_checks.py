"""System checks of what the configured providers do: whether it is meant, and whether it can be heard of."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from sms import registry
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


def _configured() -> list[Provider]:
    try:
        return list(registry.providers().values())
    except ImproperlyConfigured:
        return []  # another check says it
