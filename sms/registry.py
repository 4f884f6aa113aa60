"""The configured providers, made once per process from ``SMS_PROVIDERS``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf
from sms.providers import from_url
from sms.providers.base import BadProviderURL, Provider


def providers() -> Mapping[str, Provider]:
    """alias → provider, in the order of the setting. Raises ``ImproperlyConfigured``."""
    return _made(tuple(conf.get("SMS_PROVIDERS").items()))


def default() -> Provider:
    """The provider that messages go to: the first of ``SMS_PROVIDERS``."""
    for provider in providers().values():
        return provider
    raise ImproperlyConfigured("SMS_PROVIDERS names no provider. Try SMS_PROVIDERS=main=console://")


@lru_cache(maxsize=8)
def _made(urls: tuple[tuple[str, str], ...]) -> Mapping[str, Provider]:
    # A worker runs this many calls at once, and each wants a connection of its own.
    pool_size = getattr(settings, "CELERY_WORKER_CONCURRENCY", None) or 10
    try:
        return {alias: from_url(alias, url, pool_size=pool_size) for alias, url in urls}
    except BadProviderURL as error:
        raise ImproperlyConfigured(f"SMS_PROVIDERS: {error}") from None
