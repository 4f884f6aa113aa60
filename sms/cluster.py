"""Connections to the node of a Redis Cluster that has our keys.

All of them stand in one slot (see ``sms.names``), so one node has them all: there scripts, pipelines and SCAN
work as on a server of its own. Any other node says which one that is (MOVED). A node that moves the slot away
key by key (ASK, TRYAGAIN) is not followed, as a script needs all of its keys: it runs on neither node until
the slot has moved. Nothing is sent twice here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django_redis import pool
from redis.connection import Connection, SSLConnection
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, TimeoutError, TryAgainError
from redis.exceptions import ConnectionError as Broken

from sms import names

#: Seconds that all nodes together have to say which of them has our keys.
PATIENCE = 1.0

_Address = tuple[str, int]


class Moved(TryAgainError):
    """Another node has our keys by now. Nothing ran; used again, the connection goes there."""


class Owner:
    """Which node has our keys, as far as this process knows.

    ``nodes``: some of the cluster, to ask. ``connect``: makes a connection to one.
    """

    def __init__(self, nodes: Sequence[_Address], connect: Callable[..., Any]) -> None:
        self._nodes, self._connect = nodes, connect
        self.address: _Address | None = None

    def find(self) -> _Address:
        """Ask one node after another. Raises what the last one did, if none knows."""
        failed: Exception = Broken("no node is named")
        for host, port in self._nodes:
            connection = self._connect(host=host, port=port)
            try:
                self.address = _whose(connection)
                return self.address
            except (RedisError, OSError) as error:
                # What a node says of the cluster tells more than that another one is away.
                failed = failed if isinstance(failed, ClusterDownError) else error
            finally:
                connection.disconnect()
        raise failed

    def forget(self, address: _Address) -> None:
        """It does not answer, so another node may take over."""
        if self.address == address:
            self.address = None


def _whose(connection: Any) -> _Address:
    """The node that has our keys, says the node at the other end."""
    try:
        connection.connect()
        connection.send_command("EXISTS", *names.slot())
        connection.read_response()
    except MovedError as error:
        return error.host or connection.host, error.port
    except AskError:  # it moves them away, and still has them
        pass
    return connection.host, connection.port


class NodeConnection(Connection):
    """A connection to whichever node has our keys when it is used."""

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


class ConnectionFactory(pool.ConnectionFactory):
    """What CACHES names as CONNECTION_FACTORY; NODES are (host, port) of some nodes of the cluster."""

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
