"""HTTP for providers: one pool of connections for all threads, verified TLS, and what a failure means."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from weakref import WeakSet

from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import wait_for_read
from urllib3.util.connection import create_connection

from sms.errors import AccountFailure, OutcomeUnknown, TemporaryFailure
from sms.providers.exchange import Answer, Place, exchange, place_of, written
from sms.providers.tls import trusting

log = logging.getLogger(__name__)

#: Seconds to connect to one address, and for TLS. A host that does not answer by then is treated as down.
CONNECT_TIMEOUT = 3.0

#: Seconds after which nothing is sent over a new connection any more: a name may take long to be found, or
#: have many addresses that do not answer.
LONGEST_CONNECT = 9.0

#: The longest ``timeout=`` (seconds to wait for an answer); with LONGEST_CONNECT it must stay
#: under the lease of a claim, or a message would be handed over twice.
MAX_TIMEOUT = 15.0

#: Seconds that a further request of the same message must have left, or it is not sent: with less, too many
#: would end without anybody knowing what became of the message.
LEAST_LEFT = 2.0


class Http:
    """HTTP for all threads of the process, with one kept connection per concurrent call.

    It writes head and body at once and reads by http.client: urllib3's pool, which does neither, took half
    again as much CPU. What urllib3 knows of addresses, of TLS and of packed answers is used.
    """

    def __init__(self, pool_size: int, timeout: float, ssl_ca_certs: str = "") -> None:
        """``timeout``: seconds for the request and the whole answer, beside LONGEST_CONNECT.
        ``ssl_ca_certs``: "" are those that everybody believes.
        """
        self._size = pool_size
        self._timeout = timeout
        self._ssl_ca_certs = ssl_ca_certs
        self._free: defaultdict[tuple[str, str, int], deque[socket.socket]] = defaultdict(deque)
        _pools.add(self)

    def ask(self, method: str, url: str, body: str | bytes, headers: Mapping[str, str]) -> Answer:
        """One request. It is never sent twice, as only the caller knows whether that may be, nor elsewhere: a
        3xx is the caller's to judge (``redirected``).

        Where a provider makes several, the last must be the one that hands the message over, and
        ``one_message`` must be around them.
        Raises ``TemporaryFailure`` if nothing was sent, and ``OutcomeUnknown`` if the vendor may have it.
        """
        _left.set(False)
        with _failures():
            place = place_of(url)
            request = written(method, place, body.encode() if isinstance(body, str) else body, headers)
            free = self._free[place[:3]]
            if watch := watching.get():
                watch("", request)
            connection = _kept(free) or self._opened(place)
            try:
                seconds = self._seconds()
                _left.set(True)
                answer, stays_open = exchange(connection, method, request, seconds)
            except BaseException:
                connection.close()
                raise
        if watch:
            watch(str(answer.status), answer.data)
        if stays_open and len(free) < self._size:
            free.append(connection)
        else:
            connection.close()
        # Not the path: with some vendors the key stands in it.
        log.debug("%s %s: %d", method, place.name, answer.status)
        return answer

    @contextmanager
    def one_message(self) -> Iterator[None]:
        """All requests within take no longer than one may: LONGEST_CONNECT and the timeout."""
        token = _until.set(time.monotonic() + LONGEST_CONNECT + self._timeout)
        try:
            yield
        finally:
            _until.reset(token)

    def _seconds(self) -> float:
        """How long the request that is to leave now may take. Raises ``TemporaryFailure``."""
        until = _until.get()
        seconds = self._timeout if until is None else min(self._timeout, until - time.monotonic())
        if seconds < min(self._timeout, LEAST_LEFT):
            raise TemporaryFailure("what was asked before has taken too long", code="too_late")
        return seconds

    def _opened(self, place: Place) -> socket.socket:
        begun = time.monotonic()
        context = trusting(self._ssl_ca_certs) if place.scheme == "https" else None
        connection = create_connection(
            (place.host, place.port),
            CONNECT_TIMEOUT,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        if context:
            connection = context.wrap_socket(connection, server_hostname=place.host)
        if time.monotonic() - begun > LONGEST_CONNECT:
            connection.close()
            raise TimeoutError("too late")
        return connection

    def forget(self) -> None:
        """Close the connections that are kept."""
        for free in self._free.values():
            while free:
                free.pop().close()


#: Who wants to see each request (status "") and its answer: ``manage.py send_test``. They hold secrets.
watching: ContextVar[Callable[[str, bytes], None] | None] = ContextVar("watching", default=None)

_pools: WeakSet[Http] = WeakSet()


def _kept(free: deque[socket.socket]) -> socket.socket | None:
    """The connection that was used last, if the vendor has not closed it since."""
    while free:
        with suppress(IndexError):  # another thread was quicker
            connection = free.pop()
            if not wait_for_read(connection, timeout=0.0):
                return connection
            connection.close()
    return None


def _forget() -> None:
    for pool in _pools:
        pool.forget()  # the parent's own stay open


# A child process must not speak on the connections of its parent.
os.register_at_fork(after_in_child=_forget)

#: Whether some of the latest request of this thread has left.
_left: ContextVar[bool] = ContextVar("left", default=False)

#: When the requests of the message that this thread hands over must have ended (monotonic). None: it is one.
_until: ContextVar[float | None] = ContextVar("until", default=None)


def nothing_has_left() -> None:
    """A message is about to be handed over."""
    _left.set(False)


def request_left() -> bool:
    """Whether the vendor may have the message: a first byte was written to an open connection."""
    return _left.get()


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what goes wrong on the way into our errors. Its kind does not tell whether the request has left: a
    handshake that never ends, or is reset, looks like an answer that is late or breaks off.
    """
    try:
        yield
    except (OSError, HTTPException, HTTPError) as error:
        if not request_left():
            raise TemporaryFailure("the provider cannot be reached", code="unreachable") from None
        if isinstance(error, (TimeoutError, ReadTimeoutError)):
            raise OutcomeUnknown("no answer in time", code="read_timeout") from None
        # A reset, a broken body, broken TLS: the vendor may well have the request.
        ours = "SSLError" if isinstance(error, ssl.SSLError) else "ProtocolError"
        code = type(error).__name__ if isinstance(error, HTTPError) else ours
        raise OutcomeUnknown("the connection broke after the request", code=code) from None


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


def retry_after(headers: Mapping[str, str] | Message) -> float | None:
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
