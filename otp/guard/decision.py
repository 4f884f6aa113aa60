"""Whether one more send may go: what the script is asked, and what follows from its answer."""

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

#: Where scripts find the functions of the guard.
INCLUDES = Path(__file__).parent / "lua" / "includes"

#: None: the guard is off.
Ask = dict[str, Any] | None


def ask(
    number: Phone, ip: str = "", *, free: bool = False, parts: int = 1, channel: Channel = Channel.SMS
) -> Ask:
    """What includes/guard.lua wants to know of one send. Raises ``ImproperlyConfigured``.

    ``ip``: the end user's address, "" if not known. ``free``: no SMS goes out, as for a test number. It is
    refused as others are, so that nobody can tell, but uses up no money and no cap. ``parts``: billed.
    ``channel``: by which it is tried first. An e-mail address has no ranges that could be pumped, so only its
    money counts.
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
    coarse, fine = e164[:-6], tags(e164[:-4])  # the prefixes that leave six and four digits open
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
    """The same, with the price of the dearest of ``channels``: by any of them the message may go before
    anybody asks again. What it does not cost is given back: see ``otp.guard.paid``.
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
    """Whether a number counts for its prefixes too: with seven digits or more after its country code."""
    national = next((n for n in (2, 3) if int(e164[1:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 4)
    return len(e164) - national >= 7


def tags(prefix: str) -> tuple[str, ...]:
    """``+491511234`` → ``+4915112~5c0f9a1e``: a keyed digest hides the last two digits of a prefix.

    The record of a message shows the last two digits of a number; only those before its last six may stand
    beside them. Sends count under the first tag, of the secret of now; rules hold under former ones too.
    """
    shown = prefix[:-2]
    return tuple(f"{shown}~{codes.digest(secret, 'guard', prefix)[:8]}" for secret in conf.phone_secrets())


def address(ip: str) -> str:
    """A keyed digest that stands for an address, of IPv6 for its /64; "" for what is none."""
    try:
        return codes.digest(conf.phone_secrets()[0], "guard", subscriber(ip)) if ip else ""
    except ValueError:
        return ""


def apply(refusal: Refusal | None, number: Phone, purpose: str) -> None:
    """Log and signal a decision. Raise ``RateLimited``, unless in shadow mode or an operator allowed it."""
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
