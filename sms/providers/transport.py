"""HTTP for providers: one pool for all threads, limits of time and size, and what a failure means."""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import certifi
import urllib3
from urllib3.exceptions import (
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from sms.errors import AccountFailure, OutcomeUnknown, TemporaryFailure

#: Seconds to connect to one address, and for TLS. A host that does not answer by then is treated as down.
CONNECT_TIMEOUT = 3.0

#: Seconds after which nothing is sent over a new connection any more: a name may take long to be found, or
#: have many addresses that do not answer.
LONGEST_CONNECT = 9.0

#: The longest ``timeout=`` (seconds to wait for an answer); with LONGEST_CONNECT it must stay
#: under the lease of a claim, or a message would be handed over twice.
MAX_TIMEOUT = 15.0

#: Bytes that an answer may have. What is no answer must not fill the memory of a worker.
MOST_ANSWER = 1_000_000


def is_address(url: str) -> bool:
    """Whether a request can be sent there, and nothing of it would be lost."""
    try:
        found = urllib3.util.parse_url(url)
        (found.host or "").encode("idna")  # as the look-up of the name does
    except (LocationParseError, UnicodeError):
        return False
    lost = found.auth or found.query or found.fragment
    return found.scheme in ("http", "https") and bool(found.host) and not lost


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Http:
    """HTTP for all threads of the process, with one kept connection per concurrent call.

    urllib3 and not requests, whose part was about 1.3 of the 3.5 ms of an attempt under the profiler.
    """

    def __init__(self, pool_size: int, timeout: float, ssl_ca_certs: str = "") -> None:
        """``timeout``: seconds to wait for the whole answer, beside CONNECT_TIMEOUT. ``ssl_ca_certs``: "" are
        those that everybody believes.
        """
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=pool_size,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=timeout),
            retries=False,
            ca_certs=ssl_ca_certs or certifi.where(),
        )
        self._pool.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def ask(
        self,
        method: str,
        url: str,
        body: str | bytes,
        headers: Mapping[str, str],
        *,
        take_redirects: bool = False,
    ) -> Answer:
        """One request. It is never sent twice, as only the caller knows whether that may be, nor elsewhere.

        Where a provider makes several, the last must be the one that hands the message over.
        Raises ``TemporaryFailure`` if nothing was sent, ``OutcomeUnknown`` if the vendor may have it, and
        what ``redirected`` makes of a 3xx, unless the caller wants to see it (``take_redirects``).
        """
        _left.set(False)
        with _failures():
            answer = self._pool.urlopen(
                method, url, body=body, headers=headers, redirect=False, preload_content=False
            )
            # No more than that of what is packed either: unpacked it may be a thousand times as long.
            try:
                data = answer.read(MOST_ANSWER + 1)
            except ValueError as error:  # a chunk of a negative length, which http.client does not expect
                raise ProtocolError("the answer cannot be read", error) from None
            if len(data) > MOST_ANSWER:
                answer.close()
                raise OutcomeUnknown("the answer is too long", code="too_long")
            answer.release_conn()
        if 300 <= answer.status < 400 and not take_redirects:
            raise redirected(answer.status)
        return Answer(answer.status, answer.headers, data)


class _Until(io.RawIOBase):
    """Reads from a socket until its timeout has passed once, however often something comes, and MOST_ANSWER
    bytes at most.
    """

    def __init__(self, sock: socket.socket, stream: io.RawIOBase) -> None:
        self._sock, self._stream = sock, stream
        self._end = time.monotonic() + (sock.gettimeout() or MAX_TIMEOUT)
        self._room = MOST_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._sock.settimeout(left)
        count = self._stream.readinto(buffer)
        self._room -= count or 0
        if self._room < 0:
            raise ConnectionError("the answer is too long")
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer that has the read timeout for all of it. urllib3 gives it to every single read, so a
    vendor that drips would hold a worker's thread for hours, and longer than the lease.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Until(sock, self.fp.detach()))


class _Connection(urllib3.connection.HTTPConnection):
    """Knows when a request leaves, and gives up one that comes too late."""

    response_class = _Answer

    def connect(self) -> None:
        begun = time.monotonic()
        super().connect()
        if time.monotonic() - begun > LONGEST_CONNECT:
            self.close()
            raise NewConnectionError(self, "too late")

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _left.set(True)
        super().send(data)


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _HTTPSConnection(_Connection, urllib3.connection.HTTPSConnection):
    pass


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


#: Whether some of the latest request of this thread has left.
_left: ContextVar[bool] = ContextVar("left", default=False)


def nothing_has_left() -> None:
    """A message is about to be handed over."""
    _left.set(False)


def request_left() -> bool:
    """Whether the vendor may have the message: a first byte was written to an open connection."""
    return _left.get()


@contextmanager
def _failures() -> Iterator[None]:
    """Turn urllib3's exceptions into ours. They do not tell whether the request has left: a handshake that
    never ends, or is reset, looks like an answer that is late or breaks off.
    """
    try:
        yield
    except HTTPError as error:
        if not request_left():
            raise TemporaryFailure("the provider cannot be reached", code="unreachable") from None
        if isinstance(error, ReadTimeoutError):
            raise OutcomeUnknown("no answer in time", code="read_timeout") from None
        # A reset, a broken body, broken TLS: the vendor may well have the request.
        raise OutcomeUnknown("the connection broke after the request", code=type(error).__name__) from None


def redirected(status: int) -> AccountFailure:
    """A 3xx: the vendor takes messages at another address than ours, and has taken none."""
    return AccountFailure(
        "the provider's address has moved: mend its host or base_url=", code=f"redirect_{status}"
    )


def is_temporary(status: int) -> bool:
    """Whether an HTTP status says that the same request, which was not taken, may succeed later: 408, whose
    request did not arrive in time, 429 and 5xx (RFC 9110, 15.5.9 and 15.6; RFC 6585, 4).
    """
    return status in (408, 429) or status >= 500


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a ``Retry-After`` header, a number or a date (RFC 9110, 10.2.3); None without one."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        # By the vendor's own clock, where it tells it: ours may be wrong.
        now = parsedate_to_datetime(headers["Date"]) if headers.get("Date") else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: one of them names no zone
        return None
