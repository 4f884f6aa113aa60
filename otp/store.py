"""Codes in Redis, one script per transition. No other module touches them there.

``otp.names`` lists the keys. Scripts use the Redis server's clock. Everything gets a TTL, except the counts
in the tally (see ``sms.tally``). Scripts derive some keys themselves, such as that of a phone's newest
verification, without declaring them to the server. So in a cluster all keys of a cell share one slot.
Everything here raises ``otp.errors.StoreUnavailable`` without Redis.

With more than one cell, what counts over many phones is in the hub (see ``sms.cells``). ``otp.apart`` asks
the hub as well as the phone's own cell.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from otp import apart
from otp.admission.limits import NOTHING, Counted
from otp.guard import decision
from otp.names import VERIFICATION, key
from otp.purposes import Purpose
from otp.results import ALONE, MESSAGES, Cancelled, Check, Draft, Issue, Live, Read, Refusal, Sending
from otp.steps import ask, ask_each, home, phone_keys, session, unavailable
from sms import cells, scripts
from sms import names as sms
from sms.errors import Unavailable


def start(
    rules: Purpose,
    phones: Sequence[str],
    draft: Draft,
    sending: Sending = ALONE,
    *,
    owner: str = "",
    reference: str = "",
    session_id: str = "",
    envelope: str = "",
) -> Issue:
    """Issue a drawn code and accept its SMS, unless something refuses; see start.lua.

    ``phones``, here and below: digests of the number, under the newest secret first. ``owner``: name of the
    API key that starts it. ``reference``: the caller's own. ``session_id``: of its session on the hosted
    pages. ``envelope``: sealed, kept for ``services.resend``.
    """
    left = str(rules.attempts)
    kept = ["status", "pending", *draft.kept, "left", left, "left_by_phone", left, "purpose", rules.name]
    # Written even if empty, like the id of the SMS, because the previous version reads both.
    kept += ["envelope", envelope]
    if owner:
        kept += ["owner", owner]
    if reference:
        kept += ["caller_reference", reference]
    if session_id:
        kept += ["session", session_id]
        if cells.many():  # the session records the cell in which to look for the result
            session(session_id, cell=cells.of_id(draft.id))
    return _issue("start", rules, phones, draft, sending, kept=kept, attempts=rules.attempts)


def resend(
    rules: Purpose,
    phones: Sequence[str],
    draft: Draft,
    sending: Sending = ALONE,
    *,
    by: str,
    instead_of: str = "",
) -> Issue:
    """Send the live code again, or the draft's new one, unless something refuses; see resend.lua.

    ``instead_of``: id of the message that did not work, if the code goes by another channel. The cooldown
    does not apply then.
    """
    more: dict[str, Any] = {"by": by, "longest": rules.longest_life * 1000}
    if instead_of:
        more["instead_of"] = instead_of
    return _issue("resend", rules, phones, draft, sending, kept=draft.kept, **more)


def next_due(most: int) -> list[tuple[str, str]]:
    """Verifications whose code should go by another channel now, each with the id of the failed message.

    They are returned again until they are sent on, or ``stay`` is called; see next.lua.
    """
    found = ask_each("next", {"most": most}, "due")
    return [(one["id"], one["message_id"]) for one in found]


def stay(id: str, message_id: str) -> None:
    """Stop looking for another channel for a verification, if that message is still its latest."""
    ask("stay", (), {"id": id, "message_id": message_id}, cells.of_id(id))


def live(*, phones: Sequence[str] = (), id: str = "", owner: str = "") -> Live:
    """The newest verification of a phone, or the one with an id, before a resend; see live.lua.

    ``owner``, here and below: the API key that must have started it; "" for any.
    """
    found = ask("live", *_which(phones, id, owner))
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
    keys, args, cell = _which(phones, id, owner)
    args |= {"guesses": guesses} | ({"vouched": True} if vouched else {})
    if cells.many():
        answer = apart.verify(keys, args, counted.limits, cell)
    else:
        answer = ask("verify", keys, args | {"limits": counted.limits})
    status = answer["status"]
    if status == "limited":
        wait, limit = max(_seconds(answer), 1), counted.rules[answer["limit"]]
        return Check("blocked", MESSAGES["guesses"], id=id, retry_after=wait, limit=limit)
    return _check(answer)


def hear(phones: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[Check]:
    """Check the code in a user's SMS against the phone's reverse verifications; see heard.lua.

    ``phones``: for each purpose, digests of the phone and of the code in the text.
    """
    asked: dict[int, list[dict[str, Any]]] = {}
    for of_phone, guesses in phones:
        cell = home(of_phone)
        (phone, failures), older = phone_keys(of_phone, cell)
        asked.setdefault(cell, []).append(
            {"phone": phone, "failures": failures, "older": older, "guesses": guesses}
        )
    more = {"hub": True} if cells.many() else {}
    # A wrong guess counts at every purpose, so look first whether it is right at one.
    for only_right in (True, False) if len(asked) > 1 else (False,):
        answers = []
        for cell, some in asked.items():
            args = {"phones": some, "only_right": only_right} | more
            answers += ask("heard", (), args, cell)["answers"]
        for answer in answers:
            apart.guessed(answer)
        if answers:
            break
    return [_check(answer) for answer in answers]


def _check(answer: Mapping[str, Any]) -> Check:
    status = answer["status"]
    found = {"purpose": answer.get("purpose", ""), "reference": answer.get("caller_reference", "")}
    return Check(status, MESSAGES[status], answer["left"], answer["id"], **found)


def cancel(*, phones: Sequence[str] = (), id: str = "", owner: str = "") -> Cancelled | None:
    """Cancel the code of a phone or an id, and recall its SMS. None if no code was live."""
    answer = ask("cancel", *_which(phones, id, owner))
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
    apply. ``guard``: its caps also decide whether the ``puzzle`` is required.
    """
    cell = home(phones)
    own, older = phone_keys(phones, cell)
    of_phone = {"older": older, "goes_on": goes_on}
    of_many: dict[str, Any] = {"limits": counted.limits}
    if puzzle:
        of_many["puzzle"] = puzzle
        if guard:
            of_many["guard"] = guard
    told = {"labels": labels}
    if cells.many():
        answer = ask("peek", own, {"limits": []} | of_phone | told, cell) or ask("peek", (), of_many | told)
    else:
        answer = ask("peek", own, of_phone | of_many | told)
    return _refused(answer, counted) if answer else None


def count(counted: Counted) -> tuple[int, int] | None:
    """Count something other than a code towards limits; see count.lua.

    Returns None, or the whole seconds to wait and the index of the limit that is reached.
    """
    answer = ask("count", (), {"limits": counted.limits})
    return (_seconds(answer), answer["limit"]) if answer else None


def read(id: str, owner: str = "") -> Read | None:
    """The verification with an id. None if nothing is kept of it (any more), or another owner has it."""
    names = (
        *("status", "purpose", "left", "created_at", "expires_at", "resend_at"),
        *("reference", "caller_reference", "session", "owner", "channels", "tried", "envelope", "reverse"),
        *("asked", "asked_message"),  # not written by the previous version
    )
    cell = cells.of_id(id)
    try:
        with scripts.client(cell) as redis:
            pipe = redis.pipeline(transaction=False)
            pipe.hmget(key(VERIFICATION + id, cell), names)
            pipe.zscore(key(sms.NEXT_CHANNEL, cell), id)
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
    of_cell = cells.by_cell(ids)
    try:
        found = scripts.gather(
            of_cell, lambda pipe, cell: pipe.zmscore(key(sms.NEXT_CHANNEL, cell), of_cell[cell])
        )
    except Unavailable as error:
        raise unavailable(error) from error
    return {
        id for cell, (scores,) in found.items() for id, at in zip(of_cell[cell], scores, strict=True) if at
    }


def _issue(
    script: str, rules: Purpose, phones: Sequence[str], draft: Draft, sending: Sending, **args: Any
) -> Issue:
    """Run start.lua or resend.lua. ``args``: those that only one of them takes."""
    message, counted, cell = sending.message, sending.counted, cells.of_id(draft.id)
    own, older = phone_keys(phones, cell)
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
    keys = (*own, key(VERIFICATION + draft.id, cell))
    answer = apart.start(script, keys, args, cell) if cells.many() else ask(script, keys, args)
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


def _which(phones: Sequence[str], id: str, owner: str) -> tuple[tuple[str, ...], dict[str, Any], int]:
    """Keys and arguments that identify a verification, see includes/meant.lua, and its cell."""
    args: dict[str, Any] = {"owner": owner} if owner else {}
    if not phones:
        return (), args | {"id": id, "by": "by_id"}, cells.of_id(id)
    cell = home(phones)
    own, older = phone_keys(phones, cell)
    return own, args | {"older": older, "by": "by_phone"}, cell
