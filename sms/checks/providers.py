"""The configured providers: are they meant for production, and do their receipts reach us?"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Tags
from django.http.request import validate_host

from sms import conf, destinations, receipts, registry
from sms.checks import check
from sms.providers.base import ClearProvider, Provider


@check("sms.E009", Tags.security)
def countries_are_named() -> Iterator[str]:
    """SMS to any country at your cost invite SMS pumping and toll fraud. Not with ``--deploy`` alone: without
    it you would learn this from the bill.
    """
    paid = [p.alias for p in registry.providers().values() if p.scheme not in conf.FREE]
    if paid and not settings.DEBUG and not destinations.configured().countries:
        yield (
            f"SMS_DESTINATIONS names no country, and {paid[0]} costs money. Name those that your "
            "users live in, as DE,AT,CH, or * if it is the whole world."
        )


@check("sms.W001", Tags.security, deploy=True)
def real_providers() -> Iterator[str]:
    """Providers for development print, keep or show codes in clear."""
    toys = sorted({p.scheme for p in registry.providers().values()} & {"console", "memory", "sandbox"})
    if toys and not settings.DEBUG:
        yield (
            f"SMS_PROVIDERS names {', '.join(toys)}, which sends nothing and is for development. "
            "Name a real provider."
        )


@check("sms.W005", Tags.security)
def nothing_is_in_clear() -> Iterator[str]:
    """A reminder of ``clear=yes``; without it ``sms.registry`` refuses such a provider in production."""
    for provider in registry.providers().values():
        if isinstance(provider, ClearProvider) and not settings.DEBUG:
            yield (
                f"SMS_PROVIDERS: {provider.alias} writes numbers and codes in clear, as its clear=yes wants. "
                "Whoever can read what it writes can log in as your users."
            )


@check("sms.W004")
def receipts_can_be_verified() -> Iterator[str]:
    """Without a secret every receipt is refused, so nobody learns that a code did not arrive."""
    for provider in registry.providers().values():
        if type(provider).parse_receipts is not Provider.parse_receipts and not provider.takes_receipts:
            yield (
                f"SMS_PROVIDERS: {provider.alias} has no secret for its receipts, so all of them are "
                f"refused. Give it {provider.receipt_option}=."
            )


@check("sms.W006")
def receipts_have_an_address() -> Iterator[str]:
    """Without receipts no code whose SMS did not arrive goes to another provider."""
    alias = _sends_receipts()
    try:
        path = alias and receipts.path(alias)
    except Exception:
        return  # Django's own check says what is wrong with the URLconf
    if alias and not path:
        yield (
            f"SMS_PROVIDERS: {alias} reports what becomes of an SMS, and no address of this "
            'project takes it. Add path("sms/", include("sms.urls")) to its urlpatterns.'
        )


@check("sms.W007")
def receipts_are_let_in() -> Iterator[str]:
    """What Django answers 400 never reaches us."""
    alias, url = _sends_receipts(), conf.get("PUBLIC_URL")
    if not alias or settings.DEBUG or conf.public_url_fault(url):
        return
    host = urlsplit(url).hostname or ""
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield (
            f"ALLOWED_HOSTS lacks {host}, the host of PUBLIC_URL: what {alias} reports there is answered "
            "400. Add it."
        )


def _sends_receipts() -> str:
    """The first alias that does, "" if none does: what is wrong is wrong for all of them."""
    return next((name for name, found in registry.providers().items() if found.takes_receipts), "")
