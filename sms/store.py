"""The records of messages in Redis: the only room that talks to Redis for them.

What stands under which key says ``sms.names``. Every change is one script, so it is atomic, and uses the
Redis server's clock, so that no two machines have to agree on the time. Nothing is written without a TTL
but the leases and what waits, whose members leave when their message is settled or its record is gone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

from sms import conf
from sms.errors import Overloaded
from sms.message import Attempt, Chosen, Message, State, may_become
from sms.names import BEAT, BODY, DEAD, IN_LUA, LEASES, RECORD, STARTED, SWEEP, WAITING, key
from sms.records import Claim, Moved, Reported, Sent, read, shown
from sms.scripts import Script, client

#: How long a claim holds, in seconds: the longest provider call (to connect, and the answer; see
#: ``providers.transport``) and a margin. A worker that died inside the call is noticed after this.
LEASE = 30.0

#: How long one asked-for sweep keeps others from being asked for, in seconds.
SWEEP_PENDING = 10.0

#: How long beat may be silent before /readyz says so, in seconds. It asks once a second.
BEAT_SILENT = 15.0

#: The queues that workers listen to: codes do not wait behind newsletters.
QUEUES = OTP_QUEUE, BULK_QUEUE = "otp", "bulk"

#: What a worker may call now, see ``sms.delivery.health``. Without aliases none is chosen.
NOBODY: Mapping[str, Any] = {"aliases": {}, "good": {}}


def script(name: str) -> Script:
    """A script of ours, which knows the names of our keys."""
    path = Path(__file__).parent / "lua" / f"{name}.lua"
    return Script(path, keys=IN_LUA, CODES=OTP_QUEUE, LEASE=int(LEASE * 1000))


_SEND, _CALL_BACK, _TAKE, _MOVE, _RECEIPT, _RENEW, _REPLAY, _SWEEP = map(
    script, ("send", "call_back", "take", "move", "receipt", "renew", "replay", "sweep")
)


def send(message: Mapping[str, Any], *, expires_at: float | None, replaces: str) -> Sent:
    """Accept a message; see send.lua. One round trip.

    ``message``: as includes/accept.lua wants it. ``expires_at``: seconds since the epoch; None:
    ``MESSAGE_LIFETIME`` from now. Raises ``Overloaded`` where it would wait for too long.
    """
    args: dict[str, Any] = {"message": message, "replaces": replaces}
    if expires_at is None:
        args["lifetime"] = int(conf.get("MESSAGE_LIFETIME") * 1000)
    else:
        args["expires_at"] = int(expires_at * 1000)
    answer = _SEND.ask((), args)
    if "wait" in answer:
        raise Overloaded("It could not be sent in time now.", math.ceil(answer["wait"] / 1000))
    record = answer.get("called_back")
    called_back = shown(replaces, record) if record else None
    return Sent(answer["created_at"] / 1000, answer["expires_at"] / 1000, called_back)


def call_back(message_id: str) -> Message | None:
    """Call a message back that no worker has taken yet; None if it cannot be any more. One round trip."""
    answer = _CALL_BACK((), (message_id,))
    return shown(message_id, json.loads(answer)) if answer else None


def claim(message_id: str = "", queues: Sequence[str] = (), able: Mapping[str, Any] = NOBODY) -> Claim:
    """Take the lease of a message, and choose the alias that gets it; or say why there is nothing to do.

    That is the message ``message_id``, or if it cannot be claimed the lowest due one of ``queues``, of
    which the first goes before everything. ``able``: what this worker may call. One round trip.
    """
    args = {"id": message_id, "queues": queues, **able}
    verdict, id, *more = _TAKE((), (json.dumps(args),))
    verdict = verdict.decode()
    if not more:
        return Claim(verdict, None, "")
    record, died_in, *more = more
    message = shown(id.decode(), record)
    if not more:
        return Claim(verdict, message, died_in.decode())
    sealed, remaining, alias, wait, probe, again, rounds, avoid, turn, hops = more
    attempt = Attempt(
        message=message,
        number=message.attempts,
        sealed=sealed,
        remaining=remaining / 1000,
        resend_unknown=bool(again),
        rounds=rounds,
        avoid=avoid.decode(),
        turn=turn.decode(),
        hops=tuple(hops.decode().split(",")),
        chosen=Chosen(alias.decode(), wait / 1000, bool(probe)) if wait >= 0 else None,
    )
    return Claim(verdict, attempt, died_in.decode())


def worker_started() -> None:
    """Note that one has: how fast messages began before says nothing of how fast they will."""
    with client() as redis:
        for queue in QUEUES:  # for longer than includes/overload.lua looks back
            redis.set(key(STARTED + queue), redis.time()[0] * 1000, ex=10)


def renew(message_id: str, attempt: int) -> bool:
    """Keep the lease for one more call; False if it may not be sent any more, or somebody else has it."""
    return bool(_RENEW((key(RECORD + message_id),), (message_id, attempt)))


def finish(
    message_id: str,
    target: State,
    *,
    attempt: int | None = None,
    retry_in: float | None = None,
    unknown: bool = False,
    round_over: bool = False,
    dead_letter: bool = False,
    calls: Sequence[Mapping[str, Any]] = (),
    breaker: Mapping[str, float] | None = None,
    **fields: str,
) -> Moved:
    """Move a message to ``target`` if the table of transitions allows it. One round trip.

    ``attempt``: only if this is still the newest attempt. ``retry_in``: seconds until it is tried
    again; None settles the message: its text is erased and its lease given back. ``unknown``:
    count an attempt whose outcome is unknown. ``round_over``: all aliases have failed.
    ``dead_letter``: keep the text, so that it can be replayed while it lives. ``calls``, ``breaker``: what
    ``sms.delivery.health`` has to tell of the calls.
    """
    args = {
        "id": message_id,
        "target": target,
        "from": dict.fromkeys(may_become(target), True),
        "unknown": int(unknown),
        "round_over": round_over,
        "dead_letter": dead_letter,
        "calls": calls,
        "kept": int(conf.get("MESSAGE_RECORD_HOURS") * 3_600_000),
        "fields": fields,
    }
    for name, value in (
        ("attempt", attempt),
        ("retry_in", None if retry_in is None else int(retry_in * 1000)),
        ("breaker", breaker),
    ):
        if value is not None:  # cjson's null is true
            args[name] = value
    moved, record, told = _MOVE((*_own(message_id), key(DEAD)), (json.dumps(args),))
    return Moved(bool(moved), shown(message_id, record) if record else None, told)


def move(message_id: str, target: State, **more: Any) -> tuple[bool, Message | None]:
    """``finish`` without news of any call: whether the message moved, and its record."""
    return finish(message_id, target, **more)[:2]


def report(
    message_id: str, state: State, *, alias: str, figures: Mapping[str, float], **fields: str
) -> Reported:
    """Record what a receipt of ``alias`` says, if that was asked for the message. One round trip.

    A live code that it says is FAILED is QUEUED once more instead, for another alias. ``figures``: how its
    failures in this country are counted, see ``sms.delivery.health``.
    """
    args = {
        "id": message_id,
        "alias": alias,
        "target": state,
        "from": dict.fromkeys(may_become(state), True),
        "breaker": figures,
        "fields": {"alias": alias} | fields,
    }
    moved, record, left_out, anothers = _RECEIPT((*_own(message_id), key(DEAD)), (json.dumps(args),))
    message = shown(message_id, record) if record else None
    return Reported(bool(moved), message, bool(left_out), bool(anothers))


def get(message_id: str) -> Message | None:
    """The record of a message, or None if it never was or is kept no longer."""
    with client() as redis:
        fields = redis.hgetall(key(RECORD + message_id))
    return read(message_id, {k.decode(): v.decode() for k, v in fields.items()}) if fields else None


def ask_for_sweep(queue: str) -> int | None:
    """The server's time in ms if no sweep of this queue is under way already, else None."""
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        pipe.set(key(SWEEP + queue), 1, nx=True, px=int(SWEEP_PENDING * 1000))
        pipe.set(key(BEAT), 1, px=int(BEAT_SILENT * 1000))
        pipe.time()
        free, _, (seconds, micros) = pipe.execute()
    return seconds * 1000 + micros // 1000 if free else None


def sweep(queue: str, cutoff: int, most: int) -> list[str]:
    """The ids of the first messages of ``queue`` that were due before ``cutoff`` (ms), ``most`` at most."""
    keys = (key(LEASES + queue), key(SWEEP + queue), key(WAITING + queue))
    return [id_.decode() for id_ in _SWEEP(keys, (json.dumps({"cutoff": cutoff, "most": most}),))]


def dead_letters(limit: int = 0) -> list[str]:
    """Ids of messages that failed in every round, the latest first; 0: all of them."""
    with client() as redis:
        return [id_.decode() for id_ in redis.zrevrange(key(DEAD), 0, limit - 1)]


def is_dead_letter(message_id: str) -> bool:
    """Whether a message failed in every round, and was not replayed since."""
    with client() as redis:
        return redis.zscore(key(DEAD), message_id) is not None


def replay(message_id: str) -> str:
    """Queue a dead letter once more; returns its queue, "" if it can be sent no more."""
    return str(_REPLAY((*_own(message_id), key(DEAD)), (message_id,)).decode())


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
    with client() as redis:
        try:
            policy: str = redis.config_get("maxmemory-policy").get("maxmemory-policy", "")
        except ResponseError:
            return ""
    return policy


def is_cluster() -> bool:
    """Whether the server is a node of a Redis Cluster; False if it does not say. Raises ``Unavailable``."""
    with client() as redis:
        try:
            return bool(redis.info("cluster").get("cluster_enabled"))
        except ResponseError:
            return False


def _own(message_id: str) -> tuple[str, str]:
    """The keys of one message: its record and its body."""
    return key(RECORD + message_id), key(BODY + message_id)
