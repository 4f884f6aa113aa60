"""Django's backend for SMTP, with an end for the whole exchange.

smtplib's timeout is for each read. A server that says one character now and then, or has one more line each
time, would hold a worker for good.
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

#: Bytes that a server may say about one letter. Answers are lines of at most 512 (RFC 5321, 4.5.3.1.5).
LONGEST_TALK = 64 * 1024


class Timed(smtplib.SMTP):
    """A session that ends at ``ends``, by ``time.monotonic``, and knows whether a letter has left."""

    def __init__(self, *args: Any, ends: float, **options: Any) -> None:
        self.begin(ends)
        super().__init__(*args, **options)

    def begin(self, ends: float) -> None:
        """The next letter, or the way to it, has until ``ends``."""
        self.ends = ends
        self.left = False  # whether all of the letter was written: only its answer tells what became of it
        self._heard = 0

    @property
    def remaining(self) -> float:
        """Seconds. Raises ``TimeoutError`` where there is none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("too late")
        return left

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found: socket.socket = super()._get_socket(host, port, min(CONNECT_TIMEOUT, self.remaining))  # type: ignore[misc]
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.settimeout(self.remaining)  # a name may have taken long to be found, or have many addresses
        return found

    def send(self, s: Any) -> None:
        if self.sock:
            try:
                self.sock.settimeout(self.remaining)
            except TimeoutError:
                self.close()
                raise smtplib.SMTPServerDisconnected("too late") from None
        super().send(s)
        if isinstance(s, bytes):  # commands are texts; the letter, with the dot after it, is bytes
            self.left = True

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock:
            self.file = _Lines(self)
        return super().getreply()

    def receive(self) -> bytes:
        """What the server says next, b"" where it has hung up. Raises ``OSError``."""
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
    """What smtplib reads its answers from. With STARTTLS it makes another one, so that nothing that came in
    clear counts as said over TLS.
    """

    def __init__(self, session: Timed) -> None:
        self._session = session
        self._data = b""

    def readline(self, limit: int) -> bytes:
        while b"\n" not in self._data and len(self._data) < limit and (part := self._session.receive()):
            self._data += part
        if b"\n" not in self._data[:limit] and len(self._data) >= limit:
            # smtplib would take it for an answer, 500, and so for a letter that is not taken.
            raise ConnectionError("the server does not end its line")
        end = min(self._data.find(b"\n") + 1 or len(self._data), limit)
        line, self._data = self._data[:end], self._data[end:]
        return line

    def close(self) -> None:
        self._data = b""


class TimedBackend(EmailBackend):
    """What comes before a project's own backend for SMTP; ``ends`` is set before it opens."""

    ends: float = 0.0
    ssl_ca_certs: str = ""
    connection: Timed | None

    @property
    def connection_class(self) -> Any:
        return partial(TimedTls if self.use_ssl else Timed, ends=self.ends)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Certificate and name are verified, by the CAs of this system or that of ``ssl_ca_certs=``, whatever
        a project's own backend does. Django 5.2 and 6.1 verify too, but know no CA beside a certificate of
        our own, and read all CAs anew for each connection.
        """
        if not (self.ssl_ca_certs or self.ssl_certfile):
            return _public()
        context = ssl.create_default_context(cafile=self.ssl_ca_certs or None)
        if self.ssl_certfile:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        return context

    def hang_up(self) -> None:
        """Close without a word, for which nobody would wait."""
        for session in (getattr(self, "_partial_connection", None), self.connection):
            if session is not None:
                session.close()


_public = lru_cache(maxsize=1)(ssl.create_default_context)

# A thread of the parent may have held its lock.
os.register_at_fork(after_in_child=_public.cache_clear)
