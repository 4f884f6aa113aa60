"""The stand-in: the second server has the hub for as long as the first one cannot be used.

Only if there are several servers, see ``sms.cells``. What the hub has counted does not move: the stand-in
begins anew, and the first server goes on with its own counts when it is back. So limits, the budget and rates
may be used up once more. The guard's caps are switched off meanwhile: on the stand-in no country has verified
codes yet, so they would stop all codes. Opt-outs are read and written on the first server alone.

Each process finds out for itself, from the calls that it makes anyway. If some processes reach the first
server and others do not, each hub counts what it sees.
"""

from __future__ import annotations

import time

import structlog

from sms import names
from sms.conf import cached

log = structlog.get_logger("sms")

#: Seconds between two calls to the first server that only find out whether it is back.
LEFT_ALONE = 5.0

#: For this many seconds after a failed call, a start is refused at once if its phone is on that server.
JUST_LOST = 1.0

#: Seconds between two log lines that it is away, or back.
_QUIET = 60.0

#: Reasons in ``sms.away`` for which the stand-in takes over. All others need an operator, or pass.
_UNUSABLE = ("away", "loading", "read_only", "full", "certificate")


class _State:
    """What this process knows of the first server. Times by ``time.monotonic``."""

    lost = False
    lost_at = 0.0  # the last failed call
    next_try = 0.0
    told_at = -_QUIET
    is_told = False  # that it is away


def server_of_hub() -> str:
    """The alias of the server that has the hub now."""
    first, second = _aliases()
    return second if first != second and _state().lost else first


def server_to_ask() -> str:
    """The alias of the server to run a script of the hub on.

    While the first is away, one call every ``LEFT_ALONE`` seconds goes there, to find out whether it is back.
    """
    first, second = _aliases()
    if first == second or not _state().lost:
        return first
    now, state = time.monotonic(), _state()
    if now < state.next_try:
        return second
    state.next_try = now + LEFT_ALONE  # so the others do not wait for it
    return first


def first() -> str:
    """The alias of the server on which opt-outs are."""
    return _aliases()[0]


def other() -> str:
    """The alias of the stand-in, "" if there is none."""
    first, second = _aliases()
    return second if second != first else ""


def has_the_hub() -> bool:
    """Whether the stand-in has the hub now."""
    return server_of_hub() != first()


def lost(alias: str, reason: str) -> None:
    """Note that a call to a server failed. ``reason``: see ``sms.away``."""
    first, second = _aliases()
    if first == second or alias != first or reason not in _UNUSABLE:
        return
    now, state = time.monotonic(), _state()
    state.lost_at, state.next_try = now, now + LEFT_ALONE
    if not state.lost:
        state.lost = True
        if now - state.told_at >= _QUIET:
            state.told_at, state.is_told = now, True
            log.error("hub_stands_in", server=second, away=first, reason=reason)


def just_lost(alias: str) -> bool:
    """Whether this is the first server, and a call to it failed within the last second."""
    state = _state()
    return state.lost and alias == first() and time.monotonic() - state.lost_at < JUST_LOST


def there(alias: str) -> None:
    """Note that a server ran a script."""
    state = _state()
    if state.lost and alias == first():
        state.lost = False
        if state.is_told:
            state.is_told = False
            log.warning("hub_is_back", server=alias)


@cached
def _state() -> _State:
    return _State()


@cached
def _aliases() -> tuple[str, str]:
    """The aliases of the first server and of the stand-in. Without a stand-in, both are the first server's.

    There is none with one server, or while ``REDIS_CELLS`` or ``REDIS_CELLS_BEFORE`` is 1, as cell 0 may then
    hold phones.
    """
    first, *others = names.cache_aliases()
    return first, others[0] if others and 1 not in names.cell_counts() else first
