"""A vendor on a raw socket: keeps every byte that a provider sends, and answers what it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Recorder:
    """``requests``: each as it came, head and body."""

    port: int
    answer: bytes = b""
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)  # what followed a request at once, if anything did

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def recorder() -> Iterator[Recorder]:
    """One request a connection. Bytes after its end are kept too."""
    listener = socket.create_server(("127.0.0.1", 0))
    found = Recorder(listener.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(5)
                read = b""
                while b"\r\n\r\n" not in read:
                    read += _more(connection)
                head, _, body = read.partition(b"\r\n\r\n")
                length = _length(head)
                while len(body) < length:
                    body += _more(connection)
                found.requests.append((head, body[:length]))
                found.rest.append(body[length:])
                connection.sendall(found.answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        listener.close()


def _more(connection: socket.socket) -> bytes:
    read = connection.recv(65536)
    if not read:
        raise ConnectionError("closed before the end of a request")
    return read


def _length(head: bytes) -> int:
    lines = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(lines[0].partition(b":")[2]) if lines else 0
