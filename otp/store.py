"""Codes in Redis: the only room that talks to Redis for them. One script per transition.

What stands under which key says ``otp.names``. Every script uses the Redis server's clock and leaves nothing
without a TTL. The keys that a script derives (a phone's newest verification) need one server or a
Sentinel set, not a Redis Cluster. Everything here raises ``otp.errors.StoreUnavailable`` without Redis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otp.admission.limits import NOTHING, Counted
from otp.errors import StoreUnavailable
from otp.guard import decision
from otp.names import FAILURES, IN_LUA, PHONE, VERIFICATION, family, key
from otp.purposes import Purpose
from otp.results import ALONE, MESSAGES, Check, Draft, Issue, Live, Read, Refusal, Sending
from sms import names as sms
from sms import probe, scripts
from sms.errors import Unavailable
from sms.scripts import Script

probe.KEYS.append(family("otp:probe"))

#: Wrong guesses in a row after which a phone gets no more for FAILURES_KEPT (NIST SP 800-63B-4 §3.2.2).
MOST_FAILURES = 100

#: What the scripts know as well. Times in milliseconds.
_FIGURES = {
    "MOST_FAILURES": MOST_FAILURES,
    # Wrong guesses are forgotten after a day without one.
    "FAILURES_KEPT": 24 * 3_600_000,
    # After so much quiet the cooldown starts again at its first step.
    "ESCALATION_KEPT": 600_000,
    # From the sixth wrong guess in a row on the next code has to wait, and after every third twice as
    # long: 30 s, 60 s … 1 h (NIST SP 800-63B-4 §3.2.2 suggests 30 s up to an hour).
    "FIRST_PAUSE": 30_000,
    "LONGEST_PAUSE": 3_600_000,
}

_LUA = Path(__file__).parent / "lua"
_INCLUDES = decision.INCLUDES, scripts.INCLUDES

_START, _RESEND, _LIVE, _VERIFY, _CANCEL, _PEEK, _COUNT = (
    Script(_LUA / f"{name}.lua", includes=_INCLUDES, keys=IN_LUA | sms.IN_LUA, **_FIGURES)
    for name in ("start", "resend", "live", "verify", "cancel", "peek", "count")
)


def start(
    rules: Purpose,
    phones: Sequence[str],
    draft: Draft,
    sending: Sending = ALONE,
    *,
    owner: str = "",
    envelope: str = "",
) -> Issue:
    """Issue a code that was drawn, and accept its SMS, unless something refuses; see start.lua.

    ``phones``, here and below: its digests, under the newest secret and under each older one. ``owner``: the
    name of the API key that started it. ``envelope``: kept for ``services.resend``.
    """
    left = str(rules.attempts)
    kept = ["status", "pending", *draft.kept, "left", left, "left_by_phone", left, "purpose", rules.name]
    kept += ["envelope", envelope]  # with reference, always: the version before reads both
    if owner:
        kept += ["owner", owner]
    return _issue(_START, rules, phones, draft, sending, kept=kept, attempts=rules.attempts)


def resend(
    rules: Purpose, phones: Sequence[str], draft: Draft, sending: Sending = ALONE, *, by: str
) -> Issue:
    """Let the code, or the draft's new one, go out once more, unless something refuses; see resend.lua."""
    longest = rules.longest_life * 1000
    return _issue(_RESEND, rules, phones, draft, sending, kept=draft.kept, by=by, longest=longest)


def live(*, phones: Sequence[str] = (), id: str = "", owner: str = "") -> Live:
    """The newest verification of a phone, or that of an id, to be sent again; see live.lua.

    ``owner``, here and below: only if this is the one that started it; "": whoever did.
    """
    found = _ask(_LIVE, *_which(phones, id, owner))
    times = {name: int(found.get(name, 0)) / 1000 for name in ("now", "created_at")}
    return Live(**found | times)


def verify(
    guesses: Sequence[str],
    *,
    phones: Sequence[str] = (),
    id: str = "",
    owner: str = "",
    counted: Counted = NOTHING,
) -> Check:
    """Compare a guess with the code of a phone or of an id, and count it; see verify.lua.

    ``guesses``: the digests of the guess, one for each secret. ``counted``: what a wrong one counts towards.
    Another owner's code is ``expired``, as one that never was.
    """
    keys, args = _which(phones, id, owner)
    answer = _ask(_VERIFY, keys, args | {"guesses": guesses, "limits": counted.limits})
    status = answer["status"]
    if status == "limited":
        wait, limit = max(_seconds(answer), 1), counted.rules[answer["limit"]]
        return Check("blocked", MESSAGES["guesses"], id=id, retry_after=wait, limit=limit)
    return Check(status, MESSAGES[status], answer["left"], answer["id"], answer.get("purpose", ""))


def cancel(*, phones: Sequence[str] = (), id: str = "", owner: str = "") -> str | None:
    """Forget the code of a phone or of an id and call its SMS back; its purpose, None if there was none."""
    answer = _ask(_CANCEL, *_which(phones, id, owner))
    return answer.get("purpose")


def peek(phones: Sequence[str], counted: Counted) -> Issue | None:
    """What would refuse a code now, None if nothing would; see peek.lua."""
    own, older = _phone_keys(phones)
    answer = _ask(_PEEK, own, {"older": older, "limits": counted.limits})
    return _refused(answer, counted) if answer else None


def count(counted: Counted) -> tuple[int, int] | None:
    """Count something else than a code towards limits; see count.lua.

    None, or whole seconds to wait and the place of the limit that has no room.
    """
    answer = _ask(_COUNT, (), {"limits": counted.limits})
    return (_seconds(answer), answer["limit"]) if answer else None


def read(id: str, owner: str = "") -> Read | None:
    """What stands under an id; None where there is nothing (any more), or another's."""
    names = ("status", "purpose", "left", "expires_at", "resend_at", "reference", "owner")
    try:
        with scripts.client() as redis:
            values = redis.hmget(key(VERIFICATION + id), names)
    except Unavailable as error:
        raise StoreUnavailable from error
    status, purpose, left, expires_at, resend_at, reference, owned_by = (
        (value or b"").decode() for value in values
    )
    # "replaced": by the version before, which keeps it for a while.
    if status in ("", "replaced") or (owner and owner != owned_by):
        return None
    return Read(status, purpose, int(left), int(expires_at) / 1000, int(resend_at) / 1000, reference)


def _issue(
    script: Script, rules: Purpose, phones: Sequence[str], draft: Draft, sending: Sending, **args: Any
) -> Issue:
    """Let a code go out by one of the two scripts that can. ``args``: what they do not share."""
    message, counted = sending.message, sending.counted
    own, older = _phone_keys(phones)
    args |= {
        "id": draft.id,
        "older": older,
        "lifetime": rules.lifetime * 1000,
        "cooldowns": [seconds * 1000 for seconds in rules.cooldown] or [0],
        "limits": counted.limits,
    }
    if sending.guard:
        args["guard"] = sending.guard
    if message:
        args["message"] = message.args
    answer = _ask(script, (*own, key(VERIFICATION + draft.id)), args)
    if answer["status"] != "issued":
        return _refused(answer, counted)
    now, expires_at = answer["now"] / 1000, answer["expires_at"] / 1000
    if message:
        message.accepted(answer["now"], answer["expires_at"])
    return Issue(
        "issued",
        MESSAGES["issued"],
        id=draft.id,
        code=draft.code,
        expires_at=expires_at,
        expires_in=expires_at - now,
        resend_at=answer["resend_at"] / 1000,
        attempts_left=answer["left"],
        message_id=message.id if message else "",
        refusal=_refusal(answer),
    )


def _refused(answer: Mapping[str, Any], counted: Counted) -> Issue:
    limit = counted.rules[answer["limit"]] if "limit" in answer else None
    wait = _seconds(answer)
    return Issue.refused(answer["status"], retry_after=wait, limit=limit, refusal=_refusal(answer))


def _refusal(answer: Mapping[str, Any]) -> Refusal | None:
    return Refusal(**answer["refusal"]) if "refusal" in answer else None


def _seconds(answer: Mapping[str, Any]) -> int:
    milliseconds: float = answer.get("wait", 0)
    return math.ceil(milliseconds / 1000)


def _which(phones: Sequence[str], id: str, owner: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The keys and arguments that say which verification is meant; see includes/meant.lua."""
    args: dict[str, Any] = {"owner": owner} if owner else {}
    if not phones:
        return (), args | {"id": id, "by": "by_id"}
    own, older = _phone_keys(phones)
    return own, args | {"older": older, "by": "by_phone"}


def _phone_keys(phones: Sequence[str]) -> tuple[tuple[str, str], list[dict[str, str]]]:
    """The keys of a phone and of its failures; the same under older secrets."""
    newest, *older = phones
    return (key(PHONE + newest), key(FAILURES + newest)), [
        {"phone": key(PHONE + phone), "failures": key(FAILURES + phone)} for phone in older
    ]


def _ask(script: Script, keys: tuple[str, ...], args: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer = script.ask(keys, args)
    except Unavailable as error:
        raise StoreUnavailable from error
    if "called_back" in answer:
        from sms import services  # which needs Celery: a code without an SMS does without

        services.called_back(answer["reference"], answer["called_back"])
    return answer
