"""What ``manage.py guard`` and the dashboard show of the guard, and can change.

Everything here raises ``sms.errors.Unavailable`` without Redis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import phonenumbers
import structlog

from otp.admission.limits import NO_COUNTRY
from otp.guard import settings
from otp.guard.decision import tags
from otp.names import GUARD, GUARD_RULES, IN_LUA, key
from sms import scripts, stand_in
from sms.errors import Unavailable
from sms.scripts import Script

log = structlog.get_logger("otp")

_LUA = Path(__file__).parent / "lua"
_REPORT, _RULE, _STANDING = (
    Script(_LUA / f"{name}.lua", includes=(scripts.INCLUDES,), keys=IN_LUA)
    for name in ("report", "rule", "standing")
)

#: Scopes read by one script, so that it takes only some milliseconds of the server.
_AT_ONCE = 500

#: The scope that all new countries share: those with too few verified codes.
NEW = "new"

#: The scope of refusals by the budget.
BUDGET = "all"

#: Scopes to look at even if they refused nothing.
WIDE = (NEW, NO_COUNTRY, *phonenumbers.SUPPORTED_REGIONS)

#: Ranges and addresses, last found over their cap, that are shown without a scan.
MOST_NOTICED = 100

#: Names of the kinds by their number in lua/includes/counts.lua. Scopes of the last kind exist only through a
#: rule, or for refusals by the budget.
KINDS = ("", NEW, "country", "prefix", "prefix", "address", "rule")


@dataclass(frozen=True, slots=True)
class Window:
    """Counts of a sliding window. Sends that may still be verified count partly as unverified."""

    sends: float
    verified: float
    unverified: float
    cap: float  # on unverified


@dataclass(frozen=True, slots=True)
class Row:
    """One scope: a country, a +prefix or its tag, ``new``, ``ip:`` and a digest, or ``all`` (the budget)."""

    scope: str
    kind: str
    hour: Window
    day: Window
    fortnight: Window
    refused: float  # in a day; in shadow mode, how many would have been
    over: str  # the first window over its cap: hour, day, fortnight; "" if none
    rule: str = ""  # the operator's: allow or block; "" if none
    rule_until: float = 0.0  # seconds since the epoch

    @property
    def matters(self) -> bool:
        """Whether the scope is worth showing."""
        return self.kind in (NEW, "country") or bool(self.rule or self.over) or self.refused >= 1

    @property
    def state(self) -> str:
        if self.rule == "block" and settings.read().mode != "enforce":
            return "would be blocked"
        if self.rule:
            return f"{self.rule}ed"
        return f"over {self.over}" if self.over else "ok"


@dataclass(frozen=True, slots=True)
class Standing:
    spent: Decimal  # on this day (UTC)
    over: Mapping[str, int]  # kind → scopes over their cap; of ranges and addresses only the latest


def rows() -> list[Row]:
    """All scopes with counts or a rule, the widest first."""
    _, rules = _rules()
    with scripts.client() as redis:
        keys = list(redis.scan_iter(key(GUARD + "*"), count=1000))
    return _rows(keys, rules)


def noticed() -> list[Row]:
    """The rows worth showing; of ranges and addresses, only the latest that were over their cap.

    Needs no scan of the server: two round trips.
    """
    with scripts.client() as redis:
        pipe = redis.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(key(GUARD_RULES))
        pipe.zrevrange(key(IN_LUA["GUARD_OVER"]), 0, MOST_NOTICED - 1)
        (seconds, _), found, over = pipe.execute()
    rules = _read_rules(found, seconds)
    known = (*WIDE, BUDGET, *rules, *map(bytes.decode, over))
    keys = [key(GUARD + scope) for scope in dict.fromkeys(known)]
    return [row for row in _rows(keys, rules) if row.matters]


def _rows(keys: list[Any], rules: dict[str, tuple[str, float]]) -> list[Row]:
    shown = []
    for some in _batches(keys):
        answer = _REPORT.ask(some, {"figures": vars(settings.read().figures)})
        shown += [_row(entry, rules) for entry in answer["scopes"]]
    nothing = Window(0, 0, 0, 0)
    known = {row.scope for row in shown}
    shown += [
        Row(scope, "rule", nothing, nothing, nothing, 0, "", word, until)
        for scope, (word, until) in rules.items()
        if "~" not in scope and known.isdisjoint(_names(scope))
    ]
    return sorted(shown, key=lambda row: (KINDS.index(row.kind), -row.day.sends, row.scope))


def standing() -> Standing:
    """The guard's present state. One round trip."""
    found = _STANDING.ask((), {"figures": vars(settings.read().figures), "wide": WIDE})
    kinds = [KINDS[number] for number in found.get("over", ())]
    spent = Decimal(found["spent"]) / settings.MICRO
    return Standing(spent, {kind: kinds.count(kind) for kind in dict.fromkeys(KINDS[1:-1])})


def rule(scope: str, word: str, hours: float) -> datetime:
    """``allow`` or ``block`` a country or prefix for some hours. Returns when the rule ends."""
    lasts = int(hours * 3_600_000)
    for name in _names(scope):
        now = _say(name, word, lasts)["now"]
    until = datetime.fromtimestamp((now + lasts) / 1000, UTC)
    log.warning("guard_rule_set", rule=word, scope=scope, until=until.isoformat(timespec="seconds"))
    return until


def carry_rules() -> None:
    """Copy the rules of prefixes to the newest secret, so that they survive its rotation."""
    now, rules = _rules()
    for scope, (word, until) in rules.items():
        if scope[0] == "+" and "~" not in scope and (tag := tags(scope)[0]) not in rules:
            _say(tag, word, int((until - now) * 1000))


def release(scope: str) -> bool:
    """End the rule of a scope and forgive its unverified sends. False if nothing was known of it."""
    keys: list[Any] = [key(GUARD + scope)]
    if scope.startswith("+"):
        within = (scope, *(f"{scope}{digit}" for digit in range(10)))
        keys = [key(GUARD + name) for prefix in within for name in tags(prefix)]
        with scripts.client() as redis:
            keys += redis.scan_iter(key(f"{GUARD}{scope}*"), count=1000)
    told = [_say(name, "release") for name in _names(scope)]
    told += [_say(scope, "release", within=some) for some in _batches(keys)]
    released = any(answer["released"] for answer in told)
    if released:
        log.warning("guard_released", scope=scope)
    return released


def readable(scope: str) -> str:
    """Return the prefix behind a tag, for operators. Any other scope is returned unchanged."""
    shown, hidden, _ = scope.partition("~")
    if not hidden:
        return scope
    return next((p for n in range(100) if scope in tags(p := f"{shown}{n:02d}")), scope)


def _say(scope: str, word: str, lasts: int = 0, within: Sequence[Any] = ()) -> dict[str, Any]:
    """Give an order about a scope to the first server and to the stand-in, so that it holds on whichever has
    the hub. A server that is away misses it.

    ``lasts``: ms. ``within``: keys of the scopes whose unverified sends a release forgives.
    """
    keys, args = (key(GUARD_RULES), *within), {"scope": scope, "word": word, "lasts": lasts}
    answers, errors = [], []
    for server in filter(None, (stand_in.first(), stand_in.other())):
        try:
            answers.append(_RULE.ask(keys, args, server=server))
        except Unavailable as error:
            errors.append(error)
    if not answers:
        raise errors[0]
    if errors:
        log.error("guard_order_missed", rule=word, scope=scope)
    return answers[0] | {"released": any(answer.get("released") for answer in answers)}


def _names(scope: str) -> tuple[str, ...]:
    """The names under which a rule is kept: a prefix, and its tags. Long prefixes are looked up by tag."""
    return (scope, *tags(scope)) if scope.startswith("+") else (scope,)


def _batches(keys: list[Any]) -> list[tuple[Any, ...]]:
    return [tuple(keys[first : first + _AT_ONCE]) for first in range(0, len(keys), _AT_ONCE)]


def _row(entry: dict[str, Any], rules: dict[str, tuple[str, float]]) -> Row:
    scope, kind = entry["key"].removeprefix(key(GUARD)), KINDS[entry["kind"]]
    hour, day, fortnight = (Window(**entry[name]) for name in ("hour", "day", "fortnight"))
    over = "" if kind == "rule" else entry.get("over", "")
    return Row(scope, kind, hour, day, fortnight, entry["refused"], over, *rules.get(scope, ("", 0.0)))


def _rules() -> tuple[int, dict[str, tuple[str, float]]]:
    """The server's time, and each rule in force as (word, end). Both in seconds since the epoch."""
    with scripts.client() as redis:
        seconds, _ = redis.time()
        found = redis.hgetall(key(GUARD_RULES))
    return seconds, _read_rules(found, seconds)


def _read_rules(found: Mapping[bytes, bytes], seconds: int) -> dict[str, tuple[str, float]]:
    rules = {}
    for scope, text in found.items():
        word, _, until = text.decode().partition(" ")
        if int(until) > seconds * 1000:
            rules[scope.decode()] = (word, int(until) / 1000)
    return rules
