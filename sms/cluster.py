"""Connections to the nodes of a Redis Cluster that have the keys of the cells.

All keys of a cell share one slot (see ``sms.cells``), so one node has them all. Scripts and pipelines work
there as on a single server. Any other node names that node (MOVED). While a slot moves key by key (ASK,
TRYAGAIN) we do not follow: a script needs all of its keys, and runs on neither node until the slot has moved.
Nothing is sent twice here.

Cells on the same node share its connections. So a process opens as many as it has busy threads, however many
cells there are.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django_redis import pool
from redis.connection import Connection, SSLConnection
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, TimeoutError, TryAgainError
from redis.exceptions import ConnectionError as Broken

from sms import names
from sms.connections import Connections

#: Seconds that all nodes together have to name the one with our keys.
PATIENCE = 1.0

_Address = tuple[str, int]


class Moved(TryAgainError):
    """Another node has our keys now. Nothing ran; the next use of the connection goes there."""


class Owners:
    """The nodes that have the cells, as far as this process knows.

    ``nodes``: some nodes of the cluster, to ask. ``connect``: makes a connection to one.
    """

    def __init__(self, nodes: Sequence[_Address], connect: Callable[..., Any]) -> None:
        self._nodes, self._connect = nodes, connect
        self._known: dict[int, _Address] = {}
        self._last: dict[int, _Address] = {}  # kept even after ``forget``

    def known(self, cell: int) -> _Address | None:
        """The node of a cell; None if it has to be asked for."""
        return self._known.get(cell)

    def last(self, cell: int) -> _Address | None:
        """The node that had a cell when it was used last, even if it does not answer now."""
        return self._last.get(cell)

    def note(self, cell: int, address: _Address) -> None:
        """Note that a node has a cell."""
        self._known[cell] = self._last[cell] = address

    def find(self, cell: int) -> _Address:
        """Ask one node after another. If none knows, raises the last error."""
        failed: Exception = Broken("no node is named")
        for host, port in self._nodes:
            connection = self._connect(host=host, port=port)
            try:
                found = _whose(connection, cell)
                self.note(cell, found)
                return found
            except (RedisError, OSError) as error:
                # CLUSTERDOWN from one node says more than a failed connection to another.
                failed = failed if isinstance(failed, ClusterDownError) else error
            finally:
                connection.disconnect()
        raise failed

    def forget(self, address: _Address) -> None:
        """Forget a node that does not answer: another one may take over."""
        for cell, at in list(self._known.items()):
            if at == address:
                self._known.pop(cell, None)

    def by_node(self, cells: Sequence[int]) -> dict[str, int]:
        """Map each node's address to the first of these cells that it had when last used."""
        first: dict[str, int] = {}
        for cell in cells:
            host, port = self._last.get(cell) or self.find(cell)
            first.setdefault(f"{host}:{port}", cell)
        return first


def _whose(connection: Any, cell: int) -> _Address:
    """The address of the node that has the keys of a cell, according to the connected node."""
    try:
        connection.connect()
        connection.send_command("EXISTS", *names.slot(cell))
        connection.read_response()
    except MovedError as error:
        return error.host or connection.host, error.port
    except AskError:  # it is moving them away, but still has them
        pass
    return connection.host, connection.port


class NodeConnection(Connection):
    """A connection that goes to the node that has a cell at the time of use.

    ``cell``: while it is None, the connection goes to the host and port that it was made with.
    """

    #: Where the connection returns after use.
    home: Connections

    def __init__(self, *, owners: Owners, cell: int | None = 0, **options: Any) -> None:
        self._owners, self.cell = owners, cell
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        here = self.host, self.port
        known = here if self.cell is None else self._owners.known(self.cell)
        if self._sock and known in (None, here):
            return
        self.disconnect()  # type: ignore[no-untyped-call]
        self.host, self.port = known or self._owners.find(self.cell or 0)
        try:
            super().connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            self._owners.forget((self.host, self.port))
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except MovedError as error:
            self._owners.note(self.cell or 0, (error.host or self.host, error.port))
            raise Moved("our keys have moved") from error
        except (Broken, TimeoutError, OSError):
            self._owners.forget((self.host, self.port))
            raise


class SSLNodeConnection(NodeConnection, SSLConnection):
    """The same with TLS."""


class Nodes:
    """The connections to each node. ``pool`` says how they are made, and how many one node may have."""

    def __init__(self, pool: Any) -> None:
        self._pool = copy.copy(pool)
        self._of: dict[_Address, Connections] = {}
        self._making = threading.Lock()
        self.owners: Owners = pool.connection_kwargs["owners"]

    def of(self, cell: int) -> Connections:
        """The connections to the node that has a cell."""
        address = self.owners.known(cell) or self.owners.find(cell)
        found = self._of.get(address)
        return found if found is not None else self._made(address)  # an empty ``Connections`` is false

    def _made(self, address: _Address) -> Connections:
        with self._making:  # two threads that come first must not make one each
            if address not in self._of:
                own = copy.copy(self._pool)
                host, port = address
                own.connection_kwargs = own.connection_kwargs | {"host": host, "port": port, "cell": None}
                self._of[address] = Connections(own)
            return self._of[address]


class CellPool:
    """A cell's share of the connections to the node that has it. For clients it is a pool of redis-py."""

    def __init__(self, pool: Any, nodes: Nodes, cell: int) -> None:
        self._pool, self.nodes, self._cell = copy.copy(pool), nodes, cell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    @contextmanager
    def one(self) -> Iterator[Any]:
        """A connection for one command and its answer. Call ``connect`` to open it."""
        with self.nodes.of(self._cell).one() as connection:
            connection.cell = self._cell
            yield connection

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """An open connection, for a client."""
        home = self.nodes.of(self._cell)
        connection = home.take()
        connection.home, connection.cell = home, self._cell
        try:
            connection.connect()
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection: Any) -> None:
        connection.home.give_back(connection)


class ConnectionFactory(pool.ConnectionFactory):
    """The CONNECTION_FACTORY for CACHES. NODES: (host, port) of some nodes of the cluster."""

    def get_connection_pool(self, params: dict[str, Any]) -> Any:
        nodes = self.options.get("NODES")
        if not nodes:
            raise ImproperlyConfigured("NODES must be a list of (host, port): some nodes of the cluster.")
        found = super().get_connection_pool(params)
        node, options = found.connection_class, found.connection_kwargs
        quick = dict.fromkeys(("socket_connect_timeout", "socket_timeout"), PATIENCE / len(nodes))
        options["owners"] = Owners(nodes, partial(node, **options | quick))
        found.connection_class = SSLNodeConnection if issubclass(node, SSLConnection) else NodeConnection
        return found
