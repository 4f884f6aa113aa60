"""Orders of an operator to the guard, by command line or dashboard: allow, block or release a scope."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from otp.guard import report, settings

#: Default duration of a rule, in hours. Permanent rules belong in GUARD_ALLOW.
BLOCK, ALLOW = 24.0, 30 * 24.0
LONGEST = 366 * 24.0

WORDS = ("allow", "block", "release")


class BadOrder(ValueError):
    """The order cannot be carried out; the text says why."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of an order. ``str()`` makes a sentence of it."""

    what: str
    until: datetime | None = None
    but: str = ""  # why it has no effect; "" if it has

    def __str__(self) -> str:
        until = f" until {self.until.isoformat(timespec='seconds')}" if self.until else ""
        return f"{self.what}{until}{self.but}."


def carry_out(word: str, scope: str, hours: float | None = None) -> Done:
    """Carry out one of ``WORDS``. Raises ``BadOrder``, and ``Unavailable`` without Redis."""
    other = word == "release" and (scope == report.NEW or scope.startswith("ip:"))
    if problem := "" if other else settings.scope_problem(scope):
        raise BadOrder(f"{scope!r} is not a scope: {problem}.")
    if word == "release":
        if not report.release(scope):
            raise BadOrder(f"Nothing is known of {scope}. `manage.py guard --all` shows all known scopes.")
        return Done(f"{scope} is released")
    hours = hours if hours is not None else BLOCK if word == "block" else ALLOW
    if not 0 < hours <= LONGEST:
        raise BadOrder(f"hours must be over 0 and at most {LONGEST:.0f}.")
    until = report.rule(scope, word, hours)
    if word == "block" and (mode := settings.read().mode) != "enforce":
        return Done(f"{scope} would be blocked", until, f"; GUARD_MODE is {mode}, so codes still go there")
    return Done(f"{scope} is {word}ed", until)
