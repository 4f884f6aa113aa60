"""Who is down, who is over its rate: shared by all workers through Redis.

An alias whose calls fail is left out (its breaker is open) until a pause is over; then one message
probes it. Where an alias has a rate, those over it stand in its line, and codes in one of their own, which
goes first. The rate is not given away
beforehand but taken by each call as it begins: it holds however late and in whatever bunches the
messages come back, and who comes late finds what the others left. Who has waited goes before who
has not. Every worker learns all of it from one script, which runs once per call.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from sms import conf, segments, signals, store
from sms.errors import Unavailable
from sms.names import DRAINED, HEALTH, LINE, RATE, RECORD, WAITING, key
from sms.registry import Alias, aliases
from sms.routing import Route
from sms.scripts import Script

log = structlog.get_logger("sms")

#: Seconds after which the next probe may go although the last one never ended: a lease.
PROBE = 30.0

#: Seconds after which a message that nobody may be asked for looks again at the latest: a breaker may
#: close long before its time is over.
LATER = 3.0

_LUA = Path(__file__).parent.parent / "lua"
_ROUTE = Script(_LUA / "route.lua")
_REPORT = Script(_LUA / "report.lua")


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
    def figures(self) -> tuple[float, ...]:
        """As the scripts want them."""
        return (int(self.window * 1000), self.share, self.fewest, int(self.pause * 1000))


def breaker() -> Breaker:
    """The configured figures. Raises ``TypeError`` for one that does not exist."""
    return _breaker(tuple(conf.get("SMS_BREAKER").items()))


@lru_cache(maxsize=8)
def _breaker(figures: tuple[tuple[str, Any], ...]) -> Breaker:
    return Breaker(**dict(figures))


_good: Counter[str] = Counter()
_lock = threading.Lock()


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
    is for an alias, and stands in nobody's way meanwhile (see create.lua). Raises ``Unavailable``.
    """
    keys = [key(RECORD + message_id)]
    values: list[Any] = [
        message_id,
        "" if attempt is None else attempt,
        turn,
        int(patience * 1000),
        int(PROBE * 1000),
        *breaker().figures,
        int(LATER * 1000),
        int(held),
    ]
    with _lock:
        good = [_good.pop(alias.name, 0) for alias in candidates]
    for alias, count in zip(candidates, good, strict=True):
        keys += _keys(alias.name, country, queue)
        values += [alias.name, count, alias.takes(segments.count(body)) * 1000]
    values += [key(WAITING), key(DRAINED)]
    index, wait, probe = _ROUTE(tuple(keys), values)
    return Choice(candidates[index - 1] if index else None, wait / 1000, bool(probe))


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


def succeeded(alias: str, country: str, *, probe: bool) -> None:
    """A call worked. It is counted with the next choice, a probe at once."""
    if not probe:
        with _lock:
            _good[alias] += 1
        return
    for name in (alias, f"{alias}:{country}"):
        if _report(name, good=1) < 0:
            log.warning("provider_back", alias=alias)
            signals.provider_back.send_robust(Alias, alias=alias)


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
    name = f"{alias}:{country}" if country else alias
    probes = () if probed is None else (alias, f"{alias}:{probed}")
    if _report(name, *probes, bad=1, at_once=at_once, hold=hold, refused=refused) > 0:
        tell_left_out(alias, country, error)


def not_probed(alias: str, country: str) -> None:
    """A probe found no slot: the next one need not wait for its end."""
    _report(alias, alias, f"{alias}:{country}")


def tell_left_out(alias: str, country: str, error: str) -> None:
    """One loud log line and one signal: nothing goes by ``alias`` (to ``country``) for a while."""
    log.error("provider_left_out", alias=alias, country=country, error=error)
    signals.provider_left_out.send_robust(Alias, alias=alias, country=country, error=error)


def _report(
    name: str,
    *probes: str,
    good: int = 0,
    bad: int = 0,
    at_once: bool = False,
    hold: float = 0.0,
    refused: tuple[str, int] | None = None,
) -> int:
    message_id, attempt = refused or ("", "")
    keys = tuple(map(key, (HEALTH + name, RECORD + message_id, *(HEALTH + probe for probe in probes))))
    values = (good, bad, int(at_once), int(hold * 1000), *breaker().figures, attempt)
    try:
        return int(_REPORT(keys, values))
    except Unavailable:
        return 0  # what becomes of the message matters more, and is written down next
