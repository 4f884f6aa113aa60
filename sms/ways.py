"""Select the part of a route that may carry a message.

It depends on the requested channels, the type of the number, and whether the message holds a code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import phonenumbers

from sms import destinations, phone, registry, routing
from sms.delivery.slots import Alias
from sms.errors import InvalidNumber, NoRoute
from sms.message import Channel
from sms.phone import Phone
from sms.providers.base import Provider
from sms.routing import Hop, Route


def find(number: Phone, *, is_code: bool, email: str = "", channels: Sequence[Channel] = ()) -> Route:
    """The route for a message. Raises ``NoRoute`` or ``ImproperlyConfigured``.

    ``email``: an address that may get it as well. ``channels``: the channels to try, in this order. Without
    any, the route decides, and e-mail is not used.
    """
    route, known = routing.find(number.country, number.e164), registry.aliases()
    if not channels and _all_carry(route, is_code=is_code):
        return route
    able = {
        hop.alias
        for step in route
        for hop in step
        if _may_carry(known[hop.alias], number, is_code=is_code, email=email, named=channels)
    }
    steps = tuple(_by_channel(route, able, channels))
    if not steps:
        if is_code or any(not known[hop.alias].only_codes for step in route for hop in step):
            raise NoRoute("No provider of this route reaches the number by an allowed channel.")
        raise NoRoute("Every provider of this route sends only codes.")
    return steps


def again(
    country: str, to: str, *, is_code: bool, email: str = "", channels: Sequence[Channel] = ()
) -> Route:
    """The route for a message that was accepted earlier. ``to``: as it was sealed."""
    number = Phone(to, country, "")
    if registry.channels() != (Channel.SMS,):
        with suppress(InvalidNumber):  # a test number or an e-mail address has no type
            number = phone.parse(to)
    return find(number, is_code=is_code, email=email, channels=channels)


def unable_to_carry(codes: Sequence[str]) -> Iterator[Provider]:
    """The providers in routes that cannot carry every one of ``codes``. Raises ``ImproperlyConfigured``."""
    known = registry.aliases()
    routed = {hop.alias for route in routing.all_routes().values() for step in route for hop in step}
    for alias in sorted(routed):
        if not all(map(known[alias].provider.carries, codes)):
            yield known[alias].provider


def countries_of(channels: Iterable[Channel]) -> list[str]:
    """The countries (ISO 3166) with a route, to which messages may go by one of ``channels``."""
    rules, routes = [destinations.configured(channel) for channel in channels], routing.all_routes()
    prefixes = tuple(target[1:] for target in routes if target.startswith("+"))
    found = []
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        code = str(phonenumbers.country_code_for_region(country))
        within = any(prefix.startswith(code) or code.startswith(prefix) for prefix in prefixes)
        has_route = within or country in routes or routing.DEFAULT in routes
        if has_route and any(rule.allow(country) for rule in rules):
            found.append(country)
    return found


def channels_of(route: Route) -> tuple[Channel, ...]:
    """The channels of a route's aliases, in order."""
    known = registry.aliases()
    return tuple(dict.fromkeys(known[hop.alias].provider.channel for step in route for hop in step))


def _all_carry(route: Route, *, is_code: bool) -> bool:
    """Whether every alias may carry the message, because all of them send any SMS. A short cut."""
    known = registry.aliases()
    return registry.channels() == (Channel.SMS,) and (
        is_code or not any(known[hop.alias].only_codes for step in route for hop in step)
    )


def _may_carry(alias: Alias, number: Phone, *, is_code: bool, email: str, named: Sequence[Channel]) -> bool:
    channel = alias.provider.channel
    if (alias.only_codes and not is_code) or (named and channel not in named):
        return False
    if channel is Channel.EMAIL:
        return bool(email) and channel in named
    if number.is_email:
        return False
    return not number.kind or destinations.allow(number, channel)  # test numbers have no type


def _by_channel(route: Route, able: set[str], channels: Sequence[Channel]) -> Iterator[tuple[Hop, ...]]:
    """The steps of a route with only the aliases in ``able``, ordered by ``channels``."""
    known = registry.aliases()
    for channel in channels or (None,):
        for step in route:
            hops = tuple(
                hop
                for hop in step
                if hop.alias in able and channel in (None, known[hop.alias].provider.channel)
            )
            if hops:
                yield hops
