"""Connections to the node of a Redis Cluster that has the keys of a cell.

All keys of a cell share one slot (see ``sms.cells``), so one node has them all. Scripts and pipelines work
there as on a single server. Any other node names that node (MOVED). While a slot moves key by key (ASK,
TRYAGAIN) we do not follow: a script needs all of its keys, and runs on neither node until the slot has moved.
Nothing is sent twice here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django_redis import pool
from redis.connection import Connection, SSLConnection
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, TimeoutError, TryAgainError
from redis.exceptions import ConnectionError as Broken

from sms import names

#: Seconds that all nodes together have to name the one with our keys.
PATIENCE = 1.0

_Address = tuple[str, int]


class Moved(TryAgainError):
    """Another node has our keys now. Nothing ran; the next use of the connection goes there."""


class Owner:
    """The node that has the keys of a cell, as far as this process knows.

    ``nodes``: some nodes of the cluster, to ask. ``connect``: makes a connection to one.
    """

    def __init__(self, nodes: Sequence[_Address], connect: Callable[..., Any], cell: int = 0) -> None:
        self._nodes, self._connect, self._cell = nodes, connect, cell
        self.address: _Address | None = None

    def of(self, cell: int) -> Owner:
        """The owner of another cell."""
        return Owner(self._nodes, self._connect, cell)

    def find(self) -> _Address:
        """Ask one node after another. If none knows, raises the last error."""
        failed: Exception = Broken("no node is named")
        for host, port in self._nodes:
            connection = self._connect(host=host, port=port)
            try:
                self.address = _whose(connection, self._cell)
                return self.address
            except (RedisError, OSError) as error:
                # A node's view of the cluster says more than another node's absence.
                failed = failed if isinstance(failed, ClusterDownError) else error
            finally:
                connection.disconnect()
        raise failed

    def forget(self, address: _Address) -> None:
        """Forget a node that does not answer: another one may take over."""
        if self.address == address:
            self.address = None


def _whose(connection: Any, cell: int) -> _Address:
    """The address of the node that has the keys of a cell, according to this one."""
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
    """A connection that goes to the node that has our keys at the time of use."""

    def __init__(self, *, owner: Owner, **options: Any) -> None:
        self._owner = owner
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        known = self._owner.address
        if self._sock and known in (None, (self.host, self.port)):
            return
        self.disconnect()  # type: ignore[no-untyped-call]
        self.host, self.port = known or self._owner.find()
        try:
            super().connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            self._owner.forget((self.host, self.port))
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except MovedError as error:
            self._owner.address = (error.host or self.host, error.port)
            raise Moved("our keys have moved") from error
        except (Broken, TimeoutError, OSError):
            self._owner.forget((self.host, self.port))
            raise


class SSLNodeConnection(NodeConnection, SSLConnection):
    """The same with TLS."""


def pool_of(found: Any, cell: int) -> Any:
    """The pool for a cell, made of that for the cell 0."""
    made = copy.copy(found)
    made.connection_kwargs = found.connection_kwargs | {"owner": found.connection_kwargs["owner"].of(cell)}
    made.reset()
    return made


class ConnectionFactory(pool.ConnectionFactory):
    """The CONNECTION_FACTORY for CACHES. NODES: (host, port) of some nodes of the cluster."""

    def get_connection_pool(self, params: dict[str, Any]) -> Any:
        nodes = self.options.get("NODES")
        if not nodes:
            raise ImproperlyConfigured("NODES must be a list of (host, port): some nodes of the cluster.")
        found = super().get_connection_pool(params)
        node, options = found.connection_class, found.connection_kwargs
        quick = dict.fromkeys(("socket_connect_timeout", "socket_timeout"), PATIENCE / len(nodes))
        options["owner"] = Owner(nodes, partial(node, **options | quick))
        found.connection_class = SSLNodeConnection if issubclass(node, SSLConnection) else NodeConnection
        return found
