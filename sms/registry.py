"""The configured providers, made once per process from ``SMS_PROVIDERS``.

Five options of a URL belong to the alias, not to the vendor:

- ``rate``: messages per second.
- ``segment_rate``: segments per second, as carriers count.
- ``share``: of a worker's slots.
- ``only=codes``: skip it for other messages.
- ``price``: of a code, such as ``0.05`` or ``DE:0.07|default:0.05``; see ``sms.learning``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlencode

import phonenumbers
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sms import conf
from sms.delivery.slots import Alias, Slots
from sms.mail.carrier import Carrier
from sms.message import Channel
from sms.providers import from_url
from sms.providers.base import ClearProvider, Provider
from sms.providers.email import EmailProvider
from sms.providers.url import BadProviderURL, read_url
from sms.routing import DEFAULT

__all__ = [
    "SHARE",
    "Alias",
    "Slots",
    "aliases",
    "channel",
    "channels",
    "providers",
    "receivers",
    "work_with",
]

#: The default of ``share=`` if there are several aliases. Of 80 slots, two aliases together use up to 75. If
#: one hangs with 60, the other still has 15.
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
            "SMS_PROVIDERS names no provider. `manage.py providers` lists them; console:// is one for "
            "development."
        )
    slots = Slots(_concurrency or getattr(settings, "CELERY_WORKER_CONCURRENCY", None) or 10)
    share = 1.0 if len(urls) == 1 else SHARE
    try:
        return {name: _alias(name, url, slots, share) for name, url in urls.items()}
    except BadProviderURL as error:
        raise ImproperlyConfigured(f"SMS_PROVIDERS: {error}") from None


# A child process has none of the calls that hold slots of its parent.
os.register_at_fork(after_in_child=aliases.cache_clear)


def channel(alias: str) -> Channel:
    """The channel of an alias; the default channel if the alias is gone."""
    known = aliases().get(alias)
    return known.provider.channel if known else Provider.channel


@conf.cached
def channels() -> tuple[Channel, ...]:
    """The channels of all aliases, in the order of the setting. Raises ``ImproperlyConfigured``."""
    return tuple(dict.fromkeys(alias.provider.channel for alias in aliases().values()))


def receivers() -> list[str]:
    """The aliases that hand over the SMS that users send. Raises ``ImproperlyConfigured``."""
    return [
        name
        for name, provider in providers().items()
        if provider.receives and provider.channel is Channel.SMS
    ]


def work_with(concurrency: int) -> None:
    """Set how many messages this process hands over at once."""
    global _concurrency
    _concurrency = concurrency
    aliases.cache_clear()


_concurrency = 0  # unknown: the setting decides, or ten for a process that is no worker


def _alias(name: str, url: str, slots: Slots, share: float) -> Alias:
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):  # it is in routes and in the address of receipts
        raise BadProviderURL(f"{name!r} is no valid alias; use letters, digits, - and _ in ASCII.")
    ours = {"rate": 0.0, "segment_rate": 0.0, "share": share}
    only_codes = False
    prices: dict[str, float] = {}
    _, options = read_url(name, url)
    for option, value in options:
        if option == "only":
            only_codes = value == "codes"
            if not only_codes:
                raise BadProviderURL(f"{name}: only= must be codes.")
        elif option == "price":
            prices = _prices(name, value)
        elif option in ours:
            ours[option] = conf.number(value)
            if not 0 < ours[option] < 1e9:
                raise BadProviderURL(f"{name}: {option}= must be a number over 0.")
    if ours["rate"] and ours["segment_rate"]:
        raise BadProviderURL(f"{name}: give either rate= or segment_rate=.")
    if ours["share"] > 1:
        raise BadProviderURL(f"{name}: share= is a part of the slots, over 0 and at most 1.")
    theirs = [(option, value) for option, value in options if option not in (*ours, "only", "price")]
    if len(theirs) < len(options):
        url = f"{url.partition('?')[0]}?{urlencode(theirs)}"
    provider = from_url(name, url, pool_size=slots.count)
    if isinstance(provider, ClearProvider) and not provider.is_wanted and not settings.DEBUG:
        raise BadProviderURL(
            f"{name}: {provider.scheme}:// writes numbers and codes in clear, which is only for development. "
            f"Name a real provider, or confirm that you want this: {provider.example}."
        )
    if isinstance(provider, EmailProvider):
        _give_carrier(provider)
    return Alias(provider, slots=slots, only_codes=only_codes, prices=prices, **ours)


def _give_carrier(provider: EmailProvider) -> None:
    """Give it a ``Carrier``, since it does not know Django itself. Raises ``BadProviderURL``."""
    try:
        provider.carry = Carrier(provider)
    except ImproperlyConfigured as error:
        raise BadProviderURL(f"{provider.alias}: {error}") from None


def _prices(name: str, text: str) -> dict[str, float]:
    """``0.05`` or ``DE:0.07|default:0.05``, by country."""
    prices: dict[str, float] = {}
    for part in text.split("|"):
        country, separator, amount = part.rpartition(":")
        country, price = country if separator else DEFAULT, conf.number(amount)
        known = country == DEFAULT or country in phonenumbers.SUPPORTED_REGIONS
        if not known or country in prices or not 0 <= price < 1e9:
            raise BadProviderURL(
                f"{name}: price= must look like 0.05 or, by country, like DE:0.07|default:0.05."
            )
        prices[country] = price
    return prices
