"""The configured providers: are they meant for production, and do their receipts reach us?"""

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

#: Countries whose networks refuse a message from a name: developers.telnyx.com/docs/messaging/messages/
#: alphanumeric-sender-id ("cannot send to the United States, Canada, or Puerto Rico"). Others replace it.
NO_NAMES = frozenset({"US", "CA", "PR"})


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


@check("sms.E023")
def plain_messages_pass_templates_by() -> Iterator[str]:
    """Who composes the text itself cannot send any other. The mend says so in words that somebody chose. Of
    another channel than SMS everybody knows that it carries codes alone.
    """
    configured = {
        name for name, url in conf.get("SMS_PROVIDERS").items() if ("only", "codes") in read_url(name, url)[1]
    }
    for target, route in routing.all_routes().items():
        for alias in (hop.alias for step in route for hop in step):
            provider = registry.aliases()[alias].provider
            if provider.channel is Channel.SMS and provider.needs_code and alias not in configured:
                yield (
                    f"SMS_ROUTES: a message without a code could go by {alias} ({target}), which sends codes "
                    "alone. Add only=codes to its URL, so that other messages pass it by; or from=, where a "
                    "vendor with templates takes texts as well."
                )


@check("sms.E024")
def senders_are_taken() -> Iterator[str]:
    """A name as the sender fails for every message to these countries."""
    routes, named = routing.all_routes(), destinations.configured().countries
    for country in sorted(NO_NAMES & (named | routes.keys())):
        target = country if country in routes else routing.DEFAULT
        for hop in (hop for step in routes.get(target, ()) for hop in step):
            provider = registry.aliases()[hop.alias].provider
            if provider.channel is not Channel.SMS:
                continue
            own = getattr(provider, "sender", "")
            sender, where = (hop.sender, "SMS_ROUTES") if hop.sender else (own, "SMS_PROVIDERS")
            if re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}", sender):  # what a name may be
                yield (
                    f"{where}: {hop.alias} sends as {sender}, and {countries.name(country)} takes no name as "
                    f"the sender. Write {country}={hop.alias}@%2B… with a number of yours in SMS_ROUTES, or "
                    "a number in from=."
                )


@check("sms.W025")
def there_is_something_to_learn() -> Iterator[str]:
    """Where each step has one alias, all shares are whole."""
    mode, routes = learning.mode(), routing.all_routes()
    if mode != "weights" and not any(map(learning.gives_choice, routes.values())):
        yield (
            f"SMS_ROUTING is {mode}, and no route of SMS_ROUTES gives a choice. Write | between the aliases "
            "that shall share a step, as in default=main|spare."
        )


@check("sms.W026")
def prices_count() -> Iterator[str]:
    """A price counts against what a code is worth, and against the prices of the others in its step."""
    if learning.mode() == "weights":
        return
    known = registry.aliases()
    if not learning.worth():
        for name in (name for name, alias in known.items() if alias.prices):
            yield (
                f"SMS_PROVIDERS: {name} has a price=, which counts for nothing without SMS_CODE_WORTH. Set "
                "that to what an accepted code is worth, in the same currency."
            )
        return
    for target, route in routing.all_routes().items():
        for hop in (hop for step in route if len(step) > 1 for hop in step):
            if "default" not in known[hop.alias].prices:
                yield (
                    f"SMS_PROVIDERS: {hop.alias} ({target}) has no price=, so where it shares a step prices "
                    "count for nothing. Give it one, as price=0.05 or price=DE:0.07|default:0.05."
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


@check("sms.E028")
def who_asks_for_codes_has_an_address() -> Iterator[str]:
    """A call that asks for a key needs us to answer when one is pressed."""
    for provider in registry.providers().values():
        if provider.asks_for_code and not receipts.address(provider.alias, ""):
            yield (
                f"SMS_PROVIDERS: {provider.alias} asks us for the code once a key is pressed, for which it "
                "needs an https:// address. Set PUBLIC_URL to one, and include sms.urls below it; or write "
                "key_press=no in its URL: then the code is read to whoever answers, a mailbox too."
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
