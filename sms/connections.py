"""Raw connections of redis-py to one server, for scripts and entries of queues.

redis-py's own way, through its client and pool, takes as long as the server needs to run a script. Nothing is
sent twice here: a command whose answer was lost may have run.
"""

from __future__ import annotations

import copy
import os
import socket
import struct
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import ResponseError

from sms import away

#: Seconds for which a connection that just worked is assumed to be open. A server that went away in this time
#: is not back yet: even an empty one that was killed took 60 ms to be back. So checking first would not help.
TRUSTED = 0.02

#: Seconds after which an unused connection is closed.
UNUSED = 60.0


class Connections(deque[tuple[Any, float]]):
    """Connections that no thread uses now, each with the time of its last use; the latest is last.

    They do not go back to redis-py's pool at once. Its book-keeping takes locks and system calls: with 16
    threads, which wait for each other at each of them, a code took twice the CPU. They are also separate from
    the pool's owner, such as the project's cache, which must find all of its own connections free.
    """

    def __init__(self, pool: Any, most: int | None = None) -> None:
        """``most``: connections at most; by default those of ``pool``."""
        super().__init__()
        self._pool = copy.copy(pool)
        self._pool._lock = threading.RLock()  # at a fork, a thread may hold the owner's lock
        self._pool.reset()  # it shares nothing with the owner's pool
        self._pool.max_connections = most or pool.max_connections

    @contextmanager
    def one(self) -> Iterator[Any]:
        """A connection for one command and its answer. Call ``connect`` to open it."""
        connection = self.take()
        try:
            yield connection
        except ResponseError as error:
            if away.reason(error):
                connection.disconnect()  # another server may be the master by now
            raise
        except BaseException:
            # A connection by Sentinel stays open after a time-out. Its next user would read the answer that
            # is still to come: that of another code, perhaps that it was right.
            connection.disconnect()
            raise
        finally:
            self.give_back(connection)

    def take(self) -> Any:
        """A connection for one thread: the last one used, or a new one of the pool."""
        try:
            connection, used = self.pop()
        except IndexError:
            connection = self._pool.get_connection()
            connection.register_connect_callback(self._let_the_kernel_wait)
            self._let_the_kernel_wait(connection)
            return connection
        # ``can_read`` would open a closed connection. Its user does that anyway, so a dead server would cost
        # two time-outs.
        if connection._sock is not None and time.monotonic() - used > TRUSTED:
            try:
                stale = connection.can_read()  # nothing to read, unless it was closed
            except away.ERRORS:
                stale = True
            if stale:
                connection.disconnect()
        return connection

    def _let_the_kernel_wait(self, connection: Any) -> None:
        """Leave the time-out of an open connection to the kernel.

        Python would check before each call whether it can read or write: one more system call, after which a
        thread has to wait for the others. Not with TLS, which would retry for ever.
        """
        sock, seconds = connection._sock, connection.socket_timeout
        if type(sock) is socket.socket and seconds:
            sock.settimeout(None)
            if not os.get_blocking(sock.fileno()):  # gevent and eventlet keep it non-blocking
                sock.settimeout(seconds)
                return
            longest = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))  # POSIX timeval
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, longest)

    def give_back(self, connection: Any) -> None:
        """Return a connection. A broken one has no socket, and opens a new one at its next use."""
        now = time.monotonic()
        self.append((connection, now))
        try:
            while now - self[0][1] > UNUSED:
                unused, _ = self.popleft()
                unused.disconnect()
                self._pool.release(unused)
        except IndexError:  # another thread took the last one
            pass


_known: weakref.WeakKeyDictionary[Any, Connections] = weakref.WeakKeyDictionary()

#: Without it, two threads that come first would each make one. The first would keep its connections, but
#: never be used.
_making = threading.Lock()


def of(pool: Any, most: int | None = None) -> Connections:
    """The connections to the server of a redis-py pool, at most ``most``."""
    with _making:
        if pool not in _known:
            _known[pool] = Connections(pool, most)
        return _known[pool]


def _forget() -> None:
    global _making
    _known.clear()
    _making = threading.Lock()  # a thread of the parent may have held it


# A child process must not use the sockets of its parent.
os.register_at_fork(after_in_child=_forget)
