"""Who is down, who is over its rate: shared by all workers through Redis.

An alias whose calls fail is left out (its breaker is open) for a while; then one message probes it. Where
an alias has a rate, those over it stand in its line, and codes in one of their own, which goes first. The
rate is not given away beforehand but taken by each call as it begins: so it is kept however late and in
whatever bunches the messages come back. Who has waited goes before who has not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import structlog

from sms import signals
from sms.delivery.slots import Alias

log = structlog.get_logger("sms")


class Ended(NamedTuple):
    """How a call ended; the scripts count it, see includes/count_calls.lua."""

    alias: str
    country: str  # of the message
    probe: bool = False  # this ends a probe, even one that made no call
    here: bool = False  # it says something of this country alone
    good: int = 0
    bad: int = 0
    at_once: bool = False  # open the breaker now
    retry_after: float = 0.0  # seconds that the vendor asked for
    error: str = ""
    outcome: str = ""  # of a call: see "calls" in sms.tally; "": it made none, or another of these tells
    took: int = 0  # ms


def succeeded(ended: Ended) -> tuple[Ended, ...]:
    """A call reached the vendor. A probe that did says so of its country as well."""
    ended = ended._replace(good=1, bad=0)
    return (ended, ended._replace(here=True, outcome="")) if ended.probe else (ended,)


def tell(ended: Iterable[Ended], changed: Mapping[str, int]) -> None:
    """Let everybody know which breakers that opened (1) or closed (-1), by alias or ``alias:country``."""
    for call in ended:
        change = changed.get(f"{call.alias}:{call.country}" if call.here else call.alias)
        if change == 1:
            tell_left_out(call.alias, call.country if call.here else "", call.error)
        elif change == -1:
            log.warning("provider_back", alias=call.alias)
            signals.provider_back.send_robust(Alias, alias=call.alias)


def tell_left_out(alias: str, country: str, error: str) -> None:
    """One loud log line and one signal: nothing goes by ``alias`` (to ``country``) for a while."""
    log.error("provider_left_out", alias=alias, country=country, error=error)
    signals.provider_left_out.send_robust(Alias, alias=alias, country=country, error=error)
