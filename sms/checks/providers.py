"""Checks of the configured providers: are they fit for production, and do their receipts reach us?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Tags
from django.http.request import validate_host

from sms import conf, countries, destinations, learning, receipts, registry, routing
from sms.checks import check
from sms.message import Channel
from sms.providers.base import ClearProvider, Provider
from sms.providers.url import read_url

#: Countries whose networks refuse a name as the sender: developers.telnyx.com/docs/messaging/messages/
#: alphanumeric-sender-id ("cannot send to the United States, Canada, or Puerto Rico"). Others replace it.
NO_NAMES = frozenset({"US", "CA", "PR"})


@check("sms.E009", Tags.security)
def countries_are_named() -> Iterator[str]:
    """Paid SMS to every country invite SMS pumping and toll fraud. This check runs even without ``--deploy``,
    as the bill would come too late.
    """
    paid = [p.alias for p in registry.providers().values() if p.scheme not in conf.FREE]
    if paid and not settings.DEBUG and not destinations.configured().countries:
        yield (
            f"SMS_DESTINATIONS names no country, and {paid[0]} costs money. Name the countries of your "
            "users, such as DE,AT,CH. For the whole world, write *."
        )


@check("sms.E023")
def plain_messages_pass_templates_by() -> Iterator[str]:
    """A vendor with templates can send only codes. The operator must confirm that with ``only=codes``. The
    other channels need no confirmation: they are known to carry only codes.
    """
    configured = {
        name for name, url in conf.get("SMS_PROVIDERS").items() if ("only", "codes") in read_url(name, url)[1]
    }
    for target, route in routing.all_routes().items():
        for alias in (hop.alias for step in route for hop in step):
            provider = registry.aliases()[alias].provider
            if provider.channel is Channel.SMS and provider.needs_code and alias not in configured:
                yield (
                    f"SMS_ROUTES: {alias} ({target}) can send only codes, but other messages may come to it. "
                    "Add only=codes to its URL, so that they skip it. If the vendor also takes plain texts, "
                    "add from= instead."
                )


@check("sms.E024")
def senders_are_taken() -> Iterator[str]:
    """With a name as the sender, every message to these countries fails."""
    routes, named = routing.all_routes(), destinations.configured().countries
    for country in sorted(NO_NAMES & (named | routes.keys())):
        target = country if country in routes else routing.DEFAULT
        for hop in (hop for step in routes.get(target, ()) for hop in step):
            provider = registry.aliases()[hop.alias].provider
            if provider.channel is not Channel.SMS:
                continue
            own = getattr(provider, "sender", "")
            sender, where = (hop.sender, "SMS_ROUTES") if hop.sender else (own, "SMS_PROVIDERS")
            if re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}", sender):  # a name
                yield (
                    f"{where}: {hop.alias} sends as {sender}, but {countries.name(country)} refuses names as "
                    f"senders. Write {country}={hop.alias}@%2B… with a number of yours in SMS_ROUTES, or a "
                    "number in from=."
                )


@check("sms.W025")
def there_is_something_to_learn() -> Iterator[str]:
    """If each step has only one alias, there is nothing to share."""
    mode, routes = learning.mode(), routing.all_routes()
    if mode != "weights" and not any(map(learning.gives_choice, routes.values())):
        yield (
            f"SMS_ROUTING is {mode}, but no route in SMS_ROUTES offers a choice. Write | between aliases "
            "that share a step, as in default=main|spare."
        )


@check("sms.W026")
def prices_count() -> Iterator[str]:
    """A price has no effect without the worth of a code and the prices of all aliases in its step."""
    if learning.mode() == "weights":
        return
    known = registry.aliases()
    if not learning.worth():
        for name in (name for name, alias in known.items() if alias.prices):
            yield (
                f"SMS_PROVIDERS: the price= of {name} has no effect without SMS_CODE_WORTH. Set that to the "
                "worth of an accepted code, in the same currency."
            )
        return
    for target, route in routing.all_routes().items():
        for hop in (hop for step in route if len(step) > 1 for hop in step):
            if "default" not in known[hop.alias].prices:
                yield (
                    f"SMS_PROVIDERS: {hop.alias} ({target}) has no price=, so prices have no effect in its "
                    "step. Add one, such as price=0.05 or price=DE:0.07|default:0.05."
                )


@check("sms.W001", Tags.security, deploy=True)
def real_providers() -> Iterator[str]:
    """Providers for development print, keep or show codes in clear, and send nothing."""
    toys = sorted({p.scheme for p in registry.providers().values()} & {"console", "memory", "sandbox"})
    if toys and not settings.DEBUG:
        yield (
            f"SMS_PROVIDERS names {', '.join(toys)}, which is for development and sends nothing. "
            "Name a real provider."
        )


@check("sms.W005", Tags.security)
def nothing_is_in_clear() -> Iterator[str]:
    """A reminder of ``clear=yes``. Without it ``sms.registry`` refuses such a provider in production."""
    for provider in registry.providers().values():
        if isinstance(provider, ClearProvider) and not settings.DEBUG:
            yield (
                f"SMS_PROVIDERS: {provider.alias} has clear=yes and writes numbers and codes in clear. "
                "Anyone who can read them can log in as your users. Name a real provider for production."
            )


@check("sms.E028")
def who_asks_for_codes_has_an_address() -> Iterator[str]:
    """If a phone call waits for a key press, the vendor then asks us for the code."""
    for provider in registry.providers().values():
        if provider.asks_for_code and not receipts.address(provider.alias, ""):
            yield (
                f"SMS_PROVIDERS: {provider.alias} asks us for the code when the user presses a key. It needs "
                "an https:// address for that. Set PUBLIC_URL to one and include sms.urls below it. Or write "
                "key_press=no in its URL: then it reads the code to anyone who answers, even to a voicemail."
            )


@check("sms.W004")
def receipts_can_be_verified() -> Iterator[str]:
    """Without a secret we refuse every receipt, and never learn that a code did not arrive."""
    for provider in registry.providers().values():
        if type(provider).parse_receipts is not Provider.parse_receipts and not provider.takes_receipts:
            yield (
                f"SMS_PROVIDERS: {provider.alias} has no secret for its receipts, so Otpost refuses all of "
                f"them. Add {provider.receipt_option}= to its URL."
            )


@check("sms.W006")
def receipts_have_an_address() -> Iterator[str]:
    """Without receipts, a code that did not arrive does not go to another provider."""
    alias = _sends_receipts()
    try:
        path = alias and receipts.path(alias)
    except Exception:
        return  # Django's own check reports the fault in the URLconf
    if alias and not path:
        yield (
            f"SMS_PROVIDERS: {alias} sends delivery reports, but this project has no URL for them. "
            'Add path("sms/", include("sms.urls")) to its urlpatterns.'
        )


@check("sms.W007")
def receipts_are_let_in() -> Iterator[str]:
    """Django answers requests for an unknown host with 400, so such receipts never reach us."""
    alias, url = _sends_receipts(), conf.get("PUBLIC_URL")
    if not alias or settings.DEBUG or conf.public_url_fault(url):
        return
    host = urlsplit(url).hostname or ""
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield (
            f"ALLOWED_HOSTS lacks {host}, the host of PUBLIC_URL. So Django answers {alias}'s reports with "
            f"400. Add {host}."
        )


def _sends_receipts() -> str:
    """The first alias that sends receipts, "" if none does. One is enough: a fault affects all of them."""
    return next((name for name, found in registry.providers().items() if found.takes_receipts), "")
