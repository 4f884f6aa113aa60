"""An SMSC for tests: raw sockets on loopback, bytes of its own, misbehaving as told."""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sms.errors import ProviderError
from sms.providers import from_url
from sms.providers.smpp import SmppProvider
from tests.faults.stack import wait_for
from tests.sms.providers.hand_off import meaning_of

soon = partial(wait_for, seconds=10.0, every=0.01)

OK, BIND_TRANSMITTER, BIND_TRANSCEIVER, SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 0, 2, 9, 4, 5, 6, 0x15
RESPONSE = 0x80000000


class Pdu(NamedTuple):
    command: int
    status: int
    sequence: int
    body: bytes


class Submitted(NamedTuple):
    """A submit_sm, field by field (SMPP 3.4, 4.4.1)."""

    service_type: bytes
    source: tuple[int, int, bytes]
    destination: tuple[int, int, bytes]
    esm_class: int
    protocol_id: int
    priority: int
    schedule: bytes
    validity: bytes
    registered: int
    replace: int
    coding: int
    default_id: int
    text: bytes
    optional: list[tuple[int, bytes]]


def pdu(command: int, status: int = 0, sequence: int = 1, body: bytes = b"") -> bytes:
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


def deliver_sm(
    text: bytes = b"",
    *,
    kind: int = 4,
    coding: int = 0,
    source: bytes = b"\1\x0112025550123\0",
    destination: bytes = b"\3\x0073737\0",
    optional: bytes = b"",
) -> bytes:
    """The body of one (SMPP 3.4, 4.6.1)."""
    flags = bytes([kind, 0, 0])
    return (
        b"\0" + source + destination + flags + b"\0\0\0\0" + bytes([coding, 0, len(text)]) + text + optional
    )


def tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


def read_submit(body: bytes) -> Submitted:
    """Every byte of ``body`` is one of a field, or this fails."""

    def c_string() -> bytes:
        nonlocal body
        found, _, body = body.partition(b"\0")
        return found

    def numbers(count: int) -> bytes:
        nonlocal body
        found, body = body[:count], body[count:]
        assert len(found) == count
        return found

    service_type = c_string()
    source, destination = ((*numbers(2), c_string()) for _ in range(2))
    flags, times, rest = numbers(3), (c_string(), c_string()), numbers(5)
    text, optional = numbers(rest[4]), []
    while body:
        tag, size = struct.unpack(">HH", numbers(4))
        optional.append((tag, numbers(size)))
    return Submitted(service_type, source, destination, *flags, *times, *rest[:4], text, optional)  # type: ignore[call-arg]


class Connection:
    """The connection that an ESME has opened."""

    def __init__(self, raw: socket.socket) -> None:
        self.socket = raw
        self.bound = b""

    def write(self, data: bytes) -> None:
        with suppress(OSError):
            self.socket.sendall(data)

    def answer(self, request: Pdu, status: int = OK, body: bytes = b"") -> None:
        self.write(pdu(request.command | RESPONSE, status, request.sequence, body))

    def reset(self) -> None:
        """End it by a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.hang_up()

    def hang_up(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def pdus(self) -> Iterator[Pdu]:
        with suppress(OSError), self.socket.makefile("rb") as stream:
            while len(head := stream.read(16)) == 16:
                size, command, status, sequence = struct.unpack(">IIII", head)
                yield Pdu(command, status, sequence, stream.read(size - 16))


@dataclass
class Smsc:
    """``on_submit``: what it does with a submit_sm, instead of taking it. ``on_delivered``: what with the
    answer to a deliver_sm. ``heard``: all PDUs of all connections. A bind is not heard before it is answered:
    who has seen it may write, and a client that is not bound would take that for the answer.
    """

    listener: socket.socket
    bind_status: int = OK
    answers_enquire: bool = True
    answers_unbind: bool = True
    on_submit: Callable[[Connection, Pdu], Any] | None = None
    on_delivered: Callable[[Pdu], Any] | None = None
    connections: list[Connection] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _heard: list[Pdu] = field(default_factory=list)
    _binding: threading.Lock = field(default_factory=threading.Lock)

    @property
    def heard(self) -> list[Pdu]:
        with self._binding:
            return list(self._heard)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def forget(self) -> None:
        """All that was heard so far."""
        with self._binding:
            self._heard.clear()

    def submitted(self) -> list[Submitted]:
        return [read_submit(found.body) for found in self.heard if found.command == SUBMIT_SM]

    def of(self, command: int) -> list[Pdu]:
        return [found for found in self.heard if found.command == command]

    def take(self, connection: Connection, request: Pdu) -> None:
        connection.answer(request, OK, b"id-%d\0" % next(self.ids))

    def refuse(self, status: int) -> None:
        """Answer every submit_sm with ``status``, without a body as the specification wants it."""
        self.on_submit = lambda connection, request: connection.answer(request, status)

    def die(self) -> None:
        """No connection is taken any more, and those that there are end."""
        with suppress(OSError):  # a thread in accept would take one more connection
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.hang_up()

    def serve(self, connection: Connection) -> None:
        for found in connection.pdus():
            if found.command in (BIND_TRANSMITTER, BIND_TRANSCEIVER):
                with self._binding:
                    self._heard.append(found)
                    connection.bound = found.body
                    connection.answer(found, self.bind_status, b"" if self.bind_status else b"SMSC\0")
                continue
            self._heard.append(found)
            if found.command == SUBMIT_SM:
                (self.on_submit or self.take)(connection, found)
            elif found.command == DELIVER_SM | RESPONSE and self.on_delivered:
                self.on_delivered(found)
            elif found.command == ENQUIRE_LINK and self.answers_enquire:
                connection.answer(found)
            elif found.command == UNBIND and self.answers_unbind:
                connection.answer(found)
                connection.hang_up()


@contextmanager
def smsc(port: int = 0, certificate: Path | None = None) -> Iterator[Smsc]:
    found = Smsc(socket.create_server(("127.0.0.1", port)))
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def serve(raw: socket.socket) -> None:
        with suppress(OSError):
            connection = Connection(context.wrap_socket(raw, server_side=True) if context else raw)
            found.connections.append(connection)
            with connection.socket:
                found.serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(found.listener.accept()[0],), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield found
    finally:
        found.die()
        accepting.join(5)


@contextmanager
def bound(
    port: int,
    query: str = "",
    *,
    scheme: str = "smpp",
    timeout: float = 5.0,
    **listeners: Callable[[list[Any]], None],
) -> Iterator[SmppProvider]:
    """A provider at that SMSC. ``listeners``: its ``on_receipts`` and ``on_inbound``."""
    options = f"from=Otpost&timeout={timeout}&{query}".rstrip("&")
    provider = from_url("main", f"{scheme}://tester:secret@127.0.0.1:{port}?{options}")
    assert isinstance(provider, SmppProvider)
    for name, listener in listeners.items():
        setattr(provider, name, listener)
    try:
        yield provider
    finally:
        provider.close()


def deliver(centre: Smsc, text: bytes = b"", sequence: int = 5, **more: Any) -> int:
    """The status by which it is answered."""
    body = more.pop("body", None) or deliver_sm(text, **more)
    before = len(centre.of(DELIVER_SM | RESPONSE))
    centre.connections[-1].write(pdu(DELIVER_SM, 0, sequence, body))
    soon(lambda: len(centre.of(DELIVER_SM | RESPONSE)) > before)
    answer = centre.of(DELIVER_SM | RESPONSE)[-1]
    assert (answer.sequence, answer.body) == (sequence, b"\0")
    return answer.status


def failure(sending: Future[str]) -> tuple[str, str]:
    """The meaning of a message's error, and its code."""
    error = sending.exception(10)
    assert isinstance(error, ProviderError)
    return meaning_of(error), error.code


def forget(_: object) -> None:
    """Take in what is delivered."""
