"""One HTTP/1.1 request and its answer on an open connection, with limits of time and size."""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

import urllib3
from urllib3.exceptions import IncompleteRead, LocationParseError

from sms.errors import OutcomeUnknown

#: Bytes of an answer. A faulty server must not fill the memory of a worker.
MOST_ANSWER = 1_000_000

#: Our User-Agent, unless a vendor's module sets another.
USER_AGENT = f"python-urllib3/{version('urllib3')}"


def is_address(url: str) -> bool:
    """Whether ``url`` is a base URL that we can send to, without parts that would be lost."""
    try:
        found = urllib3.util.parse_url(url)
        (found.host or "").encode("idna")  # as the DNS look-up will
    except (LocationParseError, UnicodeError):
        return False
    lost = found.auth or found.query or found.fragment
    return found.scheme in ("http", "https") and bool(found.host) and not lost


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whatever its status."""

    status: int
    headers: Message
    data: bytes


class Place(NamedTuple):
    """The target of a request: server, host name, path and query."""

    scheme: str
    host: str
    port: int
    name: str
    target: str


@lru_cache(maxsize=256)
def place_of(url: str) -> Place:
    found = urllib3.util.parse_url(url)
    scheme = found.scheme or "http"
    host, usual = (found.host or "").rstrip("."), {"http": 80, "https": 443}[scheme]
    port = found.port or usual
    name = host if port == usual else f"{host}:{port}"
    return Place(scheme, host.strip("[]"), port, name, found.request_uri)


def written(method: str, place: Place, body: bytes, headers: Mapping[str, str]) -> bytes:
    """The bytes of a request. Raises ``ValueError`` for a header with a line break."""
    given = {name.lower() for name in headers}
    usual = {
        "Host": place.name,
        "Accept-Encoding": "identity",
        "Content-Length": str(len(body)),
        "User-Agent": USER_AGENT,
    }
    lines = [f"{method} {place.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in usual.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(lines)
    if not head.count("\r") == head.count("\n") == len(lines) - 1:
        raise ValueError("a header holds a line break")
    return head.encode("latin-1") + b"\r\n\r\n" + body


def exchange(connection: socket.socket, method: str, request: bytes, timeout: float) -> tuple[Answer, bool]:
    """Write a request and read its answer. Also returns whether the connection can be reused."""
    reader = Until(connection, timeout)
    connection.settimeout(timeout)
    with suppress(BrokenPipeError, ConnectionResetError):  # a server that hangs up early may have answered
        connection.sendall(request)
    found = http.client.HTTPResponse(reader, method=method)  # type: ignore[arg-type]
    found.begin()
    # The limit also holds for the unpacked answer, which may be a thousand times as long.
    packed = "Content-Encoding" in found.headers
    whole = urllib3.HTTPResponse(found, dict(found.headers), preload_content=False) if packed else found
    try:
        data = whole.read(MOST_ANSWER + 1)
    except ValueError:  # http.client does not expect a chunk of a negative length
        raise ConnectionError("the answer cannot be read") from None
    if len(data) > MOST_ANSWER:
        raise OutcomeUnknown("the answer is too long", code="too_long")
    if found.length:
        raise IncompleteRead(len(data), found.length)
    # After an interim answer, or bytes too many, the next request would read what belongs to this one.
    whole_answer = found.status >= 200 and found.isclosed() and not reader.has_more()
    return Answer(found.status, found.headers, data), whole_answer and not found.will_close


class Until(io.RawIOBase):
    """Reads from a connection until a deadline, and at most MOST_ANSWER bytes.

    A timeout for each read would not do: a vendor that drips could hold a worker's thread for hours, longer
    than the lease.
    """

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._connection = connection
        self._end = time.monotonic() + timeout
        self._room = MOST_ANSWER
        self.ended = self.surplus = False

    def makefile(self, mode: str) -> io.BufferedReader:
        """http.client calls this on what it takes for a socket."""
        return _Buffer(self)

    def readable(self) -> bool:
        return True

    def has_more(self) -> bool:
        """Whether bytes follow the answer, in our buffer or in that of TLS."""
        return self.surplus or getattr(self._connection, "pending", int)() > 0

    def readinto(self, buffer: Any) -> int:
        if self.ended:
            return 0
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._connection.settimeout(left)
        count = self._connection.recv_into(buffer)
        self._room -= count
        if self._room < 0:
            raise ConnectionError("the answer is too long")
        return count


class _Buffer(io.BufferedReader):
    """The buffer of http.client, which closes it at the end of an answer together with bytes that follow."""

    raw: Until

    def close(self) -> None:
        if not self.closed:
            self.raw.ended = True
            self.raw.surplus = bool(self.peek(1))
        super().close()
