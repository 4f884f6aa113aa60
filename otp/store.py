"""Codes in Redis: the only room that talks to Redis for them. One script per transition.

What stands under which key says ``otp.names``. Every script uses the Redis server's clock and leaves nothing
without a TTL. The keys that a script derives (a phone's newest verification) need one server or a
Sentinel set, not a Redis Cluster. Everything here raises ``otp.errors.StoreUnavailable`` without Redis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from otp.admission.limits import NOTHING, Spending
from otp.errors import StoreUnavailable
from otp.guard import decision
from otp.guard.decision import Ask
from otp.names import FAILURES, IN_LUA, PHONE, VERIFICATION, family, key
from otp.purposes import MAX_LIFETIME, Purpose
from otp.records import Code, Issued, Live, Read, Refused, Verified
from otp.results import Refusal
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

#: Milliseconds. From the sixth wrong guess in a row on the next code has to wait, and after every third
#: twice as long: 30 s, 60 s … 1 h (NIST SP 800-63B-4 §3.2.2 suggests 30 s up to an hour).
FIRST_PAUSE, LONGEST_PAUSE = 30_000, 3_600_000

_LUA = Path(__file__).parent / "lua"

_START, _RESEND, _LIVE, _VERIFY, _CANCEL, _PEEK, _SPEND = (
    Script(
        _LUA / f"{name}.lua",
        includes=(decision.INCLUDES, sms.INCLUDES),
        keys=IN_LUA | sms.IN_LUA,
        MOST_FAILURES=MOST_FAILURES,
        FAILURES_KEPT=FAILURES_KEPT,
        FIRST_PAUSE=FIRST_PAUSE,
        LONGEST_PAUSE=LONGEST_PAUSE,
        ESCALATION_KEPT=ESCALATION_KEPT,
    )
    for name in ("start", "resend", "live", "verify", "cancel", "peek", "spend")
)

T = TypeVar("T")


def start(
    purpose: Purpose,
    phones: Sequence[str],
    id: str,
    code: Code,
    *,
    owner: str = "",
    envelope: str = "",
    spending: Spending = NOTHING,
    guard: Ask = None,
    message: sms.Prepared | None = None,
) -> Issued | Refused:
    """Issue a code for a phone, and accept its SMS, if nothing refuses; see start.lua.

    ``phones``, here and below: its digests, under the newest secret and under each older one.
    """
    own, older = _phone_keys(phones)
    args = {
        **_sending(purpose, spending, guard, message),
        **{"id": id, "seed": code.seed, "by_id": code.by_id, "by_phone": code.by_phone},
        **{"attempts": purpose.attempts, "purpose": purpose.name, "older": older},
    }
    args |= {name: text for name, text in (("owner", owner), ("envelope", envelope)) if text}
    return _issued(_ask(_START, (*own, key(VERIFICATION + id)), args), purpose.attempts)


def resend(
    purpose: Purpose,
    phones: Sequence[str],
    id: str,
    code: Code | None,
    *,
    by: str,
    spending: Spending = NOTHING,
    guard: Ask = None,
    message: sms.Prepared | None = None,
) -> Issued | Refused:
    """Let the code, or with ``code`` a new one, go out again, if nothing refuses; see resend.lua.

    ``by``: ``by_id`` or ``by_phone``, as the caller knows it.
    """
    own, older = _phone_keys(phones)
    args = {
        **_sending(purpose, spending, guard, message),
        **{"id": id, "by": by, "older": older, "longest": longest_life(purpose) * 1000},
    }
    if code:
        args |= {"seed": code.seed, "by_id": code.by_id, "by_phone": code.by_phone}
    return _issued(_ask(_RESEND, (*own, key(VERIFICATION + id)), args), 0)


def longest_life(purpose: Purpose) -> int:
    """Seconds that a code may live since it was made, however often it is sent again."""
    return max(purpose.lifetime, MAX_LIFETIME)


def live(*, phones: Sequence[str] = (), id: str = "", owner: str = "") -> Live:
    """The newest verification of a phone, or that of an id, to be sent again; see live.lua.

    ``owner``, here and below: only if this is the one that started it; "": whoever did.
    """
    own, older = _phone_keys(phones)
    found = _ask(_LIVE, own, {"id": id, "older": older})
    if owner and found.get("owner") != owner:
        found = {"now": found["now"], "id": found["id"]}
    return Live(
        found["id"],
        found["now"] / 1000,
        int(found.get("created_at", 0)) / 1000,
        found.get("status", ""),
        found.get("seed", ""),
        found.get("by_id", ""),
        found.get("envelope", ""),
    )


def verify(
    guesses: Sequence[str],
    *,
    phones: Sequence[str] = (),
    id: str = "",
    owner: str = "",
    spending: Spending = NOTHING,
) -> Verified:
    """Hold a guess against the code of a phone or of an id; see verify.lua.

    ``guesses``: the digests of the guess, one for each secret. ``spending``: what a wrong one counts towards.
    """
    keys, args = _which(phones, id, owner)
    answer = _ask(_VERIFY, keys, args | {"guesses": guesses, "limits": spending.limits})
    if answer["status"] == "limited":
        return Verified("limited", id=id, wait=_seconds(answer), limit=answer["limit"])
    _tell_called_back(answer.get("reference", ""), answer)
    return Verified(answer["status"], answer["left"], id or answer["id"], answer.get("purpose", ""))


def cancel(*, phones: Sequence[str] = (), id: str = "", owner: str = "") -> str | None:
    """Forget the code of a phone or of an id and call its SMS back; its purpose, None if there was none."""
    keys, args = _which(phones, id, owner)
    answer = _ask(_CANCEL, keys, args)
    _tell_called_back(answer.get("reference", ""), answer)
    return answer.get("purpose")


def peek(phones: Sequence[str], spending: Spending) -> Refused | None:
    """What would refuse a code now, None if nothing would; see peek.lua."""
    own, older = _phone_keys(phones)
    answer = _ask(_PEEK, own, {"older": older, "limits": spending.limits})
    return _refused(answer) if answer else None


def spend(spending: Spending) -> tuple[int, int] | None:
    """Count something else than a code towards limits; see spend.lua.

    None, or whole seconds to wait and the place of the limit that has no room.
    """
    answer = _ask(_SPEND, (), {"limits": spending.limits})
    return (_seconds(answer), answer["limit"]) if answer else None


def read(id: str, owner: str = "") -> Read | None:
    """What stands under an id; None where there is nothing (any more), or another's."""
    names = ("status", "purpose", "left", "expires_at", "resend_at", "envelope", "reference", "owner")
    values = _here(lambda redis: redis.hmget(key(VERIFICATION + id), names))
    status, purpose, left, expires_at, resend_at, envelope, reference, owned_by = (
        (value or b"").decode() for value in values
    )
    # "replaced": by the version before, which keeps it for a while.
    if status in ("", "replaced") or (owner and owner != owned_by):
        return None
    return Read(
        status, purpose, int(left), int(expires_at) / 1000, int(resend_at) / 1000, envelope, reference
    )


def _sending(
    purpose: Purpose, spending: Spending, guard: Ask, message: sms.Prepared | None
) -> dict[str, Any]:
    """The arguments that a start and a resend share."""
    args: dict[str, Any] = {
        "lifetime": purpose.lifetime * 1000,
        "cooldowns": [seconds * 1000 for seconds in purpose.cooldown] or [0],
        "limits": spending.limits,
    }
    args |= {"guard": guard} if guard else {}
    return args | ({"message": message.args} if message else {})


def _issued(answer: dict[str, Any], left: int) -> Issued | Refused:
    if answer["status"] != "issued":
        return _refused(answer)
    _tell_called_back(answer.get("replaced", ""), answer)
    return Issued(
        answer["now"] / 1000,
        answer["expires_at"] / 1000,
        answer["resend_at"] / 1000,
        answer.get("left", left),
        _refusal(answer.get("told")),
    )


def _refused(answer: dict[str, Any]) -> Refused:
    wait = _seconds(answer) if "wait" in answer else 0
    return Refused(answer["status"], wait, answer.get("limit", 0), _refusal(answer.get("refusal")))


def _refusal(found: Mapping[str, Any] | None) -> Refusal | None:
    return Refusal(found["reason"], found["wait"]) if found else None


def _seconds(answer: Mapping[str, Any]) -> int:
    return math.ceil(float(answer["wait"]) / 1000)


def _tell_called_back(message_id: str, answer: Mapping[str, Any]) -> None:
    sms.called_back(message_id, answer.get("called_back"))


def _which(phones: Sequence[str], id: str, owner: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The keys and arguments that say which verification is meant."""
    own, older = _phone_keys(phones)
    args: dict[str, Any] = {"by": "by_phone" if phones else "by_id", "older": older}
    return own or (key(VERIFICATION + id),), args | ({"owner": owner} if owner else {})


def _phone_keys(phones: Sequence[str]) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The keys of a phone and of its failures; the same under older secrets."""
    pairs = [{"phone": key(PHONE + phone), "failures": key(FAILURES + phone)} for phone in phones]
    return tuple(pairs[0].values()) if pairs else (), pairs[1:]


def _ask(script: Script, keys: tuple[str, ...], args: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return script.ask(keys, args)
    except Unavailable as error:
        raise StoreUnavailable from error


def _here(call: Callable[[Any], T]) -> T:
    try:
        with scripts.client() as redis:
            return call(redis)
    except Unavailable as error:
        raise StoreUnavailable from error
