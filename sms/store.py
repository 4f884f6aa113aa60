"""The records of messages in Redis: the only room that talks to Redis for them.

    sms:message:<id>   hash      state, times, counts; kept MESSAGE_RECORD_HOURS
    sms:body:<id>      string    the sealed number and text; gone when the message is settled
    sms:leases:<queue> sorted set  id → when a sweep should look at the message again (ms)
    sms:sweep:<queue>  string    a sweep of this queue is under way in the broker

Every change is one script, so it is atomic, and uses the Redis server's clock, so that no two
machines have to agree on the time. Nothing is written without a TTL but the lease sets, whose
members leave when their message is settled or its record is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from django_redis import get_redis_connection
from redis.exceptions import ResponseError

from sms import conf
from sms.errors import Unavailable
from sms.message import Attempt, Message, State, may_become
from sms.scripts import AWAY, Script

#: How long a claim holds, in seconds: the longest provider call (see ``providers.base``: two
#: addresses, TLS, the answer) and a margin. A worker that died inside the call is noticed after this.
LEASE = 30.0

#: How long a queued message may go unclaimed before a sweep publishes it again, in seconds.
GRACE = 10.0

#: How long one asked-for sweep keeps others from being asked for, in seconds.
SWEEP_PENDING = 10.0

RECORD, BODY, LEASES, SWEEP = "sms:message:", "sms:body:", "sms:leases:", "sms:sweep:"

Verdict = Literal["claimed", "gone", "early", "busy", "done", "expired", "unknown"]


def _script(name: str) -> Script:
    return Script(Path(__file__).parent / "lua" / f"{name}.lua")


_CREATE, _CLAIM, _MOVE, _SWEEP = map(_script, ("create", "claim", "move", "sweep"))


def _run(script: Script, keys: tuple[str, ...], values: Iterable[Any]) -> Any:
    try:
        return script(keys, values)
    except AWAY as error:
        raise Unavailable("Redis does not answer.") from error


@contextmanager
def _redis() -> Iterator[Any]:  # redis-py types every answer as bytes or str
    try:
        yield get_redis_connection()
    except AWAY as error:
        raise Unavailable("Redis does not answer.") from error


def create(
    message_id: str, sealed: bytes, *, queue: str, expires_at: float | None, replaces: str, **fields: str
) -> tuple[Message, bool]:
    """Write a queued message and its lease; cancel the queued message that it ``replaces``.

    ``expires_at``: seconds since the epoch; None: ``MESSAGE_LIFETIME`` from now. Returns the
    message and whether the replaced one was cancelled by this. One round trip.
    """
    fields["queue"] = queue
    keys = (RECORD + message_id, BODY + message_id, LEASES + queue, RECORD + replaces, BODY + replaces)
    values = (
        message_id,
        sealed,
        "" if expires_at is None else int(expires_at * 1000),
        int(conf.get("MESSAGE_LIFETIME") * 1000),
        int(conf.get("MESSAGE_RECORD_HOURS") * 3_600_000),
        int(GRACE * 1000),
        replaces,
        *_flat(fields),
    )
    created, expires, cancelled = _run(_CREATE, keys, values)
    fields |= {"state": State.QUEUED, "created_at": created, "expires_at": expires}
    return _message(message_id, fields), bool(cancelled)


def claim(message_id: str) -> tuple[Verdict, Attempt | Message | None]:
    """Take the lease of a message that waits, or say why there is nothing to do. One round trip."""
    keys = (RECORD + message_id, BODY + message_id)
    answer = _run(_CLAIM, keys, (message_id, int(LEASE * 1000), LEASES))
    verdict: Verdict = answer[0].decode()
    if len(answer) == 1:
        return verdict, None
    fields = _fields(answer[1])
    message = _message(message_id, fields)
    if verdict != "claimed":
        return verdict, message
    attempt = Attempt(
        message=message,
        number=message.attempts,
        sealed=answer[2],
        remaining=answer[3] / 1000,
        resend_unknown=fields.get("resend_unknown") == "1" and fields["unknowns"] == "0",
    )
    return verdict, attempt


def move(
    message_id: str,
    target: State,
    *,
    attempt: int | None = None,
    retry_in: float | None = None,
    unknown: bool = False,
    **fields: str,
) -> tuple[bool, Message | None]:
    """Move a message to ``target`` if the table of transitions allows it. One round trip.

    ``attempt``: only if this is still the newest attempt. ``retry_in``: seconds until the next
    round; None settles the message: its text is erased and its lease given back. ``unknown``:
    count an attempt whose outcome is unknown. Returns whether it moved, and the record.
    """
    values = (
        message_id,
        target,
        f",{','.join(may_become(target))},",
        "" if attempt is None else attempt,
        "" if retry_in is None else int(retry_in * 1000),
        int(unknown),
        LEASES,
        *_flat(fields),
    )
    moved, record = _run(_MOVE, (RECORD + message_id, BODY + message_id), values)
    return bool(moved), _message(message_id, _fields(record)) if record else None


def get(message_id: str) -> Message | None:
    """The record of a message, or None if it never was or is kept no longer."""
    with _redis() as redis:
        fields = redis.hgetall(RECORD + message_id)
    return _message(message_id, {k.decode(): v.decode() for k, v in fields.items()}) if fields else None


def ask_for_sweep(queue: str) -> int | None:
    """The server's time in ms if no sweep of this queue is under way already, else None."""
    with _redis() as redis:
        pipe = redis.pipeline(transaction=False)
        pipe.set(SWEEP + queue, 1, nx=True, px=int(SWEEP_PENDING * 1000))
        pipe.time()
        free, (seconds, micros) = pipe.execute()
    return seconds * 1000 + micros // 1000 if free else None


def sweep(queue: str, cutoff: int, limit: int) -> list[str]:
    """The ids of at most ``limit`` messages of ``queue`` that were due before ``cutoff`` (ms)."""
    keys = (LEASES + queue, SWEEP + queue)
    ids = _run(_SWEEP, keys, (cutoff, limit, int(GRACE * 1000), RECORD))
    return [id_.decode() for id_ in ids]


def ping() -> None:
    """Raise ``Unavailable`` unless the server answers."""
    with _redis() as redis:
        redis.ping()


def eviction_policy() -> str:
    """What the server does when it is full, "" if it does not say (managed ones may forbid to ask)."""
    with _redis() as redis:
        try:
            policy: str = redis.config_get("maxmemory-policy").get("maxmemory-policy", "")
        except ResponseError:
            return ""
    return policy


def is_cluster() -> bool:
    """Whether the server is a node of a Redis Cluster; False if it does not say."""
    with _redis() as redis:
        try:
            return bool(redis.info("cluster").get("cluster_enabled"))
        except ResponseError:
            return False


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
