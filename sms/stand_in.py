"""The stand-in: the second server has the hub for as long as the first one is away.

Only if there are several servers, see ``sms.cells``. What the hub has counted does not move: the stand-in
begins anew, and the first server goes on with its own counts when it is back. So limits, the budget and rates
may be used up once more. Opt-outs are read and written on the first server alone.

Each process finds out for itself, from the calls that it makes anyway. If some processes reach the first
server and others do not, each hub counts what it sees.
"""

from __future__ import annotations

import time

import structlog

from sms import names
from sms.conf import cached

log = structlog.get_logger("sms")

#: Seconds for which the first server is not asked after a call to it has failed.
LEFT_ALONE = 5.0

#: Seconds for which a start is refused at once if its phone is on that server.
JUST_LOST = 1.0

#: Reasons of ``sms.away`` for which the stand-in takes over. With any other, the server answers.
_AWAY = ("away", "loading")


class _First:
    """What this process knows of the first server."""

    left_alone_until = 0.0  # by time.monotonic(); 0: it is there


def server_of_hub() -> str:
    """The alias of the server that has the hub now."""
    first, second = _aliases()
    return second if _first().left_alone_until > time.monotonic() else first


def first() -> str:
    """The alias of the server on which opt-outs are."""
    return _aliases()[0]


def stand_in() -> str:
    """The alias of the stand-in, "" if there is none."""
    first, second = _aliases()
    return second if second != first else ""


def lost(alias: str, reason: str) -> None:
    """Note that a call to a server failed. ``reason``: see ``sms.away``."""
    first, second = _aliases()
    if alias == first != second and reason in _AWAY:
        if not _first().left_alone_until:
            log.error("hub_stands_in", server=second, away=first)
        _first().left_alone_until = time.monotonic() + LEFT_ALONE


def just_lost(alias: str) -> bool:
    """Whether this is the first server, and a call to it has failed within the last second."""
    since = time.monotonic() - (_first().left_alone_until - LEFT_ALONE)
    return since < JUST_LOST and alias == first()


def there(alias: str) -> None:
    """Note that a server answered."""
    if _first().left_alone_until and alias == first():
        _first().left_alone_until = 0.0
        log.warning("hub_is_back", server=alias)


@cached
def _first() -> _First:
    return _First()


@cached
def _aliases() -> tuple[str, str]:
    """The first server, and the stand-in. They are the same where there is no stand-in: with one server, or
    while the cell 0 may still hold phones.
    """
    first, *others = names.cache_aliases()
    return first, others[0] if others and 1 not in names.cell_counts() else first
