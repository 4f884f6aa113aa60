"""The records of messages in Redis. No other module changes their state there.

With more than one cell, ``sms.apart`` asks the hub as well as the message's own cell (see ``sms.cells``).

``sms.names`` lists the keys. Every change of a message is one script, so it is atomic. Scripts use the Redis
server's clock, so no two machines have to agree on the time. Everything gets a TTL, with two exceptions. The
sets of leases and of waiting messages drop an entry when its message is settled or its record is gone. The
tally of all time is bounded in size (see ``sms.tally``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Literal

from sms import apart, cells, conf
from sms.breaker import Breaker
from sms.errors import OptedOut, Overloaded, Unavailable
from sms.follow_ups import NOTHING, After
from sms.message import Attempt, Message, State, may_become
from sms.names import DEAD, LEASES, RECORD, STARTED, THEIRS, key
from sms.records import Choice, Claim, Moved, Recorded, chosen, claimed, read
from sms.scripts import Script, client, gather, in_each_cell
from sms.steps import QUEUES, script

#: Why a message changes its state, where move.lua has to know it.
Why = Literal["", "unknown", "round_over", "dead_letter", "unopened"]

_SEND = script("send", accepts=True)
_CALL_BACK, _TAKE, _CHOOSE, _MOVE, _RECEIPT, _WHOSE, _REPLAY = map(
    script, ("call_back", "take", "choose", "move", "receipt", "whose", "replay")
)


def send(
    message: Mapping[str, Any],
    *,
    expires_at: float | None,
    replaces: str,
    expires_in: float | None = None,
    marks: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Accept a message. Returns what send.lua does. One round trip. With cells it takes two, or three
    if the message that it replaces is in another cell.

    ``message``: as in includes/accept.lua. ``expires_at``: seconds since the epoch; None: it lives
    ``expires_in`` seconds, by default ``MESSAGE_LIFETIME``. ``marks``: the entries of the opt-out lists to
    look for (see ``sms.optouts``). Raises ``OptedOut``, or ``Overloaded`` if it would have to wait too long.
    """
    args: dict[str, Any] = {"message": message, "replaces": replaces}
    if marks:
        args["marks"] = marks
    if expires_at is not None:
        args["expires_at"] = int(expires_at * 1000)
    else:
        args["lifetime"] = int(1000 * (conf.get("MESSAGE_LIFETIME") if expires_in is None else expires_in))
    cell = cells.of_id(message["id"])
    if cells.many():
        args = apart.to_send(args)
        if cells.of_id(replaces) != cell:
            args["replaces"] = ""
    answer = _SEND.ask((), args, cell)
    if "opted_out" in answer:
        raise OptedOut("This number has asked for no more messages.")
    if "wait" in answer:
        raise Overloaded("It cannot be sent in time now.", math.ceil(answer["wait"] / 1000))
    if replaces and not args["replaces"]:
        with suppress(Unavailable):  # this message is accepted, whatever becomes of the one before
            answer["called_back"] = call_back(replaces, "")
    return answer


def call_back(message_id: str, why: Literal["", "dead"] = "dead") -> dict[str, str] | None:
    """Recall a message that no worker has taken yet. Returns its record, or None if it is too late. One
    round trip.

    ``why``: see includes/call_back.lua; "" if its code may live on in another message.
    """
    answer = _CALL_BACK((), (message_id, why), cells.of_id(message_id))
    return dict(json.loads(answer)) if answer else None


def claim(
    message_id: str = "",
    queues: Sequence[str] = (),
    aliases: Mapping[str, Any] = MappingProxyType({}),
    cell: int = cells.HUB,
) -> Claim:
    """Claim a message and choose its alias, or say why not. One round trip, sometimes more with cells.

    The message is ``message_id`` or, if that cannot be claimed, the earliest due one of ``queues``. Due
    messages of the first queue go before ``message_id`` too. ``aliases``: those that this worker may call,
    see ``Alias.able``; without any, none is chosen. ``cell``: where to look without a ``message_id``; with
    one, its own.
    """
    args: dict[str, Any] = {"id": message_id, "queues": queues, "aliases": {**aliases}}
    args["breaker"] = Breaker.in_ms()
    if cells.many():
        args = apart.to_take(args)
    answer = _TAKE.ask((), args, cells.of_id(message_id) if message_id else cell)
    left_out = apart.taken(answer) if cells.many() else answer.get("left_out", "")
    message = read(answer["id"], answer["record"]) if "record" in answer else None
    found = claimed(message, answer) if message and "sealed" in answer else message
    return Claim(answer["verdict"], found, left_out)


def choose(attempt: Attempt, *, hops: Sequence[str], **more: Any) -> Choice:
    """Choose the alias for an attempt's next call, and lease the message for it. One round trip,
    mostly three with cells.

    ``Choice.chosen`` is None if no alias may be asked any more, or there is no slot. See choose.lua.
    """
    id = attempt.message.id
    args = {"id": id, "attempt": attempt.number, "hops": ",".join(hops)} | more
    if cells.many():
        return apart.choose(args, cells.of_id(id))
    answer = _CHOOSE.ask((), args | {"breaker": Breaker.in_ms()})
    return Choice(chosen(answer), dict(answer["changed"]))  # fakeredis writes an empty map as a list


def worker_started() -> None:
    """Note that a worker started. How fast messages leave a queue is measured only from then on: see
    includes/overload.lua.
    """

    def note(cell: int) -> list[None]:
        with client(cell) as redis:
            for queue in QUEUES:  # kept longer than includes/overload.lua looks back
                redis.set(key(STARTED + queue, cell), redis.time()[0] * 1000, ex=10)
        return []

    in_each_cell(note)


def finish(
    message_id: str,
    target: State,
    why: Why = "",
    *,
    attempt: int | None = None,
    retry_in: float | None = None,
    calls: Sequence[Mapping[str, Any]] = (),
    after: After = NOTHING,
    again: bool = False,
    **fields: str,
) -> Moved:
    """Move a message to ``target`` if the table of transitions allows it. One round trip, sometimes
    more with cells.

    ``why``: see move.lua. ``attempt``: only if it is still the newest. ``retry_in``: seconds until the next
    try; None settles the message: its lease is released, and its text erased unless another alias or a replay
    may need it. ``calls``: how they ended, for the breakers. ``after``: follow-up calls. ``again``: this was
    tried before, and the answer got lost.
    """
    kept = int(conf.get("MESSAGE_RECORD_HOURS") * 3_600_000)
    more: dict[str, Any] = {"why": why, "calls": calls, "kept": kept}
    if attempt is not None:  # left out if None: in Lua, a null read by cjson counts as true
        more["attempt"] = attempt
    if retry_in is not None:
        more["retry_in"] = int(retry_in * 1000)
    theirs = f"{fields['alias']}:{fields['provider_message_id']}" if after.refers_by_own_id else ""
    if theirs and not cells.many():
        more["theirs"] = key(THEIRS + theirs)
    more |= {name: True for name in ("polls", "feedback", "revokes") if getattr(after, name)}
    answer, message = _change(_MOVE, message_id, target, fields, more)
    changed, early = dict(answer["changed"]), answer.get("early")
    if cells.many():
        changed = apart.moved(message_id, answer, calls, again=again)
        early = apart.keep_theirs(theirs, message_id, kept) if theirs and message else None
    return Moved(answer["moved"], message, changed, json.loads(early) if early else None)


def whose(alias: str, theirs: str, receipt: Mapping[str, str]) -> str:
    """Find our id of the message that the vendor of ``alias`` calls ``theirs``; "" if unknown. One round
    trip.

    An unknown receipt is kept for a moment, as it may have overtaken the answer of its call: see
    ``Moved.early``.
    """
    args = {"alias": alias, "theirs": theirs, "state": receipt["state"], "receipt": json.dumps(receipt)}
    return str(_WHOSE((), (json.dumps(args),), apart.cell_of_theirs(f"{alias}:{theirs}")).decode())


def record_receipt(
    message_id: str, state: State, *, alias: str, about: str = "", unreachable: bool = False, **fields: str
) -> Recorded:
    """Record a receipt of ``alias``, if this alias was asked to send the message. One round trip, up to three
    with cells.

    If the receipt says FAILED and the code still lives, the message may become QUEUED again, for another
    alias. ``about``: if we asked for this receipt, the vendor's id that we asked about. ``unreachable``: the
    failure is not the alias's fault.
    """
    more = {"alias": alias, "unreachable": unreachable} | ({"about": about} if about else {})
    answer, message = _change(_RECEIPT, message_id, state, {"alias": alias} | fields, more)
    moved, left_out, never_asked = (answer.get(name, False) for name in ("moved", "left_out", "never_asked"))
    if cells.many():
        left_out = apart.receipt_recorded(message_id, answer, alias, is_bad=state is State.FAILED)
    return Recorded(moved, message, left_out, never_asked)


def get(message_id: str) -> Message | None:
    """The record of a message. None if there was none, or it has expired."""
    return get_all([message_id])[0]


def get_all(message_ids: Sequence[str]) -> list[Message | None]:
    """The records of several messages, in one round trip for each server. Takes as long for missing ones."""
    of_cell = cells.by_cell(message_ids)

    def put(pipe: Any, cell: int) -> None:
        for id in of_cell[cell]:
            pipe.hgetall(key(RECORD + id, cell))

    found = {
        id: read(id, {k.decode(): v.decode() for k, v in fields.items()})
        for cell, records in gather(of_cell, put).items()
        for id, fields in zip(of_cell[cell], records, strict=True)
        if fields
    }
    return [found.get(id) for id in message_ids]


def dead_letters(limit: int = 0) -> list[tuple[str, float]]:
    """Ids of messages that failed in every round or that no worker can open, and when (seconds since the
    epoch); the latest first.

    ``limit``: at most this many; 0: all of them.
    """

    def of_cell(cell: int) -> list[tuple[bytes, float]]:
        with client(cell) as redis:
            return list(redis.zrevrange(key(DEAD, cell), 0, limit - 1, withscores=True))

    found = in_each_cell(of_cell)
    latest = sorted(found, key=lambda one: one[1], reverse=True)[: limit or None]
    return [(id_.decode(), at / 1000) for id_, at in latest]


def given_up_at(message_id: str) -> float | None:
    """When a message was last given up, in seconds since the epoch. None if it is not, or no longer, a dead
    letter.
    """
    cell = cells.of_id(message_id)
    with client(cell) as redis:
        at = redis.zscore(key(DEAD, cell), message_id)
    return None if at is None else at / 1000


def replay(message_id: str) -> str:
    """Queue a dead letter again. Returns its queue; "" if it cannot be sent any more."""
    return str(_REPLAY((), (message_id,), cells.of_id(message_id)).decode())


def left_behind() -> int:
    """Count unsettled messages of a version without namespaces. Raises ``Unavailable``."""
    with client() as redis:
        return sum(redis.zcard(LEASES + queue) for queue in QUEUES)


def now() -> float:
    """The server's time in seconds since the epoch, by which records are timed."""
    with client() as redis:
        return float("{}.{:06}".format(*redis.time()))


def _change(
    script: Script, message_id: str, target: State, fields: Mapping[str, str], more: Mapping[str, Any]
) -> tuple[dict[str, Any], Message | None]:
    """Run a script that may change a message's state. Returns its answer, and the message if it exists."""
    states = dict.fromkeys(may_become(target), True)
    args = {"id": message_id, "target": target, "from": states, "fields": fields, "breaker": Breaker.in_ms()}
    apart = {"apart": True} if cells.many() else {}
    answer = script.ask((), {**args, **more, **apart}, cells.of_id(message_id))
    return answer, read(message_id, answer["record"]) if answer["record"] else None
