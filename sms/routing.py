"""The setting ``SMS_ROUTES``: which providers may send a message, and in which order.

    default=main>spare              all messages: main, and spare if main fails
    IR=local>main                   a country (ISO 3166)
    +4477=uk*3|main>spare           the longest prefix wins over the country; of four messages
                                    three begin at uk and one at main; then spare
    DE=main@Otpost>spare@%2B4930…   the sender of this alias on this route

``>`` separates steps, ``|`` the aliases that share a step by their weights. A message without a route is
refused. Without the setting, all providers are tried in their order.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import phonenumbers
from django.core.exceptions import ImproperlyConfigured

from sms import conf, countries
from sms.errors import NoRoute
from sms.phone import is_prefix

DEFAULT = "default"

_HOP = re.compile(r"(?P<alias>[\w-]+)(?:@(?P<sender>[^@*|>]+))?(?:\*(?P<weight>[^@*|>]*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hop:
    """One alias of a route."""

    alias: str
    sender: str = ""  # instead of the provider's own
    weight: float = 1.0


Route = tuple[tuple[Hop, ...], ...]  # steps; the hops of a step share the messages by weight


def find(country: str, e164: str) -> Route:
    """The route for a number. Raises ``NoRoute``."""
    return all_routes()[target_of(country, e164)]


def target_of(country: str, e164: str) -> str:
    """The prefix, country or ``default`` whose route a number takes. Raises ``NoRoute``."""
    routes = all_routes()
    prefixes = (e164[:end] for end in range(len(e164), 1, -1))
    for target in (*prefixes, country, DEFAULT):
        if target in routes:
            return target
    raise NoRoute(f"No SMS is sent to {countries.name(country) or 'numbers of no country'}.")


def order(route: Route) -> list[Hop]:
    """The hops in the order for one message, drawn within each step by weight."""
    return [hop for step in route for hop in sorted(step, key=_draw, reverse=True)]


def _draw(hop: Hop) -> float:
    """Efraimidis and Spirakis: sorted by u^(1/weight), hops are drawn by weight without replacement."""
    return float(random.random() ** (1 / hop.weight))  # noqa: S311  # not for secrets


def drawn(route: Route, aliases: Sequence[str]) -> list[Hop] | None:
    """The hops in the order that ``order`` drew before. None if the route has changed since."""
    hops: list[Hop] = []
    for step in route:
        found = aliases[len(hops) : len(hops) + len(step)]
        known = {hop.alias: hop for hop in step}
        if known.keys() != set(found):
            return None
        hops += [known[alias] for alias in found]
    return hops if len(hops) == len(aliases) else None


@conf.cached
def all_routes() -> Mapping[str, Route]:
    """All routes by country, prefix or ``default``. Raises ``ImproperlyConfigured``."""
    routes, aliases = conf.get("SMS_ROUTES"), tuple(conf.get("SMS_PROVIDERS"))
    if not routes:
        return {DEFAULT: tuple((Hop(alias),) for alias in aliases)}
    return {target: _route(target, text, aliases) for target, text in routes.items()}


def _route(target: str, text: str, aliases: Collection[str]) -> Route:
    if not (is_prefix(target) or target == DEFAULT or target in phonenumbers.SUPPORTED_REGIONS):
        if target.startswith("+"):
            raise _wrong(target, "no number begins like this; write a prefix such as +4477")
        raise _wrong(target, "write default, a country such as DE, or a prefix such as +4477")
    steps = tuple(
        tuple(_hop(target, part.strip(), aliases) for part in step.split("|")) for step in text.split(">")
    )
    named = [hop.alias for step in steps for hop in step]
    for alias in named:
        if named.count(alias) > 1:
            raise _wrong(target, f"{alias} appears twice; name each alias once")
    return steps


def _hop(target: str, text: str, aliases: Collection[str]) -> Hop:
    if not text:
        raise _wrong(target, "a provider is missing; write aliases with > between them, as in main>spare")
    found = _HOP.fullmatch(text)
    if not found:
        raise _wrong(target, f"{text!r} cannot be read; write alias, alias@sender or alias*weight")
    alias, sender, weight = found["alias"], found["sender"] or "", found["weight"]
    if alias not in aliases:
        known = ", ".join(aliases) or "none yet"
        raise _wrong(target, f"{alias} is not an alias in SMS_PROVIDERS; name one of its aliases ({known})")
    number = 1.0 if weight is None else conf.number(weight)
    if not 0 < number < 1e6:
        raise _wrong(target, f"the weight of {alias} must be a number above 0 and below 1000000")
    sender = unquote(sender)
    if not sender.isprintable() or sender != sender.strip():
        raise _wrong(target, f"the sender of {alias} must be a number or a name, without spaces around it")
    return Hop(alias, sender, number)


def _wrong(target: str, fix: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"SMS_ROUTES, {target}: {fix}.")
