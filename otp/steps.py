"""The scripts of ``otp.store``, and the cell in which each of them runs: see ``sms.cells``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from otp.errors import StoreUnavailable
from otp.guard import decision
from otp.names import FAILURES, IN_LUA, PHONE, SESSION_ENDED, family, key
from sms import cells, probe, scripts
from sms import names as sms
from sms.errors import Unavailable
from sms.scripts import Script
from sms.webhooks import endpoints

log = structlog.get_logger("otp")

probe.KEYS.append(family("otp:probe"))

#: Wrong guesses in a row after which a phone is blocked for FAILURES_KEPT (NIST SP 800-63B-4 §3.2.2).
MOST_FAILURES = 100

#: Seconds that a session on the hosted pages lives. Once it is valid, it lives as long again; see
#: ``otp.sessions``.
SESSION_LIFETIME = 900

#: Constants of the scripts. Times in milliseconds.
_FIGURES = {
    "MOST_FAILURES": MOST_FAILURES,
    # Wrong guesses are forgotten after a day without another.
    "FAILURES_KEPT": 24 * 3_600_000,
    # Cooldowns start again at the first step this long after a code's life and its cooldown have both ended.
    "ESCALATION_KEPT": 600_000,
    # From the sixth wrong guess in a row, the next code has to wait. The wait doubles with every third one:
    # 30 s, 60 s … 1 h. NIST SP 800-63B-4 §3.2.2 suggests 30 s up to an hour.
    "FIRST_PAUSE": 30_000,
    "LONGEST_PAUSE": 3_600_000,
    "SESSION_LIFETIME": SESSION_LIFETIME * 1000,
}

_SCRIPTS = {
    name: Script(
        Path(__file__).parent / "lua" / f"{name}.lua",
        includes=(decision.INCLUDES, scripts.INCLUDES),
        keys=IN_LUA | sms.IN_LUA,
        accepts=name in ("start", "resend"),
        **endpoints.FOR_LUA,
        **_FIGURES,
    )
    for name in (
        *("start", "resend", "live", "verify", "heard", "cancel", "peek", "count", "next", "stay"),
        *("admit", "settle", "session"),
    )
}


def ask(
    name: str, keys: tuple[str, ...], args: Mapping[str, Any], cell: int = cells.HUB, server: str = ""
) -> dict[str, Any]:
    """Run a script. Announces the message that it recalled. Raises ``StoreUnavailable``.

    ``server``: see ``scripts.connection``.
    """
    try:
        answer = _SCRIPTS[name].ask(keys, args, cell, server)
    except Unavailable as error:
        raise unavailable(error) from error
    if "called_back" in answer:
        from sms import services  # needs Celery, which a code without an SMS does not

        services.called_back(answer["reference"], answer["called_back"])
    return answer


def ask_each(name: str, args: Mapping[str, Any], part: str) -> list[Any]:
    """Run a script in each cell, and join one list of its answers. Raises ``StoreUnavailable``."""
    try:
        return scripts.in_each_cell(lambda cell: _SCRIPTS[name].ask((), args, cell).get(part, []))
    except Unavailable as error:
        raise unavailable(error) from error


def unavailable(error: Unavailable) -> StoreUnavailable:
    """The error that callers see instead. Only the log has the reason."""
    log.warning("unavailable", reason=str(error))
    return StoreUnavailable(retry_after=error.retry_after)


def home(phones: Sequence[str]) -> int:
    """The cell of a phone: the former one if something of the phone is left there. Raises
    ``StoreUnavailable``.

    ``phones``, here and below: digests of the number, under the newest secret first. No round trip, unless
    REDIS_CELLS_BEFORE or PHONE_SECRET_KEY_FALLBACKS is set.
    """
    try:
        return scripts.home(
            phones, lambda cell: [key(name + phone, cell) for phone in phones for name in (PHONE, FAILURES)]
        )
    except Unavailable as error:
        raise unavailable(error) from error


def phone_keys(phones: Sequence[str], cell: int) -> tuple[tuple[str, str], list[dict[str, str]]]:
    """The keys of a phone and its failures; then the same under each older secret."""
    newest, *older = phones
    return (key(PHONE + newest, cell), key(FAILURES + newest, cell)), [
        {"phone": key(PHONE + phone, cell), "failures": key(FAILURES + phone, cell)} for phone in older
    ]


def session(id: str, **step: Any) -> dict[str, str]:
    """The fields of a session on the hosted pages after a step, see session.lua; {} if there is none. Raises
    ``StoreUnavailable``.

    The verification of a session is usually in another cell, and leaves its result there. The next call of
    this function moves it to the session.
    """
    cell = cells.of_id(id)
    found = ask("session", (), {"id": id, **step}, cell)
    if found.get("status") != "pending":
        return found
    for number in found.get("cells", "").split(","):
        if number and (ended := _ended(id, int(number))):
            return ask("session", (), {"id": id, "ended": ended}, cell)
    return found


def _ended(id: str, cell: int) -> dict[str, str]:
    with suppress(Unavailable), scripts.client(cell) as redis:
        return {
            name.decode(): value.decode()
            for name, value in redis.hgetall(key(SESSION_ENDED + id, cell)).items()
        }
    return {}
