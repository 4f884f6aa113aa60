"""The pumping guard: who sends codes that nobody ever types pays for it, not the operator.

It counts sends and verifications per country, per two prefixes of the number and per address, and
caps what stays unverified by what was verified: see lua/includes/rules.lua for the rule, docs/operations.md
for its use. It is part of the scripts that issue and check codes, so it costs no round trip.
"""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import phonenumbers
import structlog

from otp import codes, conf, signals
from otp.admission.limits import NO_COUNTRY
from otp.caller import subscriber
from otp.errors import RateLimited
from otp.guard import settings as guard_settings
from otp.guard.settings import Figures, Setting
from otp.results import Refusal
from sms.phone import Phone

log = structlog.get_logger("otp")

#: Where scripts find the functions of the guard.
INCLUDES = Path(__file__).parent / "lua" / "includes"

#: Countries without proof together.
NEW = "new"

#: Money is counted in millionths, so that it stays a whole number.
MICRO = 1_000_000


#: What the guard's functions want to know of one send (includes/rules.lua); None: it is off.
Ask = dict[str, Any] | None


def ask(number: Phone, ip: str = "", *, free: bool = False, parts: int = 1) -> Ask:
    """What the guard's functions want to know of one send.

    ``ip``: the end user's address, "" where it is not known. ``free``: no SMS goes out, as for a test
    number. It is refused where others would be, so that nobody can tell, but uses up no money and no
    cap. ``parts``: as how many its text is paid. Raises ``ImproperlyConfigured``.
    """
    setting, country = guard_settings.read(), number.country or NO_COUNTRY
    return _ask(number.e164, country, address(ip), free=free, parts=parts, setting=setting)


def apply(refusal: Refusal, number: Phone, purpose: str) -> None:
    """Tell of a decision, in a log line and a signal, and raise ``RateLimited`` if it refuses.

    In the mode ``shadow``, and of what an operator allowed, this returns, and the code goes out.
    """
    words, _, scope = refusal.reason.partition(" ")
    reason, allowed = words.removeprefix("allowed-"), words.startswith("allowed-")
    facts = {"reason": reason, "scope": scope, "country": number.country, "purpose": purpose}
    enforced = mode() == "enforce" and not allowed
    if allowed:
        log.info("guard_allowed", **facts)
    else:
        seconds = max(math.ceil(refusal.wait / 1000), 1)
        log.warning("guard_refused" if enforced else "guard_would_refuse", **facts, retry_after=seconds)
    signals.guard_decided.send_robust(Figures, **facts, enforced=enforced, allowed=allowed)
    if enforced:
        raise RateLimited(
            "No code can be sent to this number now.", retry_after=seconds, code="guard", limit="guard"
        )


def scopes(e164: str, country: str) -> tuple[str, ...]:
    """What a number counts for: its country, and two prefixes that leave six and four digits open.

    The longer one is told by a ``tag``. A number with fewer than seven digits after its country code
    counts for its country alone.
    """
    end = next((n for n in (2, 3, 4) if int(e164[1:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 4)
    if len(e164) - end < 7:
        return (country,)
    return country, e164[:-6], tag(e164[:-4])


def tag(prefix: str) -> str:
    """``+491511234`` → ``+4915112~5c0f9a1e``: a keyed digest hides the last two digits of a prefix.

    The record of a message shows the last two digits of a number, so no more than the first ones up
    to the last six may stand beside them.
    """
    return tags(prefix)[0]


def tags(prefix: str) -> tuple[str, ...]:
    """The ``tag`` of a prefix under the secret of now, then under the former ones.

    Counts begin anew with a new secret; what an operator said of a range must not end with it.
    """
    digests = (codes.digest(secret, "guard", prefix)[:8] for secret in conf.phone_secrets())
    return tuple(f"{prefix[:-2]}~{digest}" for digest in digests)


def readable(scope: str) -> str:
    """The prefix behind a ``tag``, for the eyes of an operator; any other scope as it is."""
    start, hidden, _ = scope.partition("~")
    if not hidden:
        return scope
    return next((p for n in range(100) if scope in tags(p := f"{start}{n:02d}")), scope)


def address(ip: str) -> str:
    """A keyed digest that stands for an address, of IPv6 for its /64; "" for what is none."""
    try:
        return codes.digest(conf.phone_secrets()[0], "guard", subscriber(ip))
    except ValueError:
        return ""


def mode() -> str:
    """The setting ``GUARD_MODE``. Raises ``ImproperlyConfigured``."""
    return guard_settings.read().mode


def budget() -> Decimal:
    """The setting ``GUARD_BUDGET``, 0 for none. Raises ``ImproperlyConfigured``."""
    return guard_settings.read().budget


def _ask(e164: str, country: str, digest: str, *, free: bool, parts: int, setting: Setting) -> Ask:
    if setting.mode == "off":
        return None
    prefixes = [e164[:end] for end in range(len(e164) - 4, 1, -1)]
    price = setting.prices.get(country, setting.prices.get("default", Decimal(0)))
    return {
        "mode": setting.mode,
        "figures": setting.figures_json,
        "allowed": not setting.allow.isdisjoint((*prefixes, country)),
        "price": int(price * MICRO) * parts,
        "budget": int(setting.budget * MICRO),
        "address": digest,
        "phones": [codes.digest(secret, "guard-known", e164) for secret in conf.phone_secrets()],
        "counts": int(not free),
        "start": e164[:-6],
        "tags": [name for prefix in prefixes[:2] for name in tags(prefix)],
        "scopes": [NEW, *scopes(e164, country)],
    }
