"""Which aliases are down or over their rate, shared by all workers through Redis.

An alias whose calls fail is left out for a while: its breaker is open. Then one message probes it. If an
alias has a rate, messages over it wait in its line. Codes have their own line, which goes first. The rate is
not assigned ahead of time: each call takes its part when it begins. So the rate holds however late and in
whatever bursts messages come back. Messages that have waited go before newcomers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import structlog

from sms import signals
from sms.delivery.slots import Alias

log = structlog.get_logger("sms")


class Ended(NamedTuple):
    """How a call ended, for the scripts: see includes/count_calls.lua."""

    alias: str
    country: str  # of the message
    probe: bool = False  # this ends a probe, even without a call
    here: bool = False  # it concerns this country alone
    good: int = 0
    bad: int = 0
    at_once: bool = False  # open the breaker now
    retry_after: float = 0.0  # seconds, as the vendor asked
    error: str = ""
    outcome: str = ""  # see "calls" in sms.tally; "" if no call was made, or another entry has it
    took: int = 0  # ms


def succeeded(ended: Ended) -> tuple[Ended, ...]:
    """The results of a call that reached the vendor. A probe counts for its country as well."""
    ended = ended._replace(good=1, bad=0)
    return (ended, ended._replace(here=True, outcome="")) if ended.probe else (ended,)


def tell(ended: Iterable[Ended], changed: Mapping[str, int]) -> None:
    """Log and signal the breakers that opened (1) or closed (-1), by alias or ``alias:country``."""
    for call in ended:
        change = changed.get(f"{call.alias}:{call.country}" if call.here else call.alias)
        if change == 1:
            tell_left_out(call.alias, call.country if call.here else "", call.error)
        elif change == -1:
            log.warning("provider_back", alias=call.alias)
            signals.provider_back.send_robust(Alias, alias=call.alias)


def tell_left_out(alias: str, country: str, error: str) -> None:
    """Log and signal once that ``alias`` (to ``country``) is left out for a while."""
    log.error("provider_left_out", alias=alias, country=country, error=error)
    signals.provider_left_out.send_robust(Alias, alias=alias, country=country, error=error)
