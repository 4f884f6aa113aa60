"""Codes in Redis, one script per transition. No other module touches them there.

``otp.names`` lists the keys. Scripts use the Redis server's clock. Everything gets a TTL, except the counts
in the tally (see ``sms.tally``). Scripts derive some keys themselves, such as that of a phone's newest
verification, without declaring them to the server. So in a cluster all keys share one slot. Everything here
raises ``otp.errors.StoreUnavailable`` without Redis.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from otp.admission.limits import NOTHING, Counted
from otp.errors import StoreUnavailable
from otp.guard import decision
from otp.names import FAILURES, IN_LUA, PHONE, VERIFICATION, family, key
from otp.purposes import Purpose
from otp.results import ALONE, MESSAGES, Cancelled, Check, Draft, Issue, Live, Read, Refusal, Sending
from sms import names as sms
from sms import probe, scripts
from sms.errors import Unavailable
from sms.scripts import Script
from sms.webhooks import endpoints

log = structlog.get_logger("otp")

probe.KEYS.append(family("otp:probe"))

#: Wrong guesses in a row after which a phone is blocked for FAILURES_KEPT (NIST SP 800-63B-4 §3.2.2).
MOST_FAILURES = 100

#: Seconds that a hand-off lives, and again once it is valid; see ``otp.sessions``.
SESSION_LIFETIME = 900

#: Constants of the scripts. Times in milliseconds.
_FIGURES = {
    "MOST_FAILURES": MOST_FAILURES,
    # Wrong guesses are forgotten after a day without another.
    "FAILURES_KEPT": 24 * 3_600_000,
    # After this long without a send, cooldowns start again at the first step.
    "ESCALATION_KEPT": 600_000,
    # From the sixth wrong guess in a row, the next code has to wait. The wait doubles with every third one:
    # 30 s, 60 s … 1 h. NIST SP 800-63B-4 §3.2.2 suggests 30 s up to an hour.
    "FIRST_PAUSE": 30_000,
    "LONGEST_PAUSE": 3_600_000,
    "SESSION_LIFETIME": SESSION_LIFETIME * 1000,
}

_LUA = Path(__file__).parent / "lua"
_INCLUDES = decision.INCLUDES, scripts.INCLUDES

_START, _RESEND, _LIVE, _VERIFY, _HEARD, _CANCEL, _PEEK, _COUNT, _NEXT, _STAY = (
    Script(
        _LUA / f"{name}.lua",
        includes=_INCLUDES,
        keys=IN_LUA | sms.IN_LUA,
        accepts=name in ("start", "resend"),
        EVENTS=endpoints.in_lua,
        **_FIGURES,
    )
    for name in ("start", "resend", "live", "verify", "heard", "cancel", "peek", "count", "next", "stay")
)


def start(
    rules: Purpose,
    phones: Sequence[str],
    draft: Draft,
    sending: Sending = ALONE,
    *,
    owner: str = "",
    reference: str = "",
    session: str = "",
    envelope: str = "",
) -> Issue:
    """Issue a drawn code and accept its SMS, unless something refuses; see start.lua.

    ``phones``, here and below: digests of the number, under the newest secret first. ``owner``: name of the
    API key that starts it. ``reference``: the caller's own. ``session``: id of its hand-off. ``envelope``:
    sealed, kept for ``services.resend``.
    """
    left = str(rules.attempts)
    kept = ["status", "pending", *draft.kept, "left", left, "left_by_phone", left, "purpose", rules.name]
    kept += ["envelope", envelope]  # both always, as the previous version reads both
    if owner:
        kept += ["owner", owner]
    if reference:
        kept += ["caller_reference", reference]
    if session:
        kept += ["session", session]
    return _issue(_START, rules, phones, draft, sending, kept=kept, attempts=rules.attempts)


def resend(
    rules: Purpose,
    phones: Sequence[str],
    draft: Draft,
    sending: Sending = ALONE,
    *,
    by: str,
    instead_of: str = "",
) -> Issue:
    """Send the live code, or the draft's new one, once more, unless something refuses; see resend.lua.

    ``instead_of``: id of the message that did not work, if the code goes by another channel. The cooldown
    does not apply then.
    """
    more: dict[str, Any] = {"by": by, "longest": rules.longest_life * 1000}
    if instead_of:
        more["instead_of"] = instead_of
    return _issue(_RESEND, rules, phones, draft, sending, kept=draft.kept, **more)


def next_due(most: int) -> list[tuple[str, str]]:
    """Verifications whose code should go by another channel now, each with the id of the failed message.

    They are returned again until they are sent on, or ``stay`` is called; see next.lua.
    """
    found = _ask(_NEXT, (), {"most": most})
    return [(one["id"], one["message_id"]) for one in found.get("due", [])]


def stay(id: str, message_id: str) -> None:
    """Stop looking for another channel for a verification, if that message is still its latest."""
    _ask(_STAY, (), {"id": id, "message_id": message_id})


def live(*, phones: Sequence[str] = (), id: str = "", owner: str = "") -> Live:
    """The newest verification of a phone, or the one with an id, before a resend; see live.lua.

    ``owner``, here and below: the API key that must have started it; "" for any.
    """
    found = _ask(_LIVE, *_which(phones, id, owner))
    times = {name: int(found.get(name, 0)) / 1000 for name in ("now", "created_at", "expires_at")}
    return Live(**found | times)


def verify(
    guesses: Sequence[str],
    *,
    phones: Sequence[str] = (),
    id: str = "",
    owner: str = "",
    counted: Counted = NOTHING,
    vouched: bool = False,
) -> Check:
    """Compare a guess with the code of a phone or an id, and count it; see verify.lua.

    ``guesses``: digests of the guess, one for each secret. ``counted``: limits for a wrong guess.
    ``vouched``: accept without comparing, because the caller vouches for the code. A code of another owner
    is ``expired``, like one that never existed.
    """
    keys, args = _which(phones, id, owner)
    args |= {"guesses": guesses, "limits": counted.limits} | ({"vouched": True} if vouched else {})
    answer = _ask(_VERIFY, keys, args)
    status = answer["status"]
    if status == "limited":
        wait, limit = max(_seconds(answer), 1), counted.rules[answer["limit"]]
        return Check("blocked", MESSAGES["guesses"], id=id, retry_after=wait, limit=limit)
    return _check(answer)


def hear(phones: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[Check]:
    """Check the code in a user's SMS against the phone's reverse verifications; see heard.lua.

    ``phones``: for each purpose, digests of the phone and of the code in the text.
    """
    asked = []
    for of_phone, guesses in phones:
        (phone, failures), older = _phone_keys(of_phone)
        asked.append({"phone": phone, "failures": failures, "older": older, "guesses": guesses})
    return [_check(answer) for answer in _ask(_HEARD, (), {"phones": asked})["answers"]]


def _check(answer: Mapping[str, Any]) -> Check:
    status = answer["status"]
    found = {"purpose": answer.get("purpose", ""), "reference": answer.get("caller_reference", "")}
    return Check(status, MESSAGES[status], answer["left"], answer["id"], **found)


def cancel(*, phones: Sequence[str] = (), id: str = "", owner: str = "") -> Cancelled | None:
    """Cancel the code of a phone or an id, and recall its SMS. None if there was none."""
    answer = _ask(_CANCEL, *_which(phones, id, owner))
    return Cancelled(answer["purpose"], answer.get("caller_reference", "")) if answer else None


def peek(
    phones: Sequence[str],
    counted: Counted,
    labels: str,
    *,
    goes_on: bool = False,
    puzzle: Mapping[str, Any] | None = None,
    guard: decision.Ask = None,
) -> Issue | None:
    """Why a code would be refused now, None if it would not; see peek.lua.

    ``labels``: for the tally. ``goes_on``: a live code goes by another channel, so the cooldown does not
    apply. ``guard``: decides as well whether the ``puzzle`` is asked for.
    """
    own, older = _phone_keys(phones)
    args = {"older": older, "limits": counted.limits, "labels": labels, "goes_on": goes_on}
    if puzzle:
        args["puzzle"] = puzzle
        if guard:
            args["guard"] = guard
    answer = _ask(_PEEK, own, args)
    return _refused(answer, counted) if answer else None


def count(counted: Counted) -> tuple[int, int] | None:
    """Count something other than a code towards limits; see count.lua.

    Returns None, or the whole seconds to wait and the index of the limit that is reached.
    """
    answer = _ask(_COUNT, (), {"limits": counted.limits})
    return (_seconds(answer), answer["limit"]) if answer else None


def read(id: str, owner: str = "") -> Read | None:
    """The verification with an id. None if nothing is kept of it (any more), or another owner has it."""
    names = (
        *("status", "purpose", "left", "created_at", "expires_at", "resend_at"),
        *("reference", "caller_reference", "session", "owner", "channels", "tried", "envelope", "reverse"),
        *("asked", "asked_message"),  # not written by the previous version
    )
    try:
        with scripts.client() as redis:
            pipe = redis.pipeline(transaction=False)
            pipe.hmget(key(VERIFICATION + id), names)
            pipe.zscore(key(sms.NEXT_CHANNEL), id)
            pipe.time()
            values, looked_at, (seconds, micros) = pipe.execute()
    except Unavailable as error:
        raise unavailable(error) from error
    found = {name: (value or b"").decode() for name, value in zip(names, values, strict=True)}
    # "replaced": written by the previous version, which keeps such a verification for a while.
    if found["status"] in ("", "replaced") or (owner and owner != found["owner"]):
        return None
    return Read(
        found["status"],
        found["purpose"],
        int(found["left"]),
        created_at=int(found["created_at"]) / 1000,
        expires_at=int(found["expires_at"]) / 1000,
        resend_at=int(found["resend_at"]) / 1000,
        reference=found["reference"],
        caller_reference=found["caller_reference"],
        session=found["session"],
        channels=found["channels"],
        tried=found["tried"],
        asked=found["asked"] or found["tried"],
        asked_message=found["asked_message"] or found["reference"],
        goes_on=looked_at is not None,
        envelope=found["envelope"],
        reverse=found["reverse"],
        now=seconds + micros / 1_000_000,
    )


def going_on(ids: Collection[str]) -> set[str]:
    """The verifications in ``ids`` that may still go by another channel."""
    if not ids:
        return set()
    ordered = list(ids)
    try:
        with scripts.client() as redis:
            found = redis.zmscore(key(sms.NEXT_CHANNEL), ordered)
    except Unavailable as error:
        raise unavailable(error) from error
    return {id for id, at in zip(ordered, found, strict=True) if at is not None}


def _issue(
    script: Script, rules: Purpose, phones: Sequence[str], draft: Draft, sending: Sending, **args: Any
) -> Issue:
    """Run start.lua or resend.lua. ``args``: those that only one of them takes."""
    message, counted = sending.message, sending.counted
    own, older = _phone_keys(phones)
    args |= {
        "id": draft.id,
        "older": older,
        "lifetime": rules.lifetime * 1000,
        "life": int((sending.life or rules.lifetime) * 1000),
        "cooldowns": [seconds * 1000 for seconds in rules.cooldown] or [0],
        "limits": counted.limits,
        "labels": f"{rules.name}|{sending.labels}",
    }
    if sending.guard:
        args["guard"] = sending.guard
    if message:
        args["message"] = message.args
        if sending.guard:
            args["guard"] = decision.reserving(sending.guard, message.parts, message.channels)
    if sending.puzzle:
        args["puzzle"] = sending.puzzle
    if sending.channels:
        args["channels"], args["tried"], args["asked"] = sending.channels, sending.tried, sending.asked
    if sending.next_after:
        args["next_after"] = int(sending.next_after * 1000)
        args["patience"] = [int(seconds * 1000) for seconds in rules.next_channel_after]
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


def unavailable(error: Unavailable) -> StoreUnavailable:
    """The error that callers see instead. Only the log has the reason."""
    log.warning("unavailable", reason=str(error))
    return StoreUnavailable(retry_after=error.retry_after)


def _which(phones: Sequence[str], id: str, owner: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Keys and arguments that identify a verification; see includes/meant.lua."""
    args: dict[str, Any] = {"owner": owner} if owner else {}
    if not phones:
        return (), args | {"id": id, "by": "by_id"}
    own, older = _phone_keys(phones)
    return own, args | {"older": older, "by": "by_phone"}


def _phone_keys(phones: Sequence[str]) -> tuple[tuple[str, str], list[dict[str, str]]]:
    """The keys of a phone and its failures; then the same under each older secret."""
    newest, *older = phones
    return (key(PHONE + newest), key(FAILURES + newest)), [
        {"phone": key(PHONE + phone), "failures": key(FAILURES + phone)} for phone in older
    ]


def _ask(script: Script, keys: tuple[str, ...], args: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer = script.ask(keys, args)
    except Unavailable as error:
        raise unavailable(error) from error
    if "called_back" in answer:
        from sms import services  # needs Celery, which a code without an SMS does not

        services.called_back(answer["reference"], answer["called_back"])
    return answer
