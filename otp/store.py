"""Codes in Redis: the only room that talks to Redis for them. One script per transition.

    otp:verification:<id>  hash    seed, digests, attempts left; dies with the code
    otp:phone:<digest>     hash    newest id, sends, resend_at: cooldowns outlive a cancelled code
    otp:failures:<digest>  string  wrong guesses over all codes of a phone and purpose

<digest> is keyed, see otp.codes. Every script uses the Redis server's clock and leaves nothing
without a TTL. The keys that a script derives (a phone's newest verification) need one server or a
Sentinel set, not a Redis Cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django_redis import get_redis_connection

from otp.errors import StoreUnavailable
from otp.purposes import MAX_LIFETIME, Purpose
from sms.scripts import AWAY, Script

VERIFICATION, PHONE, FAILURES = "otp:verification:", "otp:phone:", "otp:failures:"

#: Wrong guesses in a row after which a phone gets no more for FAILURES_KEPT (NIST SP 800-63B-4 §3.2.2).
MOST_FAILURES = 100

#: Milliseconds. Wrong guesses are forgotten after a day without one.
FAILURES_KEPT = 24 * 3_600_000

#: Milliseconds of quiet after which the cooldown starts again at its first step.
ESCALATION_KEPT = 600_000


def _script(name: str) -> Script:
    return Script(Path(__file__).parent / "lua" / f"{name}.lua")


_GENERATE, _VERIFY, _RESEND, _CANCEL = map(_script, ("generate", "verify", "resend", "cancel"))


def _run(script: Script, keys: tuple[str, ...], values: tuple[Any, ...]) -> list[Any]:
    try:
        answer: list[Any] = script(keys, values)
    except AWAY as error:
        raise StoreUnavailable from error
    return answer


@contextmanager
def _redis() -> Iterator[Any]:  # redis-py types every answer as bytes or str
    try:
        yield get_redis_connection()
    except AWAY as error:
        raise StoreUnavailable from error


def generate(
    purpose: Purpose,
    phone: str,
    *,
    id: str,
    seed: str,
    by_id: str,
    by_phone: str,
    reference: str,
    envelope: bytes,
) -> list[Any]:
    """Issue a code for the phone digest ``phone`` unless its cooldown runs; see generate.lua."""
    keys = (PHONE + phone, FAILURES + phone, VERIFICATION + id)
    values = (
        *(id, seed, by_id, by_phone),
        *(purpose.lifetime * 1000, purpose.attempts, reference, envelope, purpose.name),
        *(MOST_FAILURES, ESCALATION_KEPT, VERIFICATION),
        *_cooldowns(purpose),
    )
    return _run(_GENERATE, keys, values)


def verify(guess: str, *, phone: str = "", id: str = "") -> list[Any]:
    """Hold the digest of a guess against the code of a phone or of an id; see verify.lua."""
    key, against = (PHONE + phone, "by_phone") if phone else (VERIFICATION + id, "by_id")
    return _run(_VERIFY, (key,), (guess, against, MOST_FAILURES, FAILURES_KEPT, VERIFICATION))


def resend(
    purpose: Purpose,
    phone: str,
    *,
    id: str,
    seed: str = "",
    by_id: str = "",
    by_phone: str = "",
    reference: str,
) -> list[Any]:
    """Let the code go out again if its cooldown has run; ``seed``: of a new one; see resend.lua."""
    longest = max(purpose.lifetime, MAX_LIFETIME)
    values = (
        *(id, seed, by_id, by_phone),
        *(purpose.lifetime * 1000, longest * 1000, reference, ESCALATION_KEPT),
        *_cooldowns(purpose),
    )
    return _run(_RESEND, (PHONE + phone, VERIFICATION + id), values)


def cancel(*, phone: str = "", id: str = "", unsent: bool = False) -> list[Any]:
    """Forget the code of a phone or of an id, ``unsent`` ones with their cooldown; see cancel.lua."""
    key, by = (PHONE + phone, "by_phone") if phone else (VERIFICATION + id, "by_id")
    return _run(_CANCEL, (key,), (by, VERIFICATION, int(unsent)))


def newest_id(phone: str) -> str:
    """The id of the newest verification of a phone digest, "" if there is none."""
    with _redis() as redis:
        found: bytes | None = redis.hget(PHONE + phone, "id")
    return found.decode() if found else ""


def read(id: str) -> dict[str, bytes]:
    """What stands under an id: status, left, expires_at, resend_at (ms), purpose, envelope."""
    names = ("status", "left", "expires_at", "resend_at", "purpose", "envelope")
    with _redis() as redis:
        values = redis.hmget(VERIFICATION + id, names)
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _cooldowns(purpose: Purpose) -> list[int]:
    return [seconds * 1000 for seconds in purpose.cooldown] or [0]
