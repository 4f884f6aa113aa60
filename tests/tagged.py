"""A client for tests that look at keys: it leaves out the hash tag of a cluster or a cell."""

from __future__ import annotations

import fnmatch
from typing import Any

from django_redis import get_redis_connection
from redis import Redis
from redis.client import Pipeline

from sms import cells, names, scripts

#: How our keys begin, and what stands before them.
OURS = ("otp:", "sms:", "http:")
TAG = "{c0}"

#: In cells, these keys are only in the hub.
IN_HUB = ("otp:guard", "otp:limit:", "otp:puzzle:", names.HEALTH, names.LEFT_OUT, names.RATE, names.LINE)

#: The keys OF_PHONES are in the other cells. A test that writes them means the cell FIRST.
FIRST = 1
OF_PHONES = (
    *(names.WAITING, names.LEASES, names.DRAINED, names.DRAIN, names.DEAD),
    *(names.ARRIVAL, names.NEXT_CHANNEL),
)


def tagged(args: tuple[Any, ...]) -> list[Any]:
    """A command with the tag before each of our keys; no value begins as they do."""
    return [_tagged(arg) for arg in args]


def _tagged(arg: Any) -> Any:
    if isinstance(arg, bytes):
        return TAG.encode() + arg if arg.startswith(tuple(map(str.encode, OURS))) else arg
    return TAG + arg if isinstance(arg, str) and arg.startswith(OURS) else arg


def untagged(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return answer.removeprefix(TAG.encode())
    return [untagged(part) for part in answer] if isinstance(answer, list) else answer


class TaggedPipeline(Pipeline):
    def execute_command(self, *args: Any, **options: Any) -> Any:
        return super().execute_command(*tagged(args), **options)


def forget_nodes() -> None:
    """Let this process ask a cluster anew who has its cells: in another namespace they have other slots."""
    if names.in_cluster():
        get_redis_connection().connection_pool.connection_kwargs["owners"]._known.clear()


def looking() -> Any:
    """A client for the server, or cluster, that the cache of now is at."""
    found: Any = get_redis_connection()
    if cells.many():
        return Everywhere(connection_pool=found.connection_pool)
    return Tagged(connection_pool=found.connection_pool) if names.in_cluster() else found


class Tagged(Redis):
    """Reads and writes our keys by their names without the tag."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        found = super().execute_command(*tagged(args), **options)
        if args[0] == "KEYS":
            return untagged(found)
        return (found[0], untagged(found[1])) if args[0] == "SCAN" else found

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        return TaggedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class Everywhere(Redis):
    """Finds our keys in any cell. What is in none is written to the hub, or to the cell FIRST."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        args = tuple(_without_hub(arg) for arg in args)
        if args[0] == "FLUSHALL":
            return [_run(cell, args, options) for cell in cells.every()]
        if args[0] in ("KEYS", "SCAN"):
            return self._all_of(args, options)
        if args[0] == "ZADD":
            return self._add(args)
        if args[0] == "DEL" and len(args) > 2:
            return sum(self.execute_command("DEL", key) for key in args[1:])
        if args[0] == "ZSCORE" and (cell := cells.of_id(_text(args[2]))) and args[1].startswith(OF_PHONES):
            return _run(cell, args, options)
        known = [arg for arg in args[1:] if _is_ours(arg)]
        cell = next(filter(None, map(_cell_of, known)), 0)
        return _run(cell, args, options)

    def _add(self, args: tuple[Any, ...]) -> Any:
        """Put each id into the list of its own cell."""
        name, flags, pairs = args[1], [], list(args[2:])
        while not isinstance(pairs[0], int | float):
            flags.append(pairs.pop(0))
        found: dict[int, list[Any]] = {}
        for score, member in zip(pairs[::2], pairs[1::2], strict=True):
            found.setdefault(cells.of_id(_text(member)) or _cell_of(name), []).extend((score, member))
        return sum(_run(cell, ("ZADD", name, *flags, *some), {}) or 0 for cell, some in found.items())

    def _all_of(self, args: tuple[Any, ...], options: Any) -> Any:
        found: list[Any] = []
        for cell in cells.every():
            tag = names.prefix(cell)
            keys = scripts.connection(cell).keys(f"{tag}*")
            found += [key.removeprefix(tag.encode()) for key in keys if tag or not key.startswith(b"{")]
        wanted = args[1] if args[0] == "KEYS" else args[args.index(b"MATCH") + 1] if b"MATCH" in args else "*"
        found = [key for key in found if fnmatch.fnmatchcase(key.decode(), _text(wanted))]
        return found if args[0] == "KEYS" else (0, found)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        return _OneByOne(self)


class _OneByOne:
    """Stands for a pipeline: each command runs at once."""

    def __init__(self, client: Everywhere) -> None:
        self._client, self._answers = client, list[Any]()

    def __getattr__(self, name: str) -> Any:
        def run(*args: Any, **options: Any) -> Any:
            self._answers.append(getattr(self._client, name)(*args, **options))
            return self

        return run

    def execute(self) -> list[Any]:
        answers, self._answers = self._answers, []
        return answers


def _is_ours(arg: Any) -> bool:
    return _text(arg).startswith(OURS)


def _without_hub(arg: Any) -> Any:
    """A key without the hash tag of the hub, with which ``names.key`` gives it in a cluster."""
    tag = names.prefix(cells.HUB)
    return _text(arg).removeprefix(tag) if names.in_cluster() and _text(arg).startswith(tag) else arg


def _text(arg: Any) -> str:
    return arg.decode(errors="replace") if isinstance(arg, bytes) else arg if isinstance(arg, str) else ""


def _run(cell: int, args: tuple[Any, ...], options: Any) -> Any:
    tag = names.prefix(cell)
    placed = [tag + _text(arg) if _is_ours(arg) else arg for arg in args]
    return scripts.connection(cell).execute_command(*placed, **options)


def _cell_of(arg: Any) -> int:
    """The cell that has a key; if none has it, the one to which its last part leads."""
    name = _text(arg)
    if name.startswith(IN_HUB):
        return 0
    for cell in cells.every()[1:]:
        if scripts.connection(cell).execute_command("EXISTS", names.prefix(cell) + name):
            return cell
    family, _, last = name.rpartition(":")
    if family in ("otp:phone", "otp:failures"):
        return cells.of_digest(last)
    if family in ("otp:verification", "sms:message", "sms:body", "sms:story"):
        return cells.of_id(last)
    return FIRST if name.startswith(OF_PHONES) else 0
