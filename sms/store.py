"""The records of messages in Redis: the only room that talks to Redis for them.

What stands under which key says ``sms.names``. Every change is one script, so it is atomic, and uses the
Redis server's clock, so that no two machines have to agree on the time. Nothing is written without a TTL
but the leases and what waits, whose members leave when their message is settled or its record is gone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from redis.exceptions import ResponseError

from sms import conf
from sms.errors import Overloaded
from sms.message import Attempt, Message, State, may_become
from sms.names import BEAT, BODY, DEAD, IN_LUA, LEASES, RECORD, STARTED, SWEEP, WAITING, key
from sms.scripts import Script, client

#: How long a claim holds, in seconds: the longest provider call (to connect, and the answer; see
#: ``providers.transport``) and a margin. A worker that died inside the call is noticed after this.
LEASE = 30.0

#: How long a queued message may go unclaimed before a sweep publishes it again, in seconds.
GRACE = 10.0

#: How long one asked-for sweep keeps others from being asked for, in seconds.
SWEEP_PENDING = 10.0

#: How long beat may be silent before /readyz says so, in seconds. It asks once a second.
BEAT_SILENT = 15.0

#: The queues that workers listen to: codes do not wait behind newsletters.
QUEUES = OTP_QUEUE, BULK_QUEUE = "otp", "bulk"

Verdict = Literal["claimed", "gone", "early", "busy", "done", "expired", "failed", "unknown", "cancelled"]


_LUA = Path(__file__).parent / "lua"
_SEND, _CALL_BACK = (Script(_LUA / f"{name}.lua", keys=IN_LUA) for name in ("send", "call_back"))
_CLAIM, _MOVE, _RENEW, _REPLAY, _SWEEP = (
    Script(_LUA / f"{name}.lua") for name in ("claim", "move", "renew", "replay", "sweep")
)


@dataclass(frozen=True, slots=True)
class Sent:
    """What the script that accepts a message answers. Times in seconds since the epoch."""

    created_at: float
    expires_at: float
    called_back: Message | None  # the one that it replaces, if that waited


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
    called_back = read(replaces, answer.get("called_back"))
    return Sent(answer["created_at"] / 1000, answer["expires_at"] / 1000, called_back)


def call_back(message_id: str) -> Message | None:
    """Call a message back that no worker has taken yet; None if it cannot be any more. One round trip."""
    answer = _CALL_BACK((), (message_id,))
    return read(message_id, json.loads(answer)) if answer else None


def read(message_id: str, record: Mapping[str, Any] | None) -> Message | None:
    """A record as a message."""
    return _message(message_id, record) if record else None


def claim(message_id: str) -> tuple[Verdict, Attempt | Message | None, str]:
    """Take the lease of a message that waits, or say why there is nothing to do. One round trip.

    Last comes the alias in whose call the worker before this one died, "" if none did.
    """
    values = (message_id, int(LEASE * 1000), key(LEASES), key(WAITING))
    answer = _CLAIM(_own(message_id), values)
    verdict: Verdict = answer[0].decode()
    if len(answer) == 1:
        return verdict, None, ""
    fields, died = _fields(answer[1]), answer[4].decode()
    message = _message(message_id, fields)
    if verdict != "claimed":
        return verdict, message, died
    attempt = Attempt(
        message=message,
        number=message.attempts,
        sealed=answer[2],
        remaining=answer[3] / 1000,
        # Once more in all, whatever the reason.
        resend_unknown=fields.get("resend_unknown") == "1"
        and fields["unknowns"] == "0"
        and "redirected" not in fields,
        rounds=int(fields.get("rounds", 0)),
        avoid=fields.get("avoid", ""),
        turn=fields.get("turn", ""),
    )
    return verdict, attempt, died


def worker_started() -> None:
    """Note that one has: how fast messages began before says nothing of how fast they will."""
    with client() as redis:
        for queue in QUEUES:  # for longer than create.lua looks back
            redis.set(key(STARTED + queue), redis.time()[0] * 1000, ex=10)


def renew(message_id: str, attempt: int) -> bool:
    """Keep the lease for one more call; False if the message expired or somebody else has it."""
    values = (message_id, attempt, int(LEASE * 1000), key(LEASES))
    return bool(_RENEW((key(RECORD + message_id),), values))


def move(
    message_id: str,
    target: State,
    *,
    attempt: int | None = None,
    retry_in: float | None = None,
    unknown: bool = False,
    round_over: bool = False,
    dead_letter: bool = False,
    **fields: str,
) -> tuple[bool, Message | None]:
    """Move a message to ``target`` if the table of transitions allows it. One round trip.

    ``attempt``: only if this is still the newest attempt. ``retry_in``: seconds until it is tried
    again; None settles the message: its text is erased and its lease given back. ``unknown``:
    count an attempt whose outcome is unknown. ``round_over``: all aliases have failed.
    ``dead_letter``: keep the text, so that it can be replayed while it lives. Returns whether it
    moved, and the record.
    """
    own = (
        "" if attempt is None else attempt,
        "" if retry_in is None else int(retry_in * 1000),
        *(int(unknown), int(round_over), int(dead_letter)),
    )
    moved, message, *_ = _move(message_id, target, own, ("", "", 0, 0, 0, 0), fields)
    return moved, message


def report(
    message_id: str, state: State, *, alias: str, health: str, figures: Sequence[float], **fields: str
) -> tuple[bool, Message | None, bool, bool]:
    """Record what a receipt of ``alias`` says, if that was asked for the message. One round trip.

    A live code that it says is FAILED is QUEUED once more instead, for another alias. ``health``
    and ``figures``: where and how its failures in this country are counted, see ``sms.delivery.health``.
    Returns whether it moved, the record, whether the alias is left out now, and whether it was never asked.
    """
    return _move(message_id, state, ("", "", 0, 0, 0), (alias, health, *figures), {"alias": alias} | fields)


def _move(
    message_id: str, target: State, own: tuple[Any, ...], receipt: tuple[Any, ...], fields: Mapping[str, str]
) -> tuple[bool, Message | None, bool, bool]:
    values = (
        *(message_id, target, f",{','.join(may_become(target))},"),
        *own,
        *(key(LEASES), key(WAITING), int(conf.get("MESSAGE_RECORD_HOURS") * 3_600_000)),
        *receipt,
        *_flat(fields),
    )
    moved, record, left_out, anothers = _MOVE((*_own(message_id), key(DEAD)), values)
    message = _message(message_id, _fields(record)) if record else None
    return bool(moved), message, bool(left_out), bool(anothers)


def get(message_id: str) -> Message | None:
    """The record of a message, or None if it never was or is kept no longer."""
    with client() as redis:
        fields = redis.hgetall(key(RECORD + message_id))
    return _message(message_id, {k.decode(): v.decode() for k, v in fields.items()}) if fields else None


def ask_for_sweep(queue: str) -> int | None:
    """The server's time in ms if no sweep of this queue is under way already, else None."""
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        pipe.set(key(SWEEP + queue), 1, nx=True, px=int(SWEEP_PENDING * 1000))
        pipe.set(key(BEAT), 1, px=int(BEAT_SILENT * 1000))
        pipe.time()
        free, _, (seconds, micros) = pipe.execute()
    return seconds * 1000 + micros // 1000 if free else None


def sweep(queue: str, cutoff: int, limit: int) -> list[str]:
    """The ids of at most ``limit`` messages of ``queue`` that were due before ``cutoff`` (ms)."""
    keys = (key(LEASES + queue), key(SWEEP + queue), key(WAITING + queue))
    ids = _SWEEP(keys, (cutoff, limit, int(GRACE * 1000), key(RECORD)))
    return [id_.decode() for id_ in ids]


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
    keys = (*_own(message_id), key(DEAD))
    return str(_REPLAY(keys, (message_id, key(LEASES))).decode())


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


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]


def _fields(flat: list[bytes]) -> dict[str, str]:
    texts = [part.decode() for part in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _message(message_id: str, fields: Mapping[str, Any]) -> Message:
    return Message(
        id=message_id,
        state=State(fields["state"]),
        queue=fields["queue"],
        country=fields.get("country", ""),
        masked=fields.get("masked", ""),
        created_at=int(fields["created_at"]) / 1000,
        expires_at=int(fields["expires_at"]) / 1000,
        attempts=int(fields.get("attempts", 0)),
        alias=fields.get("alias", ""),
        provider_message_id=fields.get("provider_message_id", ""),
        error=fields.get("error", ""),
        reported=fields.get("reported", ""),
        request_id=fields.get("request_id", ""),
        verification_id=fields.get("verification_id", ""),
    )
