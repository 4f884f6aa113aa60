"""The records of messages in Redis. No other module touches them there.

``sms.names`` lists the keys. Every change of a message is one script, so it is atomic. Scripts use the Redis
server's clock, so no two machines have to agree on the time. Everything gets a TTL, with two exceptions. The
sets of leases and of waiting messages drop an entry when its message is settled or its record is gone. The
tally of all time is bounded in size (see ``sms.tally``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import structlog

from sms import cells, conf, hub
from sms.breaker import Breaker
from sms.errors import OptedOut, Overloaded, Unavailable
from sms.message import Attempt, Chosen, Message, State, may_become
from sms.names import (
    BEAT,
    DEAD,
    FEEDBACK,
    LEASES,
    POLLS,
    RECORD,
    REVOKES,
    STARTED,
    SWEEP,
    SWEPT,
    THEIRS,
    UNSWEPT,
    key,
)
from sms.records import Choice, Claim, FollowUp, Moved, Recorded, chosen, claimed, read
from sms.scripts import Script, client, gather, home, in_each_cell
from sms.steps import QUEUES, script

log = structlog.get_logger("sms")

#: Seconds for which a pending sweep keeps others from being requested.
SWEEP_PENDING = 10.0

#: Seconds that beat may be silent before /readyz reports it. It asks once a second.
BEAT_SILENT = 15.0

#: Seconds that /readyz remembers. A part that is away for longer may be reported as away since a later time.
REMEMBERED = 30 * 86_400.0

#: The queue that wakes the sender of events; see ``sms.webhooks``.
EVENTS_QUEUE = "events"

#: Why a message changes its state, where move.lua has to know it.
Why = Literal["", "unknown", "round_over", "dead_letter", "unopened"]

#: Calls that follow a successful hand-off: ask the vendor what became of the message, tell it whether the
#: code was typed, or have it take the message back.
Kind = Literal["look_up", "feedback", "revoke"]

#: Prefixes of the keys of the messages that are due, by kind; the alias is appended.
DUE: Mapping[Kind, str] = {"look_up": POLLS, "feedback": FEEDBACK, "revoke": REVOKES}


class After(NamedTuple):
    """Calls that follow a successful hand-off."""

    refers_by_own_id: bool = False  # the vendor's receipts name the message by the vendor's id
    polls: bool = False  # ask the vendor what became of it
    feedback: bool = False  # tell the vendor whether its code was typed
    revokes: bool = False  # the vendor can take it back


NOTHING = After()


_SEND = script("send", accepts=True)
_CALL_BACK, _TAKE, _CHOOSE, _BEGIN, _MOVE, _RECEIPT, _WHOSE, _THEIRS, _REPLAY = map(
    script, ("call_back", "take", "choose", "begin", "move", "receipt", "whose", "theirs", "replay")
)
_ASK, _SWEEP, _FOLLOW_UPS, _FOLLOW_UP = map(script, ("ask", "sweep", "follow_ups", "follow_up"))


def send(
    message: Mapping[str, Any],
    *,
    expires_at: float | None,
    replaces: str,
    expires_in: float | None = None,
    marks: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Accept a message. Returns what send.lua does. One round trip, with cells two, or three if the
    message that it replaces is in another cell.

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
        found = hub.outlook(message, args.pop("marks", ()))
        args |= {"message": {**message, "outlook": found["outlook"]}, "opted_out": found["opted_out"]}
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
        left_out = hub.left_out()
        known = {name: able | {"well": _is_healthy(name, able, left_out)} for name, able in aliases.items()}
        args |= {"apart": True, "aliases": known}
    answer = _TAKE.ask((), args, cells.of_id(message_id) if message_id else cell)
    if "died" in answer and hub.died(answer["died"], answer["record"].get("country", "")):
        answer["left_out"] = answer["died"]
    message = read(answer["id"], answer["record"]) if "record" in answer else None
    if cells.many() and message and "sealed" not in answer:
        hub.leave_line_of(message.id, answer["record"])  # it no longer waits for a provider's rate
    found = claimed(message, answer) if message and "sealed" in answer else message
    return Claim(answer["verdict"], found, answer.get("left_out", ""))


def _is_healthy(name: str, able: Mapping[str, Any], left_out: Collection[str]) -> bool:
    """Whether the hub would let a call to this alias begin at once."""
    return name not in left_out and not able["per_message"] and not able["per_segment"]


def choose(attempt: Attempt, *, hops: Sequence[str], **more: Any) -> Choice:
    """Choose the alias for an attempt's next call, and lease the message for it. One round trip,
    mostly three with cells.

    ``Choice.chosen`` is None if no alias may be asked any more, or there is no slot. See choose.lua.
    """
    id = attempt.message.id
    args = {"id": id, "attempt": attempt.number, "hops": ",".join(hops)} | more
    if cells.many():
        return _choose_apart(args, cells.of_id(id))
    answer = _CHOOSE.ask((), args | {"breaker": Breaker.in_ms()})
    return Choice(chosen(answer), dict(answer["changed"]))  # fakeredis writes an empty map as a list


def _choose_apart(args: Mapping[str, Any], cell: int) -> Choice:
    """The same in three steps: the message's cell renews the lease, the hub picks, the cell notes it."""
    answer = _CHOOSE.ask((), {**args, "apart": True}, cell)
    calls = args["calls"] if answer["counted"] else ()
    record = answer.get("record")
    if not record:
        return Choice(None, hub.ended(calls))
    want = {name: args[name] for name in ("id", "hops", "parts", "failed", "aliases")}
    want |= {"record": record, "repeats": args.get("unknown", False)}
    told = hub.pick(want, calls, args.get("marks", ()))
    changed = dict(told["changed"])
    if told.get("opted_out"):
        return Choice(Chosen("", 0.0, False, True), changed)
    if "picked" not in told:
        return Choice(None, changed)
    noted: dict[str, Any] = {}
    try:
        pick = {"id": args["id"], "attempt": args["attempt"], "picked": told["picked"]}
        noted = _BEGIN.ask((), pick, cell)
    finally:
        if "chosen" not in noted:  # no call begins
            hub.give_back(told["picked"], record.get("country", ""))
    return Choice(chosen(noted), changed)


def worker_started() -> None:
    """Note that a worker started. Earlier seconds do not count for the pace: see includes/overload.lua."""

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
    if attempt is not None:  # cjson's null is true
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
        # The first try may have counted them, and its answer got lost before the hub was told.
        lost = [call for call in calls if again and not call["good"]]
        changed = hub.ended(calls if answer["counted"] else lost)
        hub.leave_line(message_id, queue=answer["record"].get("queue", ""), turn=answer.get("left", ""))
        early = _keep_theirs(theirs, message_id, kept) if theirs and message else None
    return Moved(answer["moved"], message, changed, json.loads(early) if early else None)


def _keep_theirs(theirs: str, message_id: str, kept: int) -> str:
    """Keep our id under the vendor's. Returns a receipt that overtook the answer of the call, or ""."""
    try:
        cell = _cell_of_theirs(theirs)
        keys = (key(THEIRS + theirs, cell), key(f"{THEIRS}early:{theirs}", cell))
        return str(_THEIRS(keys, (message_id, kept), cell).decode())
    except Unavailable:  # the outcome is recorded, and must not wait for another cell
        log.warning("receipts_unmatched", message_id=message_id)
        return ""


def whose(alias: str, theirs: str, receipt: Mapping[str, str]) -> str:
    """Find our id of the message that the vendor of ``alias`` calls ``theirs``; "" if unknown. One round
    trip.

    An unknown receipt is kept for a moment, as it may have overtaken the answer of its call: see
    ``Moved.early``.
    """
    args = {"alias": alias, "theirs": theirs, "state": receipt["state"], "receipt": json.dumps(receipt)}
    return str(_WHOSE((), (json.dumps(args),), _cell_of_theirs(f"{alias}:{theirs}")).decode())


def _cell_of_theirs(theirs: str) -> int:
    return home([theirs], lambda cell: [key(THEIRS + theirs, cell)])


def follow_ups(wanted: Iterable[tuple[Kind, str, float]], most: int, cell: int) -> list[int]:
    """Count the follow-up calls in a cell that may begin now, ``most`` for each entry. One round trip.

    ``wanted``: kind, alias, and the ms of the alias's rate that a call takes.
    """
    lists = [
        {"due": key(DUE[kind] + alias, cell), "alias": alias, "takes": 0 if cells.many() else takes}
        for kind, alias, takes in wanted
    ]
    return list(_FOLLOW_UPS((), (json.dumps({"wanted": lists, "most": most}),), cell))


def follow_up(kind: Kind, alias: str, takes: float, cell: int) -> FollowUp | None:
    """Take the next follow-up call in a cell, which begins now. None if none is due or may begin. One round
    trip, or with cells two if the alias has a rate, and three if none is due then.
    """
    if cells.many() and not hub.begin_call(alias, takes):
        return None
    args = {"due": key(DUE[kind] + alias, cell), "alias": alias, "takes": 0 if cells.many() else takes}
    args |= {"looks": kind == "look_up", "open": kind != "feedback"}
    answer = _FOLLOW_UP.ask((), args, cell)
    if cells.many() and not answer:
        hub.give_back_call(alias, takes)
    return FollowUp(read(answer["id"], answer["record"]), answer["converted"]) if answer else None


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
    if cells.many() and answer.get("matters"):
        record, is_bad = answer["record"], state is State.FAILED
        left_out = hub.judge_receipt(alias, record.get("country", ""), record.get("hops", ""), is_bad=is_bad)
    if cells.many() and moved:
        hub.leave_line_of(message_id, answer["record"])
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


def ask_for_sweep(queue: str) -> int | None:
    """Request a sweep. Returns the server's time (ms), or None if one is pending. One round trip."""
    args = {"pending": SWEEP_PENDING, "silent": BEAT_SILENT, "remembered": REMEMBERED}
    keys = (key(SWEEP + queue), key(BEAT), key(UNSWEPT + queue))
    cutoff: int | None = _ASK(keys, (json.dumps({name: int(s * 1000) for name, s in args.items()}),))
    return cutoff


def sweep(queue: str, cutoff: int, most: int) -> list[str]:
    """The ids of the first messages of ``queue`` in each cell that were due before ``cutoff`` (ms); see
    sweep.lua.
    """
    of_each = max(most // len(cells.every()), 1)
    args = {"queue": queue, "cutoff": cutoff, "most": of_each, "remembered": int(REMEMBERED * 1000)}

    def swept(cell: int) -> list[str]:
        # The first two exist only in the hub: ask.lua sets them there.
        keys = (key(SWEEP + queue, cell), key(UNSWEPT + queue, cell), key(SWEPT, cell))
        return [id_.decode() for id_ in _SWEEP(keys, (json.dumps(args),), cell)]

    return in_each_cell(swept)


def dead_letters(limit: int = 0) -> list[tuple[str, float]]:
    """Ids of messages that failed in every round, and when (seconds since the epoch); the latest first.

    ``limit``: at most this many; 0: all of them.
    """

    def of_cell(cell: int) -> list[tuple[bytes, float]]:
        with client(cell) as redis:
            return list(redis.zrevrange(key(DEAD, cell), 0, limit - 1, withscores=True))

    found = in_each_cell(of_cell)
    latest = sorted(found, key=lambda one: one[1], reverse=True)[: limit or None]
    return [(id_.decode(), at / 1000) for id_, at in latest]


def given_up_at(message_id: str) -> float | None:
    """When a message failed in every round; None if it did not, or was replayed since."""
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
