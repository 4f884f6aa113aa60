"""The records of messages in Redis: the only room that talks to Redis for them.

What stands under which key says ``sms.names``. Every change is one script, so it is atomic, and uses the
Redis server's clock, so that no two machines have to agree on the time. Nothing is written without a TTL
but the leases and what waits, whose members leave when their message is settled or its record is gone, and
the tally of all time, which is bounded (see ``sms.tally``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from redis.exceptions import ResponseError

from sms import conf
from sms.breaker import Breaker
from sms.errors import OptedOut, Overloaded
from sms.message import Attempt, Message, State, may_become
from sms.names import (
    BEAT,
    DEAD,
    FEEDBACK,
    IN_LUA,
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
from sms.scripts import Script, client
from sms.webhooks import endpoints

#: How long a claim holds, in seconds: the longest provider call (to connect, and the answer; see
#: ``providers.transport``) and a second.
LEASE = 25.0

#: Seconds after that in which whoever made the call may still write down how it ended. They begin when
#: somebody finds the lease over, as Redis may have been away. Enough for two tries, at 2.5 s where it hangs.
LAST_CHANCE = 5.0

#: How long one asked-for sweep keeps others from being asked for, in seconds.
SWEEP_PENDING = 10.0

#: How long beat may be silent before /readyz says so, in seconds. It asks once a second.
BEAT_SILENT = 15.0

#: How long /readyz remembers, in seconds: what is away for longer may be said to be away since then.
REMEMBERED = 30 * 86_400.0

#: The queues of messages: codes do not wait behind newsletters.
QUEUES = OTP_QUEUE, BULK_QUEUE = "otp", "bulk"

#: The queue that wakes whoever sends events; see ``sms.webhooks``.
EVENTS_QUEUE = "events"

#: Why a message goes to another state, if that takes more than its record; see move.lua.
Why = Literal["", "unknown", "round_over", "dead_letter", "unopened"]

#: What follows a call that worked: the vendor is asked what became of the message, told whether its code was
#: typed, or asked to take the message back.
Kind = Literal["look_up", "feedback", "revoke"]

#: Where it stands when each is due, of each alias.
DUE: Mapping[Kind, str] = {"look_up": POLLS, "feedback": FEEDBACK, "revoke": REVOKES}


class After(NamedTuple):
    """What follows a call that worked."""

    refers_by_own_id: bool = False  # the vendor's receipts name it by the vendor's id
    polls: bool = False  # the vendor is asked what became of it
    feedback: bool = False  # the vendor is told whether its code was typed
    revokes: bool = False  # the vendor can take it back


NOTHING = After()


def script(name: str, *, accepts: bool = False) -> Script:
    """A script of ours, which knows the names of our keys. ``accepts``: see ``Script``."""
    path = Path(__file__).parent / "lua" / f"{name}.lua"
    lease, last_chance = int(LEASE * 1000), int(LAST_CHANCE * 1000)
    return Script(
        path,
        keys=IN_LUA,
        accepts=accepts,
        CODES=OTP_QUEUE,
        LEASE=lease,
        LAST_CHANCE=last_chance,
        EVENTS=endpoints.in_lua,
    )


_SEND = script("send", accepts=True)
_CALL_BACK, _TAKE, _CHOOSE, _MOVE, _RECEIPT, _WHOSE, _REPLAY = map(
    script, ("call_back", "take", "choose", "move", "receipt", "whose", "replay")
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
    """Accept a message and return what send.lua does. One round trip.

    ``message``: as includes/accept.lua wants it. ``expires_at``: seconds since the epoch; None: it lives
    ``expires_in`` seconds, or else ``MESSAGE_LIFETIME``. ``marks``: those of its number, where opt-outs count
    (see ``sms.optouts``).
    Raises ``OptedOut``, or ``Overloaded`` where it would wait for too long.
    """
    args: dict[str, Any] = {"message": message, "replaces": replaces}
    if marks:
        args["marks"] = marks
    if expires_at is not None:
        args["expires_at"] = int(expires_at * 1000)
    else:
        args["lifetime"] = int(1000 * (conf.get("MESSAGE_LIFETIME") if expires_in is None else expires_in))
    answer = _SEND.ask((), args)
    if "opted_out" in answer:
        raise OptedOut("This number has asked for no more messages.")
    if "wait" in answer:
        raise Overloaded("It could not be sent in time now.", math.ceil(answer["wait"] / 1000))
    return answer


def call_back(message_id: str) -> Message | None:
    """Call a message back that no worker has taken yet; None if it cannot be any more. One round trip."""
    answer = _CALL_BACK((), (message_id,))
    return read(message_id, json.loads(answer)) if answer else None


def claim(
    message_id: str = "",
    queues: Sequence[str] = (),
    aliases: Mapping[str, Any] = MappingProxyType({}),
) -> Claim:
    """Take the lease of a message, and choose the alias that gets it; or say why there is nothing to do.

    That is the message ``message_id``, or if it cannot be claimed the lowest due one of ``queues``, of
    which the first goes before everything. ``aliases``: what this worker may call, see ``Alias.able``;
    without any none is chosen. One round trip.
    """
    args = {"id": message_id, "queues": queues, "aliases": {**aliases}, "breaker": Breaker.in_ms()}
    answer = _TAKE.ask((), args)
    message = read(answer["id"], answer["record"]) if "record" in answer else None
    found = claimed(message, answer) if message and "sealed" in answer else message
    return Claim(answer["verdict"], found, answer.get("left_out", ""))


def choose(attempt: Attempt, *, hops: Sequence[str], **more: Any) -> Choice:
    """The alias for the next call of an attempt, and its lease for that; see choose.lua. One round trip.

    ``Choice.chosen`` is None if nobody may be asked any more, or there is no slot.
    """
    args = {"id": attempt.message.id, "attempt": attempt.number, "hops": ",".join(hops)}
    answer = _CHOOSE.ask((), args | more | {"breaker": Breaker.in_ms()})
    return Choice(chosen(answer), dict(answer["changed"]))  # fakeredis writes an empty one as a list


def worker_started() -> None:
    """Note that one has: how fast messages began before says nothing of how fast they will."""
    with client() as redis:
        for queue in QUEUES:  # for longer than includes/overload.lua looks back
            redis.set(key(STARTED + queue), redis.time()[0] * 1000, ex=10)


def finish(
    message_id: str,
    target: State,
    why: Why = "",
    *,
    attempt: int | None = None,
    retry_in: float | None = None,
    calls: Sequence[Mapping[str, Any]] = (),
    after: After = NOTHING,
    **fields: str,
) -> Moved:
    """Move a message to ``target`` if the table of transitions allows it. One round trip.

    ``why``: see move.lua. ``attempt``: only if this is still the newest. ``retry_in``: seconds until it is
    tried again; None settles the message: its text is erased and its lease given back. ``calls``: how they
    ended, for the breakers. ``after``: what follows a call that worked.
    """
    kept = int(conf.get("MESSAGE_RECORD_HOURS") * 3_600_000)
    more: dict[str, Any] = {"why": why, "calls": calls, "kept": kept}
    if attempt is not None:  # cjson's null is true
        more["attempt"] = attempt
    if retry_in is not None:
        more["retry_in"] = int(retry_in * 1000)
    if after.refers_by_own_id:
        more["theirs"] = key(f"{THEIRS}{fields['alias']}:{fields['provider_message_id']}")
    more |= {name: True for name in ("polls", "feedback", "revokes") if getattr(after, name)}
    answer, message = _change(_MOVE, message_id, target, fields, more)
    early = json.loads(answer["early"]) if "early" in answer else None
    return Moved(answer["moved"], message, dict(answer["changed"]), early)


def whose(alias: str, theirs: str, receipt: Mapping[str, str]) -> str:
    """Our id of the message that the vendor of ``alias`` calls ``theirs``, "" if it is not known.

    Then the receipt is kept for a moment, as it may have overtaken the answer of its call: see
    ``Moved.early``. One round trip.
    """
    args = {"alias": alias, "theirs": theirs, "state": receipt["state"], "receipt": json.dumps(receipt)}
    return str(_WHOSE((), (json.dumps(args),)).decode())


def follow_ups(wanted: Iterable[tuple[Kind, str, float]], most: int) -> list[int]:
    """How many calls that follow others may begin now, ``most`` at most: for each kind and alias, with the ms
    of its rate that a call takes. One round trip.
    """
    lists = [{"due": key(DUE[kind] + alias), "alias": alias, "takes": takes} for kind, alias, takes in wanted]
    return list(_FOLLOW_UPS((), (json.dumps({"wanted": lists, "most": most}),)))


def follow_up(kind: Kind, alias: str, takes: float) -> FollowUp | None:
    """The next of these calls, which begins now; None if there is none, or its rate has no room. One round
    trip.
    """
    args = {"due": key(DUE[kind] + alias), "alias": alias, "takes": takes}
    args |= {"looks": kind == "look_up", "open": kind != "feedback"}
    answer = _FOLLOW_UP.ask((), args)
    return FollowUp(read(answer["id"], answer["record"]), answer["converted"]) if answer else None


def record_receipt(
    message_id: str, state: State, *, alias: str, about: str = "", unreachable: bool = False, **fields: str
) -> Recorded:
    """Record what a receipt of ``alias`` says, if that was asked for the message. One round trip.

    A live code that it says is FAILED is QUEUED once more instead, for another alias. ``about``: the vendor's
    id by which it was asked what became of the message. ``unreachable``: the failure is none of the alias'.
    """
    more = {"alias": alias, "unreachable": unreachable} | ({"about": about} if about else {})
    answer, message = _change(_RECEIPT, message_id, state, {"alias": alias} | fields, more)
    moved, left_out, never_asked = (answer.get(name, False) for name in ("moved", "left_out", "never_asked"))
    return Recorded(moved, message, left_out, never_asked)


def get(message_id: str) -> Message | None:
    """The record of a message, or None if it never was or is kept no longer."""
    return get_all([message_id])[0]


def get_all(message_ids: Sequence[str]) -> list[Message | None]:
    """The records of several, in one round trip that takes as long whatever they are."""
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        for id in message_ids:
            pipe.hgetall(key(RECORD + id))
        found = pipe.execute()
    return [
        read(id, {k.decode(): v.decode() for k, v in fields.items()}) if fields else None
        for id, fields in zip(message_ids, found, strict=True)
    ]


def ask_for_sweep(queue: str) -> int | None:
    """The server's time in ms if no sweep of this queue is under way already, else None. One round trip."""
    args = {"pending": SWEEP_PENDING, "silent": BEAT_SILENT, "remembered": REMEMBERED}
    keys = (key(SWEEP + queue), key(BEAT), key(UNSWEPT + queue))
    cutoff: int | None = _ASK(keys, (json.dumps({name: int(s * 1000) for name, s in args.items()}),))
    return cutoff


def sweep(queue: str, cutoff: int, most: int) -> list[str]:
    """The ids of the first messages of ``queue`` that were due before ``cutoff`` (ms); see sweep.lua."""
    args = {"queue": queue, "cutoff": cutoff, "most": most, "remembered": int(REMEMBERED * 1000)}
    keys = (key(SWEEP + queue), key(UNSWEPT + queue), key(SWEPT))
    return [id_.decode() for id_ in _SWEEP(keys, (json.dumps(args),))]


def dead_letters(limit: int = 0) -> list[tuple[str, float]]:
    """Ids of messages that failed in every round, the latest first, and when that was (seconds since the
    epoch); 0: all of them.
    """
    with client() as redis:
        found = redis.zrevrange(key(DEAD), 0, limit - 1, withscores=True)
    return [(id_.decode(), at / 1000) for id_, at in found]


def given_up_at(message_id: str) -> float | None:
    """When a message failed in every round; None if it did not, or was replayed since."""
    with client() as redis:
        at = redis.zscore(key(DEAD), message_id)
    return None if at is None else at / 1000


def replay(message_id: str) -> str:
    """Queue a dead letter once more; returns its queue, "" if it can be sent no more."""
    return str(_REPLAY((), (message_id,)).decode())


def left_behind() -> int:
    """How many messages of a version without namespaces are not settled. Raises ``Unavailable``."""
    with client() as redis:
        return sum(redis.zcard(LEASES + queue) for queue in QUEUES)


def now() -> float:
    """What the server's clock says: seconds since the epoch. The times of a record are by this clock."""
    with client() as redis:
        return float("{}.{:06}".format(*redis.time()))


def eviction_policy() -> str:
    """What the server does when it is full, "" if it does not say (managed ones may forbid to ask)."""
    with client() as redis, suppress(ResponseError):
        return str(redis.config_get("maxmemory-policy").get("maxmemory-policy", ""))
    return ""


def is_cluster() -> bool:
    """Whether the server is a node of a Redis Cluster; False if it does not say. Raises ``Unavailable``."""
    with client() as redis, suppress(ResponseError):
        return bool(redis.info("cluster").get("cluster_enabled"))
    return False


def _change(
    script: Script, message_id: str, target: State, fields: Mapping[str, str], more: Mapping[str, Any]
) -> tuple[dict[str, Any], Message | None]:
    """The answer of a script that may change the state of a message, and the message, if there is one."""
    states = dict.fromkeys(may_become(target), True)
    args = {"id": message_id, "target": target, "from": states, "fields": fields, "breaker": Breaker.in_ms()}
    answer = script.ask((), {**args, **more})
    return answer, read(message_id, answer["record"]) if answer["record"] else None
