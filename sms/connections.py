"""Connections of redis-py to one server, for a script or an entry of a queue.

redis-py's own way to a command, through its client and its pool, takes as long as the server takes to run a
script. Nothing is sent twice here: a command whose answer got lost may have run.
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

#: Seconds for which a connection that has just worked is trusted to be open. A server that went
#: away within them is not back yet (one without data took 60 ms), so looking first would help nobody.
TRUSTED = 0.02

#: Seconds after which a connection that nobody needed is closed.
UNUSED = 60.0


class Connections(deque[tuple[Any, float]]):
    """Connections that no thread uses now, and when each was used; the latest is last.

    They do not go back to redis-py's pool at once, whose book-keeping takes locks and system calls: with 16
    threads, which wait for each other at each, a code took twice the CPU. Nor are they those of the
    pool's owner, such as the project's cache, which must find all of its own free.
    """

    def __init__(self, pool: Any, most: int | None = None) -> None:
        """``most``: that there may be, if not as many as ``pool`` may have."""
        super().__init__()
        self._pool = copy.copy(pool)
        self._pool.reset()  # it shares nothing with its owner's
        self._pool.max_connections = most or pool.max_connections

    @contextmanager
    def one(self) -> Iterator[Any]:
        """A connection for one command and its answer, open if it was; ``connect`` opens it."""
        connection = self.take()
        try:
            yield connection
        except ResponseError as error:
            if away.reason(error):
                connection.disconnect()  # by now another server may be the master
            raise
        except BaseException:
            # A connection by Sentinel stays open after a timeout, and whoever uses it next would read the
            # answer that is still to come: of another code, maybe that it was right.
            connection.disconnect()
            raise
        finally:
            self.give_back(connection)

    def take(self) -> Any:
        """A connection for one thread: the latest used, or one more of the pool."""
        try:
            connection, used = self.pop()
        except IndexError:
            connection = self._pool.get_connection()
            connection.register_connect_callback(self._let_the_kernel_wait)
            self._let_the_kernel_wait(connection)
            return connection
        if time.monotonic() - used > TRUSTED:
            try:
                stale = connection.can_read()  # there is nothing to read, unless it was closed
            except away.ERRORS:
                stale = True
            if stale:
                connection.disconnect()
        return connection

    def _let_the_kernel_wait(self, connection: Any) -> None:
        """Leave the time-out of an open connection to the kernel.

        Python would ask before each call whether there is an answer yet, or room to send: a system call
        more, after which a thread has to wait for the others. Not with TLS: that would try for ever.
        """
        sock, seconds = connection._sock, connection.socket_timeout
        if type(sock) is socket.socket and seconds:
            sock.settimeout(None)
            if not os.get_blocking(sock.fileno()):  # gevent's and eventlet's never are
                sock.settimeout(seconds)
                return
            longest = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))  # a timeval of POSIX
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, longest)

    def give_back(self, connection: Any) -> None:
        """One that broke has no socket any more, and makes a new one when it is used again."""
        now = time.monotonic()
        self.append((connection, now))
        try:
            while now - self[0][1] > UNUSED:
                unused, _ = self.popleft()
                unused.disconnect()
                self._pool.release(unused)
        except IndexError:  # another thread took the last
            pass


_known: weakref.WeakKeyDictionary[Any, Connections] = weakref.WeakKeyDictionary()

#: Threads that come first together must not make two: one would keep its connections and be used no more.
_making = threading.Lock()


def of(pool: Any, most: int | None = None) -> Connections:
    """Those to the server of a pool of redis-py, ``most`` of them at most."""
    with _making:
        if pool not in _known:
            _known[pool] = Connections(pool, most)
        return _known[pool]


def _forget() -> None:
    global _making
    _known.clear()
    _making = threading.Lock()  # a thread of the parent may have held it


# A child process must not speak on the sockets of its parent.
os.register_at_fork(after_in_child=_forget)
