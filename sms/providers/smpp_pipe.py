"""Bytes to an SMSC and from it, with TLS or without."""

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
    """Where the SMSC is. ``ssl_ca_certs``: None without TLS, "" for the CAs that everybody believes."""

    host: str
    port: int
    ssl_ca_certs: str | None


class Pipe:
    """Bytes both ways, read by one thread and written by many. TLS is kept apart from the socket, as it must
    not be read and written at once, and would wait for each other.
    """

    def __init__(self, place: Place) -> None:
        """Raises ``OSError``, of which TLS' errors are a kind."""
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
                    raise TimeoutError("no TLS in time") from None
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
        """What has come, b"" if that is nothing in time. Raises ``OSError``, at the end as well."""
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
            if self._outgoing.pending:  # TLS has something to say for itself
                self._socket.sendall(self._outgoing.read())
        return bytes(found)

    def write(self, data: bytes, by: float = math.inf) -> None:
        """Write all of it; begin before ``by`` (by the monotonic clock) or not at all. Raises ``OSError`` if
        that is not so. If it was begun, nothing can be written after it.
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
        """Let whoever reads or writes find the end."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Nothing is written after it has returned."""
        self.hang_up()
        with self._lock:
            self._socket.close()

    def forget(self) -> None:
        """Close what is a copy of another process' socket, whose connection stays as it is."""
        self._socket.close()
