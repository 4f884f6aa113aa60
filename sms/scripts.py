"""Access to Redis: scripts, each one atomic step in one round trip, and a client for everything else.

Both raise ``Unavailable`` if the server cannot be used now.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django_redis import get_redis_connection
from hiredis import pack_command
from pydantic_core import from_json, to_json
from redis import Redis
from redis.exceptions import MaxConnectionsError, NoScriptError

from sms import away, cells, cluster, conf, connections, lua_source, names, stand_in, traces
from sms.cluster import Moved
from sms.conf import cached
from sms.connections import Connections
from sms.errors import Unavailable

T = TypeVar("T")

#: Includes for scripts of other packages.
INCLUDES = Path(__file__).parent / "lua" / "includes"

#: Milliseconds within which OTPOST_COPIES replicas must confirm a write. Less than the time-out of a
#: connection, which is a second.
COPIED_WITHIN = 500


def connection(cell: int = 0, server: str = "") -> Any:  # redis-py types every answer as bytes or str
    """A client of redis-py for a cell. Raises ``ImproperlyConfigured`` if its cache has none.

    ``server``, here and below: the alias of another server than the one that has the cell now.
    """
    alias = server or server_of(cell)
    try:
        found = get_redis_connection(alias)
    except NotImplementedError:
        kind = settings.CACHES[alias].get("BACKEND")
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}] is {kind}. Otpost needs django_redis.cache.RedisCache there."
        ) from None
    except ValueError:  # its text may quote the password
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}]: its LOCATION must look like redis://:password@host:6379/0 "
            "(/ # ? @ in a password are written %2F %23 %3F %40)."
        ) from None
    return _in_cluster(found.connection_pool, cell) if names.in_cluster() else found


def _in_cluster(pool: Any, cell: int) -> Any:
    with _making:
        if pool not in _clients:
            _clients[pool] = cluster.Nodes(pool), {}
        nodes, known = _clients[pool]
        if cell not in known:
            own: Any = cluster.CellPool(pool, nodes, cell)
            known[cell] = Redis(connection_pool=own)
        return known[cell]


#: By the pool of django-redis: the connections to the nodes of its cluster, and a client for each cell.
_clients: weakref.WeakKeyDictionary[Any, tuple[cluster.Nodes, dict[int, Any]]] = weakref.WeakKeyDictionary()


def nodes(cells: Sequence[int]) -> dict[str, int]:
    """Map each node's address to the first of these cells on it. Raises ``Unavailable``."""
    with client() as redis:
        found: dict[str, int] = redis.connection_pool.nodes.owners.by_node(cells)
        return found


def server_of(cell: int) -> str:
    """The alias of the server that has a cell now."""
    return stand_in.server_of_hub() if cell == cells.HUB else names.cache_alias(cell)


@contextmanager
def client(cell: int = 0, server: str = "") -> Iterator[Any]:
    """A client for a cell, for the length of a ``with`` block. Raises ``Unavailable`` if Redis cannot do what
    the block asks.
    """
    alias = server or server_of(cell)
    try:
        yield connection(cell, alias)
    except away.ERRORS as error:
        raise _failed(alias, error) from error


def _failed(alias: str, error: BaseException) -> BaseException:
    """The exception to raise for a server's error. Tells ``sms.stand_in`` if the server cannot be used."""
    found = away.unavailable(error, alias if len(names.cache_aliases()) > 1 else "")
    if isinstance(found, Unavailable) and not isinstance(error, MaxConnectionsError):
        stand_in.lost(alias, found.reason)
    return found


def home(digests: Sequence[str], keys: Callable[[int], Iterable[str]]) -> int:
    """The cell of what has these digests, or a former cell if one of ``keys`` is still there.

    ``digests``: one under each secret, that of the newest secret first. No round trip, unless
    REDIS_CELLS_BEFORE or PHONE_SECRET_KEY_FALLBACKS is set. Raises ``Unavailable``.
    """
    for cell in cells.former(digests):
        with client(cell) as redis:
            if redis.exists(*keys(cell)):
                return cell
    return cells.of_digest(digests[0])


def in_each_cell(step: Callable[[int], Iterable[T]]) -> list[T]:
    """The results of ``step`` in all cells, as one list. A cell that is away is left out. If all are away,
    this raises ``Unavailable``.
    """
    found, there, errors = list[T](), False, dict[str, Unavailable]()
    for cell in reversed(cells.every()):  # the hub last: there, sweep.lua lets the next sweep be requested
        server = _server_of(cell)
        if server in errors:  # asking it again could take another second
            continue
        try:
            found += step(cell)
            there = True
        except Unavailable as error:
            errors[server] = error
    if not there:
        raise next(iter(errors.values()))
    return found


def gather(
    among: Iterable[int], put: Callable[[Any, int], object], *, partly: bool = False
) -> dict[int, list[Any]]:
    """Ask several cells, and return the answers by cell. One round trip for each server.

    ``put`` adds the commands for a cell to a pipeline. In a cluster, it takes one round trip for each cell.
    ``partly``: leave out servers that are away, unless all are. Raises ``Unavailable``.
    """
    found: dict[int, list[Any]] = {}
    away_now = None
    for server, together in _by_server(among):
        try:
            found |= _gather_from(server, together, put)
        except Unavailable as error:
            if not partly:
                raise
            away_now = error
    if away_now and not found:
        raise away_now
    return found


def _gather_from(server: str, together: list[int], put: Callable[[Any, int], object]) -> dict[int, list[Any]]:
    with client(together[0], server) as redis:
        pipe = redis.pipeline(transaction=False)
        ends = [0]
        for cell in together:
            put(pipe, cell)
            ends.append(len(pipe))
        answers = pipe.execute()
    return {cell: answers[slice(*ends[n : n + 2])] for n, cell in enumerate(together)}


def _by_server(among: Iterable[int]) -> Iterable[tuple[str, list[int]]]:
    """Servers, each with the cells that can share a pipeline. In a cluster a cell may move to another node at
    any time.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for cell in among:
        of_its_own = names.prefix(cell) if names.in_cluster() else ""
        found.setdefault((server_of(cell), of_its_own), []).append(cell)
    return [(server, together) for (server, _), together in found.items()]


def _server_of(cell: int) -> str:
    """A name for the server of a cell, in a cluster for the node that had it last."""
    if not names.in_cluster():
        return server_of(cell)
    return str(connection().connection_pool.nodes.owners.last(cell) or names.prefix(cell))


class Script:
    """A Lua script, in a file beside the module that calls it.

    A call runs it on the server behind the alias of the cell's cache, by EVALSHA on a raw connection:
    redis-py's own way costs as much time as the server needs to run a script. If the answer was lost, the
    call is not retried, as the script may already have run. A script of the hub is the exception: if the
    first server cannot be used, the call is repeated on the stand-in.
    """

    def __init__(
        self,
        path: Path,
        *,
        includes: tuple[Path, ...] = (),
        keys: Mapping[str, str] = MappingProxyType({}),
        accepts: bool = False,
        **constants: str | int | Callable[[], str | int],
    ) -> None:
        """``includes``: folders to search for included files, see ``sms.lua_source``. ``constants``: values
        that Python knows as well. They become locals in the text, since each argument of a call costs time.
        One that depends on settings is a function. ``keys``: likewise, names of keys; the namespace is put
        before them. ``accepts``: the script accepts something, so OTPOST_COPIES replicas must hold what it
        wrote.
        """
        self._name = path.stem
        self._keys = keys
        self._accepts = accepts
        self._constants = constants
        self._body = lua_source.read(path, includes)

    @cached
    def _text(self) -> tuple[str, str]:
        """The text of the script in the current namespace, and its digest."""
        constants = {name: value() if callable(value) else value for name, value in self._constants.items()}
        given = {name: json.dumps(value) for name, value in constants.items()}
        if names.in_cells():  # one text for all cells
            given |= {name: f"KEYS[#KEYS] .. {json.dumps(key)}" for name, key in self._keys.items()}
        else:
            given |= {name: json.dumps(names.key(key)) for name, key in self._keys.items()}
        used = set(re.findall(r"[A-Z_]+", self._body))
        text = "".join(f"local {name} = {given[name]}\n" for name in given if name in used) + self._body
        return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: tuple[str, ...], values: Iterable[Any], cell: int = 0, server: str = "") -> Any:
        """Run the script in a cell. Strings are returned as bytes. Raises ``Unavailable``.

        If the server of the hub is away, the stand-in runs it at once. It may then have run on both.
        """
        text, sha = self._text()
        keys += names.slot(cell)
        copies = conf.get("OTPOST_COPIES") if self._accepts else 0
        with traces.script(self._name):
            call = pack_command(("EVALSHA", sha, len(keys), *keys, *values))
            alias = server or (names.cache_alias(cell) if cell else stand_in.server_to_ask())
            try:
                answer = _run(alias, cell, text, (call,), copies)
            except away.ERRORS as error:
                found = _failed(alias, error)
                if server or cell or not isinstance(found, Unavailable) or server_of(cell) == alias:
                    raise found from error
            else:
                stand_in.there(alias)
                return answer
            alias = server_of(cell)
            try:
                return _run(alias, cell, text, (call,), copies)
            except away.ERRORS as error:
                raise _failed(alias, error) from error

    def join(self, pipe: Any, keys: tuple[str, ...], values: Iterable[Any], cell: int = 0) -> None:
        """Add the script to a pipeline of redis-py, whether the server knows it or not."""
        text, _ = self._text()
        keys += names.slot(cell)
        pipe.eval(text, len(keys), *keys, *values)

    def ask(
        self, keys: tuple[str, ...], args: Mapping[str, Any], cell: int = 0, server: str = ""
    ) -> dict[str, Any]:
        """Run a script that takes and returns one JSON object. Raises ``Unavailable``."""
        # A third of the time of json.
        answer: dict[str, Any] = from_json(self(keys, (to_json(args),), cell, server))
        return answer


def _run(server: str, cell: int, text: str, call: tuple[bytes], copies: int) -> Any:
    with _connections(server, cell).one() as connection:
        try:
            answer = _answer(connection, text, call)
        except Moved:  # it ran nowhere
            answer = _answer(connection, text, call)
        if copies:
            _wait_for(copies, connection)
        return answer


def _answer(connection: Any, text: str, call: tuple[bytes]) -> Any:
    # connect() does nothing if the connection is open. Sending would also open it, but at the old address:
    # only connect() asks sentinels or cluster nodes, if there are any, where the master is now.
    connection.connect()
    # Not send_command, which looks at each word before it packs them.
    connection.send_packed_command(call)
    try:
        return connection.read_response()
    except NoScriptError:  # the server was restarted, or never saw it
        connection.send_command("SCRIPT LOAD", text)
        connection.read_response()
        connection.send_packed_command(call)
        return connection.read_response()


def _wait_for(copies: int, connection: Any) -> None:
    """Wait until this many replicas hold what was written. Raises ``Uncopied``."""
    connection.send_command("WAIT", copies, COPIED_WITHIN)
    if connection.read_response() < copies:
        raise away.Uncopied("too few replicas hold what was written")


@cached  # asking django-redis takes longer
def _connections(server: str, cell: int) -> Connections | cluster.CellPool:
    with _first:  # django-redis would make two pools for the first two threads
        found = connection(cell, server).connection_pool
    return found if isinstance(found, cluster.CellPool) else connections.of(found)


_first, _making = threading.Lock(), threading.Lock()


def _forget() -> None:
    global _first, _making
    _connections.cache_clear()
    _clients.clear()
    _first, _making = threading.Lock(), threading.Lock()  # a thread of the parent may have held one


# A child process must not use the sockets of its parent.
os.register_at_fork(after_in_child=_forget)
