"""Bytes to and from an SMSC, with or without TLS."""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import NamedTuple

import certifi
from urllib3.util import wait_for_read
from urllib3.util.connection import create_connection

from sms.providers import transport

#: Seconds that the SMSC may take to read what is written.
TO_READ = 3.0


class Place(NamedTuple):
    """The address of an SMSC. ``ssl_ca_certs``: None for no TLS, "" for the public CAs."""

    host: str
    port: int
    ssl_ca_certs: str | None


class Pipe:
    """A connection that one thread reads and many threads write.

    TLS is kept apart from the socket. A TLS socket must not be read and written at the same time, so readers
    and writers would wait for each other.
    """

    def __init__(self, place: Place) -> None:
        """Raises ``OSError``, also for errors of TLS."""
        until = time.monotonic() + transport.LONGEST_CONNECT
        self._lock = threading.Lock()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._socket = create_connection(
            (place.host, place.port),
            transport.CONNECT_TIMEOUT,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        try:
            self._socket.settimeout(TO_READ)
            if place.ssl_ca_certs is not None:
                context = ssl.create_default_context(cafile=place.ssl_ca_certs or certifi.where())
                self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=place.host)
                self._shake_hands(self._tls, min(until, time.monotonic() + transport.CONNECT_TIMEOUT))
            if time.monotonic() > until:
                raise TimeoutError("too late")
        except BaseException:
            self.close()
            raise

    def _shake_hands(self, tls: ssl.SSLObject, until: float) -> None:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._socket.sendall(self._outgoing.read())
                self._incoming.write(self._received(until - time.monotonic()))
                if time.monotonic() > until:
                    raise TimeoutError("the TLS handshake timed out") from None
            else:
                self._socket.sendall(self._outgoing.read())
                return

    def _received(self, timeout: float) -> bytes:
        if not wait_for_read(self._socket, timeout=max(0.0, timeout)):
            return b""
        if not (data := self._socket.recv(65_536)):
            raise ConnectionResetError("the SMSC has hung up")
        return data

    def read(self, timeout: float) -> bytes:
        """The bytes that have come, b"" if none came in time. Raises ``OSError``, also at the end."""
        data = self._received(timeout)
        if self._tls is None or not data:
            return data
        with self._lock:
            self._incoming.write(data)
            found = bytearray()
            with suppress(ssl.SSLWantReadError):
                while more := self._tls.read(65_536):
                    found += more
                if not found:
                    raise ConnectionResetError("the SMSC has ended TLS")
            if self._outgoing.pending:  # a message of the TLS protocol itself
                self._socket.sendall(self._outgoing.read())
        return bytes(found)

    def write(self, data: bytes, by: float = math.inf) -> None:
        """Write all of ``data``, or nothing if that cannot begin before ``by``, a time of the monotonic
        clock.

        Raises ``OSError`` if not all was written. If part of it was, nothing can be written any more.
        """
        if not self._lock.acquire(timeout=min(max(0.0, by - time.monotonic()), threading.TIMEOUT_MAX)):
            raise TimeoutError("others write")
        try:
            if self._tls is not None:
                self._tls.write(data)
                data = self._outgoing.read()
            self._socket.sendall(data)
        except BaseException:
            self.hang_up()
            raise
        finally:
            self._lock.release()

    def hang_up(self) -> None:
        """End the connection for readers and writers."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection. Nothing is written after this returns."""
        self.hang_up()
        with self._lock:
            self._socket.close()

    def forget(self) -> None:
        """Close our copy of the parent process' socket. Its connection stays open."""
        self._socket.close()
