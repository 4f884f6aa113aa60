"""The configured providers, made once per process from ``SMS_PROVIDERS``.

Three options of a URL belong to the alias and not to the vendor: ``rate`` (messages a second),
``segment_rate`` (parts a second, as carriers count) and ``share`` (of a worker's slots).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf
from sms.delivery.slots import Alias, Slots
from sms.providers import from_url
from sms.providers.base import BadProviderURL, ClearProvider, Provider, read_url

__all__ = ["SHARE", "Alias", "Slots", "aliases", "providers", "work_with"]

#: What one alias may take of a worker's slots where there is another one. Of 80 slots two healthy aliases
#: use 75 together, and the other one has 15 while one hangs with 60.
SHARE = 0.75


def providers() -> Mapping[str, Provider]:
    """alias → provider, in the order of the setting. Raises ``ImproperlyConfigured``."""
    return {name: alias.provider for name, alias in aliases().items()}


@conf.cached
def aliases() -> Mapping[str, Alias]:
    """Every alias by its name, in the order of the setting. Raises ``ImproperlyConfigured``."""
    urls = conf.get("SMS_PROVIDERS")
    if not urls:
        raise ImproperlyConfigured(
            "SMS_PROVIDERS names no provider. The README's table has them; console:// is one for development."
        )
    slots = Slots(_concurrency or getattr(settings, "CELERY_WORKER_CONCURRENCY", None) or 10)
    share = 1.0 if len(urls) == 1 else SHARE
    try:
        return {name: _alias(name, url, slots, share) for name, url in urls.items()}
    except BadProviderURL as error:
        raise ImproperlyConfigured(f"SMS_PROVIDERS: {error}") from None


# A child process has none of the calls that hold slots of its parent.
os.register_at_fork(after_in_child=aliases.cache_clear)


def work_with(concurrency: int) -> None:
    """Tell how many messages this process hands over at once."""
    global _concurrency
    _concurrency = concurrency
    aliases.cache_clear()


_concurrency = 0  # not known: the setting, or what a process that is no worker needs


def _alias(name: str, url: str, slots: Slots, share: float) -> Alias:
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):  # it stands in routes and in the address of receipts
        raise BadProviderURL(f"{name!r} is no alias; write letters from a to z, digits, - and _.")
    ours = {"rate": 0.0, "segment_rate": 0.0, "share": share}
    _, options = read_url(name, url)
    for option, value in options:
        if option in ours:
            ours[option] = conf.number(value)
            if not 0 < ours[option] < 1e9:
                raise BadProviderURL(f"{name}: {option}= must be a number over 0.")
    if ours["rate"] and ours["segment_rate"]:
        raise BadProviderURL(f"{name}: give either rate= or segment_rate=.")
    if ours["share"] > 1:
        raise BadProviderURL(f"{name}: share= is a part of the slots, over 0 and at most 1.")
    theirs = [(option, value) for option, value in options if option not in ours]
    if len(theirs) < len(options):
        url = f"{url.partition('?')[0]}?{urlencode(theirs)}"
    provider = from_url(name, url, pool_size=slots.count)
    if isinstance(provider, ClearProvider) and not provider.is_wanted and not settings.DEBUG:
        raise BadProviderURL(
            f"{name}: {provider.scheme}:// writes numbers and codes in clear, which only development may. "
            f"Name a real provider, or say that it is wanted: {provider.example}."
        )
    return Alias(provider, slots=slots, **ours)
