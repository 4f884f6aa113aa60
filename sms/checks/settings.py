"""Checks of the value of each setting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from unicodedata import category
from urllib.parse import urlsplit

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, Tags, register

from sms import cells, conf, destinations, learning, names, preparing, registry, routing
from sms.breaker import Breaker
from sms.checks import check, finding, readable
from sms.seal import seal
from sms.webhooks import addresses, endpoints

#: The upper bound of every time, in seconds or hours. It is about thirty years in seconds.
_MOST = 10**9

seal_keys = readable("sms.E001", lambda: seal({}), Tags.security)
providers = readable("sms.E002", registry.providers)
routes = readable("sms.E005", routing.all_routes)
who_decides = readable("sms.E037", learning.mode)
worth = readable("sms.E037", learning.worth)
where_to = readable("sms.E008", destinations.configured)
namespace = readable("sms.E022", names.namespace)
cell_counts = readable("sms.E048", names.cell_counts)
servers = readable("sms.E021", names.cache_aliases)
webhooks = readable("sms.E036", endpoints.configured, Tags.security)


@register()
def types(**_: Any) -> list[CheckMessage]:
    """Every setting must have its type. Until then other checks find nothing: see ``sms.checks.register``."""
    return [finding("sms.E012", text) for text in conf.faults()]


@register()
def spelling(**_: Any) -> list[CheckMessage]:
    """A misspelt setting has no effect, and no one would notice."""
    ours = {name for name in dir(settings) if name.isupper() and name.startswith(conf.OURS)}
    return [
        finding("sms.W008", f"{name} is not a setting of Otpost and has no effect. Did you mean {near}?")
        for name in sorted(ours - conf.DECLARED.keys())
        if (near := conf.nearest(name, conf.DECLARED))
    ]


@check("sms.E001", Tags.security)
def seal_keys_are_random() -> Iterator[str]:
    """Keys that people make up can be guessed."""
    seal({})  # if a key is malformed, the check above reports it
    if any(len(set(key)) < 8 for key in conf.get("SMS_SEAL_KEYS")):
        yield "SMS_SEAL_KEYS must be random. `manage.py secrets SMS_SEAL_KEYS` prints a random key."


@check("sms.E036", Tags.security)
def webhook_addresses() -> Iterator[str]:
    """Otpost would refuse each call to such an endpoint."""
    for name, endpoint in endpoints.configured().items():
        kind = addresses.kind_written(urlsplit(endpoint.url).hostname or "")
        if kind == "reserved":
            yield f"WEBHOOKS: {name} has a reserved address, to which Otpost never sends. Name another."
        elif kind in addresses.KINDS and kind not in endpoint.allow:
            yield (
                f"WEBHOOKS: {name} is a {kind} address. Write &allow={kind} after its secret if you want to "
                "send events there."
            )


@check("sms.E036", Tags.security)
def metrics_token() -> Iterator[str]:
    """The token protects figures of your business, and must fit into an HTTP header."""
    tokens = conf.metrics_tokens()
    if not all(
        len(token) >= 32 and len(set(token)) >= 8 and re.fullmatch("[!-~]+", token) for token in tokens
    ):
        yield (
            "METRICS_TOKEN must be random and have at least 32 characters, in ASCII and without spaces. "
            "`manage.py secrets METRICS_TOKEN` prints one."
        )
    if len(tokens) > 2:
        yield "METRICS_TOKEN has more than two tokens. Keep one, or two while you change it."


@check("sms.E034")
def help_can_be_sent() -> Iterator[str]:
    """A fault in the answer to HELP would only show when a user asks for it."""
    text = preparing.with_line_feeds(str(conf.get("SMS_HELP")))
    if len(text) > preparing.MAX_BODY or any(
        category(char) in ("Cc", "Cs") for char in text.replace("\n", "")
    ):
        yield f"SMS_HELP must have at most {preparing.MAX_BODY} characters and no control characters."


@check("sms.E035", Tags.security)
def opt_outs_have_a_key() -> Iterator[str]:
    """Without a key, no user could opt out."""
    alias = next((name for name, found in registry.providers().items() if found.receives), "")
    if alias and not conf.get("PHONE_SECRET_KEY"):
        yield (
            f"PHONE_SECRET_KEY is empty, but {alias} in SMS_PROVIDERS receives messages from users. Otpost "
            "needs the key to store opt-outs. `manage.py secrets PHONE_SECRET_KEY` prints one."
        )


@check("sms.E006")
def breaker() -> Iterator[str]:
    """SMS_BREAKER must hold known names and sensible numbers."""
    try:
        figures = Breaker.configured()
        good = all(map(_is_number, figures)) and min(figures) > 0 and figures.share <= 1 <= figures.fewest
    except (TypeError, ValueError):
        good = False
    if not good:
        yield (
            "SMS_BREAKER takes window and pause (seconds, more than 0), share (more than 0, at most 1) and "
            "fewest (1 or more)."
        )


@check("sms.E021")
def alias() -> Iterator[str]:
    known = ", ".join(sorted(settings.CACHES))
    for found in names.cache_aliases():
        if found not in settings.CACHES:
            yield f"OTPOST_CACHE names {found!r}, but CACHES has no such alias. Write one of: {known}."


@check("sms.E049")
def several_servers() -> Iterator[str]:
    """Several servers need cells, and each entry must lead to a different server."""
    aliases = names.cache_aliases()
    if len(aliases) == 1:
        return
    setting = "REDIS_URL" if hasattr(settings, "REDIS_URL") else "OTPOST_CACHE"
    if not names.in_cells():
        yield (
            f"{setting} names {len(aliases)} servers, but REDIS_CELLS is 1, so only the first would be used. "
            "Set REDIS_CELLS=64, or name one server."
        )
    entries = {alias: settings.CACHES.get(alias, {}) for alias in aliases}
    if any(entry.get("OPTIONS", {}).get("CONNECTION_FACTORY") == names.CLUSTER for entry in entries.values()):
        yield (
            f"{setting} names a Redis Cluster and another server. Name the cluster alone, or only servers "
            "without a cluster."
        )
    places = [str(entry.get("LOCATION")) for entry in entries.values()]
    if len(set(places)) < len(aliases):
        yield (
            f"{setting} names a server twice, or two of its aliases have the same LOCATION. Give each a "
            "LOCATION of its own: django-redis connects those with the same one to the same server."
        )


@check("sms.W047", deploy=True)
def cells_are_of_use() -> Iterator[str]:
    counts = names.cell_counts()
    if len(counts) > 1 and counts[0] == counts[1]:
        yield "REDIS_CELLS_BEFORE equals REDIS_CELLS, so it has no effect. Remove it."
    idle = [alias for alias in names.cache_aliases() if alias not in map(names.cache_alias, cells.every())]
    if idle and names.in_cells():
        yield (
            f"REDIS_CELLS is too small for {len(names.cache_aliases())} servers: {', '.join(idle)} has no "
            "cells. Set it to 64, and REDIS_CELLS_BEFORE to its present value for a day."
        )


@check("sms.E011")
def phone_region() -> Iterator[str]:
    """National numbers can only be read with a real country."""
    region = conf.get("PHONE_REGION")
    if region and region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        fix = "Write GB" if region in ("UK", "uk") else "Write one such as US, or nothing"
        yield f"PHONE_REGION: {region!r} is not a country of ISO 3166. {fix}."


@check("sms.E003")
def public_url() -> Iterator[str]:
    url = conf.get("PUBLIC_URL")
    if url and (fault := conf.public_url_fault(url)):
        yield fault


@check("sms.W003", deploy=True)
def public_url_is_known() -> Iterator[str]:
    """The last line of an SMS with a code binds it to our host. Receipts need an address."""
    if not conf.get("PUBLIC_URL") and not settings.DEBUG:
        yield (
            "PUBLIC_URL is not set. So each SMS with a code names the host localhost, and providers cannot "
            "report to us. Set it to https://your.host"
        )


@check("sms.E010")
def times() -> Iterator[str]:
    """Times must be numbers within reason."""
    waits = {f"SMS_LONGEST_WAIT[{queue!r}]": wait for queue, wait in conf.longest_wait().items()}
    for name, value in (waits | {"SMS_RECEIPT_WAIT": conf.get("SMS_RECEIPT_WAIT")}).items():
        if not _is_number(value):
            yield f"{name} must be seconds, 0 or more, such as {conf.default('SMS_RECEIPT_WAIT'):g}."
    for name in ("MESSAGE_RECORD_HOURS", "MESSAGE_LIFETIME"):
        if not _is_number(conf.get(name)) or conf.get(name) == 0:
            yield f"{name} must be a number above 0, such as {conf.default(name)}."
    for queue in sorted(set(conf.longest_wait()) - set(conf.default("SMS_LONGEST_WAIT")))[:1]:
        yield f"SMS_LONGEST_WAIT names {queue!r}, but the only queues are otp and bulk. Use these."


@check("sms.E047")
def copies() -> Iterator[str]:
    """OTPOST_COPIES must be a number of replicas."""
    found = conf.get("OTPOST_COPIES")
    if type(found) is not int or found < 0:
        yield "OTPOST_COPIES must be a whole number, 0 or more, such as 1."


@check("sms.E004")
def record_hours() -> Iterator[str]:
    """A record must outlive its message."""
    hours, lifetime = conf.get("MESSAGE_RECORD_HOURS"), conf.get("MESSAGE_LIFETIME")
    if _is_number(hours) and _is_number(lifetime) and hours * 3600 <= lifetime:
        yield (
            "MESSAGE_RECORD_HOURS must be longer than MESSAGE_LIFETIME (in seconds). "
            "If not, Otpost forgets messages that still wait."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST
