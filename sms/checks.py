"""System checks of the SMS settings: what is wrong, and how to mend it."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning
from django.core.exceptions import ImproperlyConfigured

from sms import conf, destinations, registry, routing
from sms.declared import register
from sms.delivery import health
from sms.providers.base import Provider
from sms.seal import seal

#: What a time is under, in whatever unit.
_MOST = 10**9
#: The tag of what asks the servers: workers ask it as they start, other commands with --deploy.
SERVERS = "servers"


@register(Tags.security)
def seal_keys(**_: Any) -> list[CheckMessage]:
    """SMS_SEAL_KEYS must hold Fernet keys."""
    try:
        seal({})
    except ImproperlyConfigured as error:
        return [Error(str(error), id="sms.E001")]
    if any(len(set(key)) < 8 for key in conf.get("SMS_SEAL_KEYS")):
        return [Error("SMS_SEAL_KEYS must be random. `manage.py secrets` prints one.", id="sms.E001")]
    return []


@register()
def providers(**_: Any) -> list[CheckMessage]:
    """SMS_PROVIDERS must name providers with options that they have."""
    try:
        registry.providers()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="sms.E002")]
    return []


@register()
def routes(**_: Any) -> list[CheckMessage]:
    """SMS_ROUTES must name aliases of SMS_PROVIDERS, SMS_BREAKER figures that exist."""
    found: list[CheckMessage] = []
    try:
        routing.all_routes()
    except ImproperlyConfigured as error:
        found.append(Error(str(error), id="sms.E005"))
    try:
        figures = health.breaker()
        good = figures.window > 0 and 0 < figures.share <= 1 and figures.fewest >= 1 and figures.pause > 0
        if not (good and all(map(_is_number, astuple(figures)))):
            raise ValueError
    except (TypeError, ValueError):
        found.append(
            Error(
                "SMS_BREAKER takes window and pause (seconds over 0), share (over 0, at most 1) and "
                "fewest (1 or more).",
                id="sms.E006",
            )
        )
    return found


@register()
def where_to(**_: Any) -> list[CheckMessage]:
    """SMS_DESTINATIONS must name countries, prefixes and kinds that exist."""
    try:
        destinations.configured()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="sms.E008")]
    return []


@register()
def phone_region(**_: Any) -> list[CheckMessage]:
    """PHONE_REGION must be a country: in another no national number can be read."""
    region = conf.get("PHONE_REGION")
    if region == "" or (isinstance(region, str) and region.upper() in phonenumbers.SUPPORTED_REGIONS):
        return []
    mend = "Write GB" if region in ("UK", "uk") else "Write one such as US, or nothing"
    return [Error(f"PHONE_REGION: {region!r} is no country of ISO 3166. {mend}.", id="sms.E011")]


@register(Tags.security)
def countries_are_named(**_: Any) -> list[CheckMessage]:
    """Who may have SMS sent to any country at your cost will do so: SMS pumping, toll fraud.

    Not with ``--deploy`` alone: whoever does not ask would learn it from the bill.
    """
    try:
        paid = [p.alias for p in registry.providers().values() if p.scheme not in conf.FREE]
        named = destinations.configured().named
    except ImproperlyConfigured:
        return []  # the checks above say it
    if paid and not named and not settings.DEBUG:
        return [
            Error(
                f"SMS_DESTINATIONS names no country, and {paid[0]} costs money. Name those that your "
                "users live in, as DE,AT,CH, or * if it is the whole world.",
                id="sms.E009",
            )
        ]
    return []


@register()
def receipts_can_be_verified(**_: Any) -> list[CheckMessage]:
    """Without a secret every receipt is refused, so nobody learns that a code did not arrive."""
    try:
        found = registry.providers().values()
    except ImproperlyConfigured:
        return []
    return [
        Warning(
            f"SMS_PROVIDERS: {provider.alias} has no secret for its receipts, so all of them are refused. "
            f"Give it {provider.receipt_option}=.",
            id="sms.W004",
        )
        for provider in found
        if type(provider).parse_receipts is not Provider.parse_receipts and not provider.takes_receipts
    ]


@register()
def public_url(**_: Any) -> list[CheckMessage]:
    """PUBLIC_URL must be an address with a host and no path."""
    url = conf.get("PUBLIC_URL")
    fault = conf.public_url_fault(url) if url else ""
    return [Error(fault, id="sms.E003")] if fault else []


@register()
def times(**_: Any) -> list[CheckMessage]:
    """How long something waits or is kept must be a number that a clock can reach."""
    waits = {f"SMS_LONGEST_WAIT[{queue!r}]": wait for queue, wait in conf.longest_wait().items()}
    waits["SMS_RECEIPT_WAIT"] = conf.get("SMS_RECEIPT_WAIT")
    kept = {name: conf.get(name) for name in ("MESSAGE_RECORD_HOURS", "MESSAGE_LIFETIME")}
    texts = [
        f"{name} must be seconds, 0 or more, such as {conf.default('SMS_RECEIPT_WAIT'):g}."
        for name, value in waits.items()
        if not _is_number(value)
    ]
    texts += [
        f"{name} must be a number over 0, such as {conf.default(name)}."
        for name, value in kept.items()
        if not _is_number(value) or value == 0
    ]
    if unknown := set(conf.longest_wait()) - set(conf.default("SMS_LONGEST_WAIT")):
        texts.append(f"SMS_LONGEST_WAIT has no queue {unknown.pop()!r}. Its queues are otp and bulk.")
    return [Error(text, id="sms.E010") for text in texts]


def _is_number(value: object) -> bool:
    """Whether it is one, not negative, and not over thirty years of seconds. True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _MOST


@register()
def record_hours(**_: Any) -> list[CheckMessage]:
    """A record must outlive its message."""
    if not all(_is_number(conf.get(name)) for name in ("MESSAGE_RECORD_HOURS", "MESSAGE_LIFETIME")):
        return []  # the check above says it
    if conf.get("MESSAGE_RECORD_HOURS") * 3600 <= conf.get("MESSAGE_LIFETIME"):
        return [
            Error(
                "MESSAGE_RECORD_HOURS must be longer than MESSAGE_LIFETIME (in seconds), "
                "or a message is forgotten while it still waits.",
                id="sms.E004",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def real_providers(**_: Any) -> list[CheckMessage]:
    """What is for development prints, keeps or shows codes in clear."""
    try:
        found = registry.providers().values()
    except ImproperlyConfigured:
        return []  # the check above says it
    toys = sorted({p.scheme for p in found} & {"console", "memory", "sandbox"})
    if toys and not settings.DEBUG:
        return [
            Warning(
                f"SMS_PROVIDERS names {', '.join(toys)}, which sends nothing and is for development. "
                "Name a real provider.",
                id="sms.W001",
            )
        ]
    return []


@register(deploy=True)
def public_url_is_known(**_: Any) -> list[CheckMessage]:
    """The last line of an SMS binds its code to our host, and receipts need an address."""
    if not conf.get("PUBLIC_URL") and not settings.DEBUG:
        return [
            Warning(
                "PUBLIC_URL is not set: SMS end with @localhost, and no provider can report to us. "
                "Set it to https://your.host",
                id="sms.W003",
            )
        ]
    return []
