"""Decide whether one more send may go: build the question for the script, and act on its answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import phonenumbers
import structlog

from otp import codes, conf, signals
from otp.admission.limits import NO_COUNTRY
from otp.caller import subscriber
from otp.errors import RateLimited
from otp.guard import settings
from otp.results import Refusal
from sms.message import Channel
from sms.phone import Phone

log = structlog.get_logger("otp")

#: The folder of the guard's includes for scripts.
INCLUDES = Path(__file__).parent / "lua" / "includes"

#: None: the guard is off.
Ask = dict[str, Any] | None


def ask(
    number: Phone, ip: str = "", *, free: bool = False, parts: int = 1, channel: Channel = Channel.SMS
) -> Ask:
    """Describe one send for includes/guard.lua. Returns None if the guard is off, or has nothing to count.

    ``ip``: the end user's address, "" if unknown. ``free``: no SMS goes out, as for a test number. Such a
    send is refused like others, so that nobody can tell it apart, but uses no money and no cap. ``parts``:
    how many are billed. ``channel``: the first to be tried. An e-mail address has no ranges to pump, so only
    its money counts. Raises ``ImproperlyConfigured``.
    """
    setting = settings.read()
    if setting.mode == "off":
        return None
    e164, country = number.e164, number.country or NO_COUNTRY
    price = setting.cost(country, channel, parts)
    asked = {
        "mode": setting.mode,
        "figures": vars(setting.figures),
        "price": price,
        "reserved": price,
        "budget": int(setting.budget * settings.MICRO),
        "counts": int(not free),
        "country": country,
    }
    if number.is_email:
        return asked | {"address": "", "phones": []} if price else None
    coarse, fine = e164[:-6], tags(e164[:-4])  # prefixes that leave six and four digits open
    asked |= {
        "allowed": _allowed(setting.allow, e164, country),
        "address": address(ip),
        "phones": [codes.digest(secret, "guard-known", e164) for secret in conf.phone_secrets()],
        "start": coarse,
        "tags": fine + tags(e164[:-5]),
    }
    if _has_ranges(e164):
        asked |= {"coarse": coarse, "fine": fine[0]}
    return asked


def reserving(ask: Ask, parts: int, channels: Sequence[Channel]) -> Ask:
    """Return ``ask`` with the price of the dearest of ``channels`` reserved.

    The message may move on to any of them without another look at the budget. ``otp.guard.paid`` gives back
    the rest.
    """
    if ask is None:
        return None
    setting = settings.read()
    return ask | {"reserved": max(setting.cost(ask["country"], channel, parts) for channel in channels)}


def _allowed(scopes: frozenset[str], e164: str, country: str) -> bool:
    """Whether ``scopes`` name the country, or a prefix that leaves at least four digits open."""
    prefixes = (e164[:end] for end in range(2, len(e164) - 3))
    return bool(scopes) and not scopes.isdisjoint((country, *prefixes))


def _has_ranges(e164: str) -> bool:
    """Whether a number counts for its prefixes: it has at least seven digits after the country code."""
    national = next((n for n in (2, 3) if int(e164[1:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 4)
    return len(e164) - national >= 7


def tags(prefix: str) -> tuple[str, ...]:
    """Hide the last two digits of a prefix behind a keyed digest: ``+491511234`` → ``+4915112~5c0f9a1e``.

    The record of a message shows the last two digits of a number. So that the two together never give the
    number away, a tag shows only the digits before the number's last six.

    Returns one tag for each secret, the newest first. Sends count under the first; rules hold under all of
    them.
    """
    shown = prefix[:-2]
    return tuple(f"{shown}~{codes.digest(secret, 'guard', prefix)[:8]}" for secret in conf.phone_secrets())


def address(ip: str) -> str:
    """The keyed digest of an IP address, for IPv6 of its /64; "" if it cannot be parsed."""
    try:
        return codes.digest(conf.phone_secrets()[0], "guard", subscriber(ip)) if ip else ""
    except ValueError:
        return ""


def apply(refusal: Refusal | None, number: Phone, purpose: str) -> None:
    """Log and signal a decision. Raises ``RateLimited`` unless in shadow mode, or allowed by an operator."""
    if refusal is None:
        return
    words, _, scope = refusal.reason.partition(" ")
    reason, allowed = words.removeprefix("allowed-"), words.startswith("allowed-")
    facts = {"reason": reason, "scope": scope, "country": number.country, "purpose": purpose}
    enforced = not allowed and settings.read().mode == "enforce"
    seconds = max(math.ceil(refusal.wait / 1000), 1)
    if allowed:
        log.info("guard_allowed", **facts)
    else:
        log.warning("guard_refused" if enforced else "guard_would_refuse", **facts, retry_after=seconds)
    signals.guard_decided.send_robust(settings.Figures, **facts, enforced=enforced, allowed=allowed)
    if enforced:
        raise RateLimited(
            "No code can be sent to this number now.", retry_after=seconds, code="guard", limit="guard"
        )
