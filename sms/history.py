"""What became of the messages of one user, found by the number or by the caller's own reference.

Each message stands under a keyed digest of its number and under its reference for as long as its record is
kept, the latest codes of an API key under its name as well. Its story is a list of steps, written by the
scripts that take them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sms import conf, digests
from sms.message import Message
from sms.names import FOUND_BY, RECORD, STORY, key
from sms.records import read
from sms.scripts import client


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a message.

    ``what`` is one of

    - ``call_<outcome>`` of an alias, see ``sms.tally``;
    - ``receipt_<state>`` of an alias, with ``cancelled`` if it has revoked the message;
    - a state that the message ended in;
    - ``check_<status>`` for a guess at its code;
    - ``approved`` by the caller, without a guess;
    - ``replaced`` by the code of a newer start;
    - ``cancelled_by_caller``.
    """

    at: float  # seconds since the epoch, the Redis server's clock
    what: str
    alias: str = ""
    took: float = 0.0  # seconds, of a call
    word: str = ""  # the vendor's, or ours


@dataclass(frozen=True, slots=True)
class Told:
    """A message and its story."""

    message: Message
    steps: tuple[Step, ...]


def places(e164: str, reference: str, verification_id: str, api_key: str = "") -> list[str]:
    """The keys under which a new message is to be found. Of an API key that is one with a code."""
    found = [_by_number(secret, e164) for secret in _keys()[:1]]
    if reference:
        found.append(_by_reference(reference))
    if verification_id:
        found.append(_by_verification(verification_id))
    if verification_id and api_key:
        found.append(_by_api_key(api_key))
    return found


def of_number(e164: str) -> list[Told]:
    """The messages to a number, the latest first. Two round trips; raises ``Unavailable``."""
    return _found([_by_number(secret, e164) for secret in _keys()])


def of_reference(reference: str) -> list[Told]:
    """The messages with a reference, the latest first. Two round trips; raises ``Unavailable``."""
    return _found([_by_reference(reference)])


def of_id(message_id: str) -> Told | None:
    """One message. One round trip; raises ``Unavailable``."""
    return next(iter(_told([message_id])), None)


def of_verification(verification_id: str) -> list[Told]:
    """The messages of a verification, the latest first. Two round trips; raises ``Unavailable``."""
    return _found([_by_verification(verification_id)])


def of_api_key(name: str) -> list[Told]:
    """The latest messages with a code that a key of this name asked for, the latest first. Two round trips;
    raises ``Unavailable``.
    """
    return _found([_by_api_key(name)])


def _found(keys: Sequence[str]) -> list[Told]:
    if not keys:
        return []
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        for name in keys:
            pipe.lrange(name, 0, -1)
        ids = [id_.decode() for found in pipe.execute() for id_ in found]
    return sorted(_told(ids), key=lambda told: told.message.created_at, reverse=True)


def _told(ids: Sequence[str]) -> list[Told]:
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        for message_id in ids:
            pipe.hgetall(key(RECORD + message_id))
            pipe.lrange(key(STORY + message_id), 0, -1)
        answers = iter(pipe.execute())
    found = []
    for message_id, record, story in zip(ids, answers, answers, strict=True):
        if record:
            message = read(message_id, {k.decode(): v.decode() for k, v in record.items()})
            found.append(Told(message, tuple(_step(step.decode()) for step in story)))
    return found


def _step(text: str) -> Step:
    at, what, alias, ms, word = text.split("|", 4)
    return Step(int(float(at)) / 1000, what, alias, float(ms) / 1000, word)


def _by_number(secret: bytes, e164: str) -> str:
    return key(f"{FOUND_BY}number:{digests.digest(secret, e164)[:16].hex()}")


def _by_reference(reference: str) -> str:
    return key(f"{FOUND_BY}reference:{reference}")


def _by_verification(verification_id: str) -> str:
    return key(f"{FOUND_BY}verification:{verification_id}")


def _by_api_key(name: str) -> str:
    return key(f"{FOUND_BY}api-key:{name}")


@conf.cached
def _keys() -> list[bytes]:
    return digests.derive_all(conf.phone_secrets(), "history")
