"""What a provider is: the contract, its options out of a URL, and how HTTP fails."""

from __future__ import annotations

import http.client
import inspect
import io
import re
import socket
import time
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import certifi
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    LocationValueError,
    NewConnectionError,
    ReadTimeoutError,
)

from sms.errors import OutcomeUnknown, ReceiptRejected, TemporaryFailure
from sms.message import Receipt

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


class BadProviderURL(ValueError):
    """A provider's URL that cannot be used; the text says what to change, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS to hand over."""

    id: str  # our message id, the reference of receipts
    to: str = field(repr=False)  # E.164
    body: str = field(repr=False)
    expires_in: float = 0.0  # seconds after which it is of no use; 0 means that it has no limit
    callback_url: str = ""  # where receipts go; empty: none are wanted
    sender: str = ""  # a number or sender ID instead of the provider's own


class Provider(ABC):
    """A vendor that sends SMS. Subclasses add options as keyword arguments of ``__init__``, and hand those
    that every provider has to this one's.

    An option's annotation (``str``, ``float``, ``int``) says how it is read from the URL's query;
    ``url_names`` maps what stands elsewhere in the URL, or under a Python keyword, to an option.
    """

    scheme: ClassVar[str]
    url_names: ClassVar[Mapping[str, str]] = {}
    #: Whether it can tell a genuine receipt from a forged one, for which it mostly needs a secret.
    takes_receipts: bool = False
    #: The option of the URL that holds this secret.
    receipt_option: ClassVar[str] = "receipt_secret"

    def __init__(
        self, alias: str, address: str = "", *, pool_size: int = 10, timeout: float = 10.0, base_url: str = ""
    ) -> None:
        """``address``: where its API is, unless ``base_url=`` says otherwise."""
        base_url = base_url or address
        if not 0 < timeout <= MAX_TIMEOUT:
            raise BadProviderURL(f"{alias}: timeout={timeout:g} must be over 0 and at most {MAX_TIMEOUT:g}.")
        if base_url and not _is_address(base_url):
            raise BadProviderURL(
                f"{alias}: the host, or base_url=, must make an address such as https://api.example:8443, "
                "with https:// or http:// and without a query."
            )
        self.alias = alias
        self.pool_size = pool_size
        self.timeout = timeout
        self.base_url = base_url.rstrip("/")

    @abstractmethod
    def send(self, sms: Sms) -> str:
        """Hand one SMS over and return the vendor's id for it.

        Where the vendor definitely did not take it, raises ``TemporaryFailure`` (408, 429, 5xx, no
        connection), ``AccountFailure`` (credentials, funds, a sender that is not allowed) or
        ``PermanentFailure`` (the number, the text); ``OutcomeUnknown`` where it may have. Called
        from many threads at once.
        """

    def parse_receipts(self, headers: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        """Authenticate and read a vendor's callback. ``headers`` have lower-case names; ``url`` is
        the public one that the vendor called. Raises ``ReceiptRejected``.
        """
        raise ReceiptRejected(f"{self.scheme} sends no receipts")


def _is_address(url: str) -> bool:
    """Whether a request can be sent there."""
    try:
        found = urllib3.util.parse_url(url)
        (found.host or "").encode("idna")  # as the look-up of the name does
    except (LocationParseError, UnicodeError):
        return False
    return found.scheme in ("http", "https") and bool(found.host) and not (found.query or found.fragment)


def read_url(alias: str, url: str) -> tuple[SplitResult, list[tuple[str, str]]]:
    """The parts of a provider's URL, and the options of its query. Raises ``BadProviderURL``."""
    if "#" in url:
        raise BadProviderURL(f"{alias}: a # ends the URL, and what follows would be lost; write it %23.")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only now
    except ValueError:
        raise BadProviderURL(f"{alias}: the URL cannot be read; is its host or port malformed?") from None
    options = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in options]
    if twice := sorted({_shown(name) for name in names if names.count(name) > 1}):
        raise BadProviderURL(f"{alias}: {', '.join(twice)} is given twice; give each option once.")
    return parts, options


def _shown(name: str) -> str:
    """Only what looks like an option is repeated: it may be the rest of a secret with an & in it."""
    return f"{name}=" if re.fullmatch(r"[a-z_]{2,20}", name) else "an option"


def options_from_url(cls: type[Provider], alias: str, url: str) -> dict[str, Any]:
    """The keyword arguments for ``cls`` that ``url`` holds. Raises ``BadProviderURL``."""
    parts, query = read_url(alias, url)
    host = parts.netloc.rpartition("@")[2]
    found: list[tuple[str, str]] = [
        (name, unquote(value))
        for name, value in (
            ("user", parts.username),
            ("password", parts.password),
            ("host", host),
            ("path", parts.path.removesuffix("/") and parts.path),
        )
        if value
    ]
    found += query
    known = _options(cls)
    options: dict[str, Any] = {}
    for name, value in found:
        option = cls.url_names.get(name, name)
        if option not in known:
            names = sorted(
                {*known, *cls.url_names} - {"user", "password", "host", "path"} - set(cls.url_names.values())
            )
            looks = _shown(name) == f"{name}="
            problem = (
                f"has no option {name!r}" if looks else "is given an option that it has not; write & as %26"
            )
            raise BadProviderURL(f"{alias}: {cls.scheme} {problem}. It has: {', '.join(names)}.")
        if option in options:
            raise BadProviderURL(f"{alias}: {name} stands in the URL twice; give it once.")
        try:
            options[option] = known[option](value)
        except ValueError:
            raise BadProviderURL(f"{alias}: {name} must be a number.") from None
    for option, parameter in inspect.signature(cls).parameters.items():
        if option in known and parameter.default is parameter.empty and option not in options:
            raise BadProviderURL(
                f"{alias}: {cls.scheme} needs {option}. See the README's table of providers."
            )
    return options


def _options(cls: type[Provider]) -> dict[str, type]:
    found: dict[str, type] = {}
    for init in (vars(base)["__init__"] for base in reversed(cls.__mro__[:-1]) if "__init__" in vars(base)):
        hints = typing.get_type_hints(init)
        for name, parameter in inspect.signature(init).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and name != "pool_size":
                found[name] = hints[name]
    return found


def make_pool(pool_size: int, timeout: float) -> urllib3.PoolManager:
    """HTTP for all threads of the process, with one kept connection per concurrent call.

    ``timeout``: seconds to wait for the whole answer, beside CONNECT_TIMEOUT. It never retries by itself:
    only the caller knows whether a second hand-off may happen. urllib3 and not requests, whose
    part was about 1.3 of the 3.5 ms of an attempt under the profiler.
    """
    manager = urllib3.PoolManager(
        num_pools=4,
        maxsize=pool_size,
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=timeout),
        retries=False,
        ca_certs=certifi.where(),
    )
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager


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


@contextmanager
def _connecting(connection: urllib3.connection.HTTPConnection) -> Iterator[None]:
    """Say of whatever goes wrong in here, TLS too, that nothing was sent: urllib3 tells a handshake that
    never ends, or is reset, like an answer that is late or breaks off.
    """
    begun = time.monotonic()
    try:
        yield
    except OSError as error:  # ssl.SSLError is one
        raise NewConnectionError(connection, "TLS handshake") from error
    if time.monotonic() - begun > LONGEST_CONNECT:
        connection.close()
        raise NewConnectionError(connection, "too late")


class _HTTPConnection(urllib3.connection.HTTPConnection):
    response_class = _Answer

    def connect(self) -> None:
        with _connecting(self):
            super().connect()


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSConnection(urllib3.connection.HTTPSConnection):
    response_class = _Answer

    def connect(self) -> None:
        with _connecting(self):
            super().connect()


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


@contextmanager
def http_failures() -> Iterator[None]:
    """Turn urllib3's exceptions into ours: was the request sent, or may it have been?"""
    try:
        yield
    except ReadTimeoutError:
        raise OutcomeUnknown("no answer in time", code="read_timeout") from None
    except (ConnectTimeoutError, NewConnectionError, LocationValueError):
        raise TemporaryFailure("the provider cannot be reached", code="unreachable") from None
    except HTTPError as error:
        # A reset, a broken body, broken TLS: the vendor may well have the request.
        raise OutcomeUnknown("the connection broke after the request", code=type(error).__name__) from None


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
    except (ValueError, TypeError):  # TypeError: one of them names no zone
        return None
