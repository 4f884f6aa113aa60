"""HTTP for providers: one pool of connections for all threads, verified TLS, failures as our errors."""

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

#: Seconds to connect to one address, and again for TLS. A host that does not answer in time counts as down.
CONNECT_TIMEOUT = 3.0

#: The longest time, in seconds, that opening a connection may take. One that took longer is closed unused.
#: DNS may be slow, or a name may have many addresses that do not answer.
LONGEST_CONNECT = 9.0

#: The longest ``timeout=``, in seconds. Together with LONGEST_CONNECT it must stay under the lease of a
#: claim, or a message could be handed over twice.
MAX_TIMEOUT = 15.0

#: Seconds that must be left for a further request of the same message, or it is not sent. With less time, too
#: many would end as unknown.
LEAST_LEFT = 2.0


class Http:
    """An HTTP client for all threads of the process. It keeps one connection for each concurrent call.

    It writes head and body at once and reads with http.client. urllib3's pool does neither and takes 1.5
    times the CPU. We use urllib3's code for URLs, TLS and compressed answers.
    """

    def __init__(self, pool_size: int, timeout: float, ssl_ca_certs: str = "") -> None:
        """``timeout``: seconds for the request and the whole answer, in addition to LONGEST_CONNECT.
        ``ssl_ca_certs``: "" for the public CAs.
        """
        self._size = pool_size
        self._timeout = timeout
        self._ssl_ca_certs = ssl_ca_certs
        self._free: defaultdict[tuple[str, str, int], deque[socket.socket]] = defaultdict(deque)
        _pools.add(self)

    def ask(self, method: str, url: str, body: str | bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request and return the answer, whatever its status.

        It never retries, because only the caller knows whether that is safe. It follows no redirects (see
        ``redirected``). If a message takes several requests, wrap them in ``one_message``; the last one must
        be the one that hands it over.

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
        # Without the path, which holds the key of some vendors.
        log.debug("%s %s: %d", method, place.name, answer.status)
        return answer

    @contextmanager
    def one_message(self) -> Iterator[None]:
        """All requests within may together take as long as one: LONGEST_CONNECT plus the timeout."""
        token = _until.set(time.monotonic() + LONGEST_CONNECT + self._timeout)
        try:
            yield
        finally:
            _until.reset(token)

    def _seconds(self) -> float:
        """Seconds that the next request may take. Raises ``TemporaryFailure`` if too few are left."""
        until = _until.get()
        seconds = self._timeout if until is None else min(self._timeout, until - time.monotonic())
        if seconds < min(self._timeout, LEAST_LEFT):
            raise TemporaryFailure("the requests before took too long", code="too_late")
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
        """Close the idle connections."""
        for free in self._free.values():
            while free:
                free.pop().close()


#: A callback that sees each request (status "") and its answer, set by ``manage.py send_test``. Both hold
#: secrets.
watching: ContextVar[Callable[[str, bytes], None] | None] = ContextVar("watching", default=None)

_pools: WeakSet[Http] = WeakSet()


def _kept(free: deque[socket.socket]) -> socket.socket | None:
    """The connection that was used last, unless the vendor has closed it since."""
    while free:
        with suppress(IndexError):  # another thread took the last one
            connection = free.pop()
            if not wait_for_read(connection, timeout=0.0):
                return connection
            connection.close()
    return None


def _forget() -> None:
    for pool in _pools:
        pool.forget()  # closes our copies; those of the parent stay open


# A child process must not use the connections of its parent.
os.register_at_fork(after_in_child=_forget)

#: Whether any byte of this thread's latest request has left.
_left: ContextVar[bool] = ContextVar("left", default=False)

#: The deadline (monotonic) for the requests of this thread's message; None for a single request.
_until: ContextVar[float | None] = ContextVar("until", default=None)


def nothing_has_left() -> None:
    """Reset ``request_left`` before a hand-off."""
    _left.set(False)


def request_left() -> bool:
    """Whether the vendor may have the message: a first byte was written to an open connection."""
    return _left.get()


@contextmanager
def _failures() -> Iterator[None]:
    """Turn errors of the network into ours.

    Their type does not tell whether the request has left. A TLS handshake that hangs or is reset looks like
    an answer that is late or breaks off.
    """
    try:
        yield
    except (OSError, HTTPException, HTTPError) as error:
        if not request_left():
            raise TemporaryFailure("the provider cannot be reached", code="unreachable") from None
        if isinstance(error, (TimeoutError, ReadTimeoutError)):
            raise OutcomeUnknown("no answer in time", code="read_timeout") from None
        # After a reset, a broken body or broken TLS, the vendor may still have the request.
        ours = "SSLError" if isinstance(error, ssl.SSLError) else "ProtocolError"
        code = type(error).__name__ if isinstance(error, HTTPError) else ours
        raise OutcomeUnknown("the connection broke after the request", code=code) from None


def redirected(status: int) -> AccountFailure:
    """The error for a 3xx: the vendor has moved its API, and has not taken the message."""
    return AccountFailure(
        "the provider's API has moved: correct its host or base_url=", code=f"redirect_{status}"
    )


def is_temporary(status: int) -> bool:
    """Whether an HTTP status means that the request was not accepted but may succeed later: 408, 429 and 5xx
    (RFC 9110, 15.5.9 and 15.6; RFC 6585, 4).
    """
    return status in (408, 429) or status >= 500


def retry_after(headers: Mapping[str, str] | Message) -> float | None:
    """The seconds of a ``Retry-After`` header, which is a number or a date (RFC 9110, 10.2.3).

    None without.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        # Prefer the vendor's clock, because ours may be wrong.
        now = parsedate_to_datetime(headers["Date"]) if headers.get("Date") else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: only one of the two dates has a time zone
        return None
