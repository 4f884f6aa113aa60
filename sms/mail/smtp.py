"""Django's backend for SMTP, with one time limit for the whole exchange.

smtplib's timeout only limits each read. A server that sends one character now and then, or endless lines,
would hold a worker forever.
"""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
import time
from functools import lru_cache, partial
from typing import Any

from django.core.mail.backends.smtp import EmailBackend

from sms.providers.transport import CONNECT_TIMEOUT

#: Bytes that a server may send about one letter. Its lines have at most 512 (RFC 5321, 4.5.3.1.5).
LONGEST_TALK = 64 * 1024


class Timed(smtplib.SMTP):
    """A session that ends at ``ends`` (``time.monotonic``) and knows whether a letter has left."""

    def __init__(self, *args: Any, ends: float, **options: Any) -> None:
        self.begin(ends)
        super().__init__(*args, **options)

    def begin(self, ends: float) -> None:
        """Set the end of the time for the next letter, or for connecting."""
        self.ends = ends
        self.left = False  # whether all of the letter was written; then only the answer shows its fate
        self._heard = 0

    @property
    def remaining(self) -> float:
        """Seconds that are left. Raises ``TimeoutError`` if there are none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("too late")
        return left

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found: socket.socket = super()._get_socket(host, port, min(CONNECT_TIMEOUT, self.remaining))  # type: ignore[misc]
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.settimeout(self.remaining)  # DNS may have been slow, or have given many addresses
        return found

    def send(self, s: Any) -> None:
        if self.sock:
            try:
                self.sock.settimeout(self.remaining)
            except TimeoutError:
                self.close()
                raise smtplib.SMTPServerDisconnected("too late") from None
        super().send(s)
        if isinstance(s, bytes):  # commands are str; the letter with its final dot is bytes
            self.left = True

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock:
            self.file = _Lines(self)
        return super().getreply()

    def receive(self) -> bytes:
        """The next bytes from the server, b"" if it has closed the connection. Raises ``OSError``."""
        connection: socket.socket = self.sock  # type: ignore[assignment]
        connection.settimeout(self.remaining)
        part = connection.recv(4096)
        self._heard += len(part)
        if self._heard > LONGEST_TALK:
            raise ConnectionError("the server does not stop talking")
        return part


class TimedTls(Timed, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


class _Lines:
    """The file from which smtplib reads answers. After STARTTLS it gets a new one, so nothing that came in
    clear counts as sent over TLS.
    """

    def __init__(self, session: Timed) -> None:
        self._session = session
        self._data = b""

    def readline(self, limit: int) -> bytes:
        while b"\n" not in self._data and len(self._data) < limit and (part := self._session.receive()):
            self._data += part
        if b"\n" not in self._data[:limit] and len(self._data) >= limit:
            # smtplib would treat this as the answer 500, and so as a refused letter.
            raise ConnectionError("the server does not end its line")
        end = min(self._data.find(b"\n") + 1 or len(self._data), limit)
        line, self._data = self._data[:end], self._data[end:]
        return line

    def close(self) -> None:
        self._data = b""


class TimedBackend(EmailBackend):
    """A base class put before a project's own SMTP backend. Set ``ends`` before opening it."""

    ends: float = 0.0
    ssl_ca_certs: str = ""
    connection: Timed | None

    @property
    def connection_class(self) -> Any:
        return partial(TimedTls if self.use_ssl else Timed, ends=self.ends)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """A context that verifies certificate and host name by the CAs of this system or ``ssl_ca_certs=``,
        even if a project's own backend does not.

        Django 5.2 and 6.1 verify too. But they take no own CA together with a client certificate, and read
        all CAs again for each connection.
        """
        if not (self.ssl_ca_certs or self.ssl_certfile):
            return _public()
        context = ssl.create_default_context(cafile=self.ssl_ca_certs or None)
        if self.ssl_certfile:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        return context

    def hang_up(self) -> None:
        """Close without QUIT. We would not wait for its answer."""
        for session in (getattr(self, "_partial_connection", None), self.connection):
            if session is not None:
                session.close()


_public = lru_cache(maxsize=1)(ssl.create_default_context)

# A thread of the parent may have held its lock at the fork.
os.register_at_fork(after_in_child=_public.cache_clear)
