"""The history of a user's messages, found by the number or by the caller's own reference.

A message is listed under a keyed digest of its number and under its reference, for as long as its record is
kept. The latest codes of an API key are also listed under the key's name. The story of a message is a list of
steps, written by the scripts that take them. All of it is in the cell of the message (see ``sms.cells``), so
every cell is asked for a list. With several servers, each round trip goes to every one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sms import cells, conf, digests
from sms.cells import HUB
from sms.message import Message
from sms.names import FOUND_BY, RECORD, STORY, key
from sms.records import read
from sms.scripts import gather

#: The messages found by a number, a reference and so on: the latest. Same as MOST_FOUND in accept.lua, which
#: bounds the list of each cell.
MOST_FOUND = 100


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a message.

    ``what`` is one of

        call_<outcome>        of an alias, see ``sms.tally``
        receipt_<state>       of an alias; cancelled: the vendor took the message back
        <state>               the final state of the message
        check_<status>        a guess at its code
        approved              by the caller, without a code
        replaced              by the code of a newer start
        cancelled_by_caller
    """

    at: float  # seconds since the epoch, by the Redis server's clock
    what: str
    alias: str = ""
    took: float = 0.0  # seconds that a call took
    word: str = ""  # the vendor's, or ours


@dataclass(frozen=True, slots=True)
class Told:
    """A message and its story."""

    message: Message
    steps: tuple[Step, ...]


def places(e164: str, reference: str, verification_id: str, api_key: str = "", cell: int = HUB) -> list[str]:
    """The keys of the lists for a new message in a cell. An API key has one only for codes."""
    found = [_by_number(secret, e164) for secret in _keys()[:1]]
    if reference:
        found.append(_by_reference(reference))
    if verification_id:
        found.append(_by_verification(verification_id))
    if verification_id and api_key:
        found.append(_by_api_key(api_key))
    return [key(name, cell) for name in found]


def of_number(e164: str) -> list[Told]:
    """The messages to a number, the latest first. Two round trips. Raises ``Unavailable``."""
    return _found([_by_number(secret, e164) for secret in _keys()])


def of_reference(reference: str) -> list[Told]:
    """The messages with a reference, the latest first. Two round trips. Raises ``Unavailable``."""
    return _found([_by_reference(reference)])


def of_id(message_id: str) -> Told | None:
    """One message, or None. One round trip. Raises ``Unavailable``."""
    return next(iter(_told({cells.of_id(message_id): [message_id]})), None)


def of_verification(verification_id: str) -> list[Told]:
    """The messages of a verification, the latest first. Two round trips. Raises ``Unavailable``."""
    return _found([_by_verification(verification_id)], [cells.of_id(verification_id)])


def of_api_key(name: str) -> list[Told]:
    """The latest codes asked for by an API key, latest first. Two round trips. Raises ``Unavailable``."""
    return _found([_by_api_key(name)])


def _found(lists: Sequence[str], among: Sequence[int] = ()) -> list[Told]:
    """The messages in lists of some cells, by default of all."""
    if not lists:
        return []

    def put(pipe: Any, cell: int) -> None:
        for name in lists:
            pipe.lrange(key(name, cell), 0, -1)

    answers = gather(among or cells.every(), put)
    ids = {cell: [id.decode() for id in chain(*found)] for cell, found in answers.items()}
    found = _told(_latest(ids, MOST_FOUND * len(lists)))
    return sorted(found, key=lambda told: told.message.created_at, reverse=True)


def _latest(ids: Mapping[int, Sequence[str]], most: int) -> Mapping[int, Sequence[str]]:
    """The ids of the latest messages, by cell. One more round trip if there are more than ``most``."""
    if sum(map(len, ids.values())) <= most:
        return ids

    def put(pipe: Any, cell: int) -> None:
        for id in ids[cell]:
            pipe.hget(key(RECORD + id, cell), "created_at")

    times = gather(ids, put)
    known = [
        (float(at), cell, id) for cell in ids for id, at in zip(ids[cell], times[cell], strict=True) if at
    ]
    latest: dict[int, list[str]] = {}
    for _, cell, id in sorted(known, reverse=True)[:most]:
        latest.setdefault(cell, []).append(id)
    return latest


def _told(ids: Mapping[int, Sequence[str]]) -> list[Told]:
    """The messages with these ids, by cell."""

    def put(pipe: Any, cell: int) -> None:
        for id in ids[cell]:
            pipe.hgetall(key(RECORD + id, cell))
            pipe.lrange(key(STORY + id, cell), 0, -1)

    found = []
    for cell, given in gather(ids, put).items():
        answers = iter(given)
        for id, record, story in zip(ids[cell], answers, answers, strict=True):
            if record:
                message = read(id, {k.decode(): v.decode() for k, v in record.items()})
                found.append(Told(message, tuple(_step(step.decode()) for step in story)))
    return found


def _step(text: str) -> Step:
    at, what, alias, ms, word = text.split("|", 4)
    return Step(int(float(at)) / 1000, what, alias, float(ms) / 1000, word)


def _by_number(secret: bytes, e164: str) -> str:
    return f"{FOUND_BY}number:{digests.digest(secret, e164)[:16].hex()}"


def _by_reference(reference: str) -> str:
    return f"{FOUND_BY}reference:{reference}"


def _by_verification(verification_id: str) -> str:
    return f"{FOUND_BY}verification:{verification_id}"


def _by_api_key(name: str) -> str:
    return f"{FOUND_BY}api-key:{name}"


@conf.cached
def _keys() -> list[bytes]:
    return digests.derive_all(conf.phone_secrets(), "history")
