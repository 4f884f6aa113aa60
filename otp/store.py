"""Codes in Redis: the only room that talks to Redis for them. One script per transition.

What stands under which key says ``otp.names``. Every script uses the Redis server's clock and leaves nothing
without a TTL. The keys that a script derives (a phone's newest verification) need one server or a
Sentinel set, not a Redis Cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from otp.admission.limits import NOTHING, Spending
from otp.errors import StoreUnavailable
from otp.guard import scopes
from otp.guard.scopes import Call
from otp.names import FAILURES, IN_LUA, PHONE, VERIFICATION, family, key
from otp.purposes import MAX_LIFETIME, Purpose
from sms import probe, scripts
from sms import services as sms
from sms.errors import Unavailable
from sms.scripts import Script

probe.KEYS.append(family("otp:probe"))

#: Wrong guesses in a row after which a phone gets no more for FAILURES_KEPT (NIST SP 800-63B-4 §3.2.2).
MOST_FAILURES = 100

#: Milliseconds. Wrong guesses are forgotten after a day without one.
FAILURES_KEPT = 24 * 3_600_000

#: Milliseconds of quiet after which the cooldown starts again at its first step.
ESCALATION_KEPT = 600_000

#: Milliseconds after a start that failed, until there may be another beside the code that still lives.
AFTER_FAILURE = 1000

#: Milliseconds. From the sixth wrong guess in a row on the next code has to wait, and after every third
#: twice as long: 30 s, 60 s … 1 h (NIST SP 800-63B-4 §3.2.2 suggests 30 s up to an hour).
FIRST_PAUSE, LONGEST_PAUSE = 30_000, 3_600_000


_LUA = Path(__file__).parent / "lua"


def _script(name: str) -> Script:
    return Script(
        _LUA / f"{name}.lua",
        includes=(scopes.INCLUDES, sms.INCLUDES),
        keys=IN_LUA,
        MOST_FAILURES=MOST_FAILURES,
        FAILURES_KEPT=FAILURES_KEPT,
        FIRST_PAUSE=FIRST_PAUSE,
        LONGEST_PAUSE=LONGEST_PAUSE,
        ESCALATION_KEPT=ESCALATION_KEPT,
        AFTER_FAILURE=AFTER_FAILURE,
    )


_GENERATE, _RESEND, _VERIFY, _CANCEL, _PEEK, _UNRESEND, _SPEND = map(
    _script, ("generate", "resend", "verify", "cancel", "peek", "unresend", "spend")
)


def _run(script: Script, keys: tuple[str, ...], values: tuple[Any, ...]) -> list[Any]:
    try:
        answer: list[Any] = script(keys, values)
    except Unavailable as error:
        raise StoreUnavailable from error
    return answer


@contextmanager
def _redis() -> Iterator[Any]:
    try:
        with scripts.client() as redis:
            yield redis
    except Unavailable as error:
        raise StoreUnavailable from error


def generate(
    purpose: Purpose,
    phones: Sequence[str],
    *,
    id: str,
    seed: str,
    by_id: str,
    by_phone: str,
    reference: str,
    envelope: bytes,
    owner: str,
    spending: Spending,
    guarded: Call,
) -> list[Any]:
    """Issue a code for a phone unless its cooldown runs; see generate.lua.

    ``phones``, here and below: its digests, under the newest secret and under each older one.
    """
    own, older = _pairs(phones)
    values = (
        *(id, seed, by_id, by_phone),
        *(purpose.lifetime * 1000, purpose.attempts, reference, envelope, purpose.name, owner),
        *(len(phones) - 1, len(spending.keys)),
        *_cooldowns(purpose),
        *(*spending.values, *guarded.values),
    )
    return _run(_GENERATE, (*own, key(VERIFICATION + id), *older, *spending.keys, *guarded.keys), values)


def verify(
    guesses: Sequence[str],
    *,
    phones: Sequence[str] = (),
    id: str = "",
    owner: str = "",
    spending: Spending = NOTHING,
) -> list[Any]:
    """Hold a guess against the code of a phone or of an id; see verify.lua.

    ``guesses``: the digests of the guess, one for each secret. ``owner``, here and below: only if this is
    the one that started it; "": whoever did. ``spending``: what a wrong one counts towards.
    """
    keys, against = _keys(phones, id)
    values = (against, owner, len(guesses), *guesses, *spending.values)
    return _run(_VERIFY, (*keys, *spending.keys), values)


def resend(
    purpose: Purpose,
    phones: Sequence[str],
    *,
    id: str,
    seed: str = "",
    by_id: str = "",
    by_phone: str = "",
    reference: str,
    by: str,
    spending: Spending,
    guarded: Call,
) -> list[Any]:
    """Let the code go out again if its cooldown has run; ``seed``: of a new one; see resend.lua.

    ``by``: ``by_id`` or ``by_phone``, as the caller knows it.
    """
    longest = max(purpose.lifetime, MAX_LIFETIME)
    own, older = _pairs(phones)
    values = (
        *(id, seed, by_id, by_phone),
        *(purpose.lifetime * 1000, longest * 1000, reference, by, len(phones) - 1, len(spending.keys)),
        *_cooldowns(purpose),
        *(*spending.values, *guarded.values),
    )
    return _run(_RESEND, (*own, key(VERIFICATION + id), *older, *spending.keys, *guarded.keys), values)


def cancel(
    *,
    phones: Sequence[str] = (),
    id: str = "",
    owner: str = "",
    unsent: bool = False,
    spending: Spending = NOTHING,
) -> list[Any]:
    """Forget the code of a phone or of an id, ``unsent`` ones with all traces; see cancel.lua."""
    keys, by = _keys(phones, id)
    values = (by, int(unsent), owner, *spending.values)
    return _run(_CANCEL, (*keys, *spending.keys), values)


def peek(phones: Sequence[str], spending: Spending) -> list[Any]:
    """Whether a code could be issued; see peek.lua."""
    own, older = _pairs(phones)
    values = (len(phones) - 1, *spending.values)
    return _run(_PEEK, (*own, *older, *spending.keys), values)


def unresend(id: str, reference: str, spending: Spending) -> None:
    """Take back a resend whose SMS never was; see unresend.lua."""
    _run(_UNRESEND, (key(VERIFICATION + id), *spending.keys), (reference, *spending.values))


def spend(spending: Spending) -> list[Any]:
    """Count something else than a code towards limits; see spend.lua."""
    return _run(_SPEND, spending.keys, spending.values)


def newest_id(phones: Sequence[str]) -> str:
    """The id of the newest verification of a phone, "" if there is none."""
    for phone in phones:
        with _redis() as redis:
            found: bytes | None = redis.hget(key(PHONE + phone), "id")
        if found:
            return found.decode()
    return ""


def read(id: str, owner: str = "") -> dict[str, bytes]:
    """What stands under an id: status, left, expires_at, resend_at (ms), purpose, owner, envelope, reference.

    Nothing where there is none (any more, as a newer one replaced it), or another's.
    """
    fields = ("status", "left", "expires_at", "resend_at", "purpose", "owner", "envelope", "reference")
    with _redis() as redis:
        values = redis.hmget(key(VERIFICATION + id), fields)
    found = {name: value for name, value in zip(fields, values, strict=True) if value is not None}
    anothers = owner and found.get("owner") != owner.encode()
    return {} if anothers or found.get("status") == b"replaced" else found


def _cooldowns(purpose: Purpose) -> list[int]:
    steps = [seconds * 1000 for seconds in purpose.cooldown] or [0]
    return [len(steps), *steps]


def _pairs(phones: Sequence[str]) -> tuple[list[str], list[str]]:
    """The keys of a phone and of its failures; the same under older secrets."""
    keys = [key(prefix + phone) for phone in phones for prefix in (PHONE, FAILURES)]
    return keys[:2], keys[2:]


def _keys(phones: Sequence[str], id: str) -> tuple[tuple[str, ...], str]:
    if not phones:
        return (key(VERIFICATION + id),), "by_id"
    own, older = _pairs(phones)
    return (*own, *older), "by_phone"
