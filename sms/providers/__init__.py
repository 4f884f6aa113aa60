"""Providers: each file here speaks one vendor's wire format, both ways.

A provider knows no Django, no settings and no Redis: it gets options out of its URL, hands one
SMS over, and reads the vendor's receipts. ``CONTRIBUTING.md`` says how to add one.
"""

from __future__ import annotations

from collections.abc import Mapping

from sms.providers.base import BadProviderURL, Provider, options_from_url
from sms.providers.console import ConsoleProvider
from sms.providers.file import FileProvider
from sms.providers.http import HttpProvider, HttpsProvider
from sms.providers.kannel import KannelProvider
from sms.providers.memory import MemoryProvider
from sms.providers.sandbox import SandboxProvider
from sms.providers.twilio import TwilioProvider
from sms.providers.vonage import VonageProvider

PROVIDERS: Mapping[str, type[Provider]] = {
    cls.scheme: cls
    for cls in (
        ConsoleProvider,
        FileProvider,
        HttpProvider,
        HttpsProvider,
        KannelProvider,
        MemoryProvider,
        SandboxProvider,
        TwilioProvider,
        VonageProvider,
    )
}


def from_url(alias: str, url: str, *, pool_size: int = 10) -> Provider:
    """Make the provider that ``url`` describes.

    ``pool_size``: how many calls run at once; an HTTP provider keeps as many connections open.
    Raises ``BadProviderURL``, whose text names the alias and the mend and never holds a secret.
    """
    scheme, separator, _ = url.partition("://")
    cls = PROVIDERS.get(scheme)
    if not separator or cls is None:
        raise BadProviderURL(
            f"{alias}: {scheme if separator else 'the URL'} is no provider. "
            f"Write alias=SCHEME://... with one of {', '.join(sorted(PROVIDERS))}."
        )
    return cls(alias, pool_size=pool_size, **options_from_url(cls, alias, url))
