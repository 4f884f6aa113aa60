"""Who is down, who is over its rate: shared by all workers through Redis.

An alias whose calls fail is left out (its breaker is open) until a pause is over; then one message
probes it. Where an alias has a rate, those over it stand in its line, and codes in one of their own, which
goes first. The rate is not given away
beforehand but taken by each call as it begins: it holds however late and in whatever bunches the
messages come back, and who comes late finds what the others left. Who has waited goes before who
has not. The script that claims a message chooses; after a failure another chooses once more.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog

from sms import conf, segments, signals, store
from sms.delivery.slots import Alias
from sms.errors import Unavailable
from sms.names import HEALTH, LINE, RATE, RECORD, key
from sms.records import Claim
from sms.registry import aliases
from sms.routing import Route

log = structlog.get_logger("sms")

#: Seconds after which the next probe may go although the last one never ended: a lease.
PROBE = 30.0

#: Seconds after which a message that nobody may be asked for looks again at the latest: a breaker may
#: close long before its time is over.
LATER = 3.0

_CHOOSE, _REPORT = store.script("choose"), store.script("report")


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer of ``choose``. Without an alias, ask again in ``wait`` seconds.

    With an alias and a ``wait``, the message stands in its line: ask again after that, with ``turn``.
    """

    alias: Alias | None
    wait: float = 0.0
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Breaker:
    """When an alias is left out: the setting ``SMS_BREAKER``. Times in seconds."""

    window: float = 30.0  # outcomes that count
    share: float = 0.5  # of bad ones that opens
    fewest: int = 5  # bad ones that open
    pause: float = 20.0  # until a probe

    @property
    def figures(self) -> dict[str, float]:
        """As the scripts want them."""
        return {
            "window": int(self.window * 1000),
            "share": self.share,
            "fewest": self.fewest,
            "pause": int(self.pause * 1000),
        }


def breaker() -> Breaker:
    """The configured figures. Raises ``TypeError`` for one that does not exist."""
    return _breaker(tuple(conf.get("SMS_BREAKER").items()))


@lru_cache(maxsize=8)
def _breaker(figures: tuple[tuple[str, Any], ...]) -> Breaker:
    return Breaker(**dict(figures))


_good: Counter[str] = Counter()
_lock = threading.Lock()


def claim(message_id: str, queues: Sequence[str]) -> Claim:
    """``store.claim`` for what this worker may call now."""
    figures = able()
    try:
        return store.claim(message_id, queues, figures)
    except Unavailable:
        with _lock:
            _good.update(figures["good"])  # they count with the next one
        raise


def able() -> dict[str, Any]:
    """What this worker may call now, for ``store.claim``."""
    known = aliases()
    Alias.wait_for_slot(list(known.values()))
    return _figures() | {"aliases": {name: alias.able for name, alias in known.items()}}


def _figures() -> dict[str, Any]:
    """What every choice has to know, and the good outcomes that it counts."""
    global _good
    with _lock:
        good, _good = _good, Counter()
    return {
        "breaker": breaker().figures,
        "probe": int(PROBE * 1000),
        "later": int(LATER * 1000),
        "good": good,
    }


def choose(
    message_id: str,
    candidates: Sequence[Alias],
    country: str,
    body: str,
    *,
    attempt: int | None = None,
    turn: str = "",
    patience: float = 0.0,
    queue: str = store.BULK_QUEUE,
    held: bool = True,
) -> Choice:
    """The first of ``candidates`` that may be called now, noted in the record. One round trip.

    ``attempt``: none may be called if the message expired, is unwanted, or another attempt has it.
    ``turn``: the alias in whose line it has waited. ``patience``: seconds that the message may wait
    for its turn; over them it gets no place in a line. ``queue``: its own. ``held``: if it has to wait, it
    is for an alias, and stands in nobody's way meanwhile (see includes/choice.lua). Raises ``Unavailable``.
    """
    parts = segments.count(body)
    args = _figures() | {
        "id": message_id,
        "turn": turn,
        "patience": int(patience * 1000),
        "line": queue,
        "country": country,
        "held": held,
        "candidates": [{"alias": alias.name, "takes": alias.takes(parts) * 1000} for alias in candidates],
    }
    if attempt is not None:
        args["attempt"] = attempt
    name, wait, probe = _CHOOSE((key(RECORD + message_id),), (json.dumps(args),))
    found = {alias.name: alias for alias in candidates}.get(name.decode())
    return Choice(found, wait / 1000, bool(probe))


def outlook(route: Route, country: str, parts: int, queue: str) -> list[dict[str, Any]]:
    """What tells how long a message has to wait for the aliases of ``route``: see includes/overload.lua."""
    known = aliases()
    found = []
    for hop in (hop for step in route for hop in step):
        health, there, rate, line, codes = _keys(hop.alias, country, queue)
        takes = known[hop.alias].takes(parts) * 1000
        found.append(
            {"health": health, "there": there, "rate": rate, "line": line, "codes": codes, "takes": takes}
        )
    return found


def _keys(alias: str, country: str, queue: str) -> tuple[str, ...]:
    lines = (key(f"{LINE}{alias}:{name}") for name in (queue, store.OTP_QUEUE))
    return key(HEALTH + alias), key(f"{HEALTH}{alias}:{country}"), key(RATE + alias), *lines


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended, or what comes of that in one country; the scripts count it."""

    alias: str
    country: str = ""  # "": everywhere
    good: bool = False
    bad: bool = False
    at_once: bool = False  # open the breaker now
    hold: float = 0.0  # seconds that the vendor asked for
    error: str = ""
    probed: str | None = None  # the country of the message if it was a probe

    @property
    def call(self) -> dict[str, Any]:
        """As the scripts want it: see includes/report.lua."""
        return {
            "health": f"{self.alias}:{self.country}" if self.country else self.alias,
            "probes": [] if self.probed is None else [self.alias, f"{self.alias}:{self.probed}"],
            "good": int(self.good),
            "bad": int(self.bad),
            "at_once": self.at_once,
            "hold": int(self.hold * 1000),
        }

    def tell(self, changed: int) -> None:
        """Let everybody know if that opened (1) or closed (-1) a breaker."""
        if changed > 0:
            tell_left_out(self.alias, self.country, self.error)
        elif changed < 0:
            log.warning("provider_back", alias=self.alias)
            signals.provider_back.send_robust(Alias, alias=self.alias)


def succeeded(alias: str, country: str, *, probe: bool) -> tuple[Ended, ...]:
    """A call worked. It is counted with the next choice; that of a probe is returned, to be counted now."""
    if probe:
        return Ended(alias, good=True), Ended(alias, country, good=True)
    with _lock:
        _good[alias] += 1
    return ()


def failed(
    alias: str,
    country: str = "",
    *,
    at_once: bool = False,
    hold: float = 0.0,
    error: str = "",
    probed: str | None = None,
    refused: tuple[str, int] | None = None,
) -> None:
    """A call failed, or with ``country`` something that concerns this country alone.

    ``at_once``: open the breaker now. ``hold``: seconds that the vendor asked for. ``probed``: the
    country of the message if the call was a probe; the next one need not wait for its end any more.
    ``refused``: the message and its attempt, if the alias has definitely not taken it.
    """
    _report(Ended(alias, country, bad=True, at_once=at_once, hold=hold, error=error, probed=probed), refused)


def not_probed(alias: str, country: str) -> None:
    """A probe was not made: the next one need not wait for its end."""
    _report(Ended(alias, probed=country))


def tell_left_out(alias: str, country: str, error: str) -> None:
    """One loud log line and one signal: nothing goes by ``alias`` (to ``country``) for a while."""
    log.error("provider_left_out", alias=alias, country=country, error=error)
    signals.provider_left_out.send_robust(Alias, alias=alias, country=country, error=error)


def _report(ended: Ended, refused: tuple[str, int] | None = None) -> None:
    message_id, attempt = refused or ("", 0)
    args = {"call": ended.call, "breaker": breaker().figures} | ({"refused": attempt} if refused else {})
    with suppress(Unavailable):  # what becomes of the message matters more, and is written down next
        ended.tell(_REPORT((key(RECORD + message_id),), (json.dumps(args),)))
