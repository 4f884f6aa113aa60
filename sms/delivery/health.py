"""The health and the rate of each alias, which all workers share through Redis.

An alias whose calls fail is left out for a while: its breaker is open. Then one message probes it.

Messages over the rate of an alias wait in its line. Codes have a line of their own, which goes first. Each
call takes its share of the rate when it begins, not when it is scheduled. So the rate holds however late, and
in whatever bunches, messages come back. Messages that have waited go before those that have not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import structlog

from sms import signals
from sms.delivery.slots import Alias

log = structlog.get_logger("sms")


class Ended(NamedTuple):
    """How a call ended. Scripts count it, see includes/count_calls.lua."""

    alias: str
    country: str  # of the message
    probe: bool = False  # this ends a probe, even one that made no call
    here: bool = False  # it counts for this country only
    good: int = 0
    bad: int = 0
    at_once: bool = False  # open the breaker now
    retry_after: float = 0.0  # seconds that the vendor asked for
    error: str = ""
    outcome: str = ""  # see "calls" in sms.tally; "" if there was no call, or another ``Ended`` has it
    took: int = 0  # ms


def succeeded(ended: Ended) -> tuple[Ended, ...]:
    """The vendor answered a call. A probe also counts for its country."""
    ended = ended._replace(good=1, bad=0)
    return (ended, ended._replace(here=True, outcome="")) if ended.probe else (ended,)


def tell(ended: Iterable[Ended], changed: Mapping[str, int]) -> None:
    """Announce breakers that opened or closed. ``changed``: 1 or -1 by alias or ``alias:country``."""
    for call in ended:
        change = changed.get(f"{call.alias}:{call.country}" if call.here else call.alias)
        if change == 1:
            tell_left_out(call.alias, call.country if call.here else "", call.error)
        elif change == -1:
            log.warning("provider_back", alias=call.alias)
            signals.provider_back.send_robust(Alias, alias=call.alias)


def tell_left_out(alias: str, country: str, error: str) -> None:
    """Log an error and send a signal: nothing goes by ``alias`` (to ``country``, if given) for a while."""
    log.error("provider_left_out", alias=alias, country=country, error=error)
    signals.provider_left_out.send_robust(Alias, alias=alias, country=country, error=error)
