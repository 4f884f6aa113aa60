"""A vendor's HTTP server for tests: real sockets on loopback, misbehaving as told."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Gateway:
    """``answer`` makes the bytes of the response; None hangs up without one. ``delay``: seconds
    before it; ``drip``: seconds between its bytes. ``before``: by their paths, the
    answers to what a provider asks before it hands a message over; these are at once, and not
    among ``requests``.
    """

    port: int
    answer: Callable[[], bytes | None] = lambda: None
    delay: float = 0.0
    drip: float = 0.0
    connections: int = 0
    requests: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    before: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def response(status: int, body: str | bytes, **headers: str) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(content)}",
        "Content-Type: application/json",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def read_request(stream: BinaryIO) -> tuple[str, dict[str, str], bytes] | None:
    """Path, headers and body of the next request; None if the client went away before its end."""
    line = stream.readline()
    headers = {}
    while (header := stream.readline()) not in (b"", b"\r\n"):
        name, _, value = header.decode().partition(":")
        headers[name.lower()] = value.strip()
    if not header:
        return None
    length = int(headers.get("content-length", 0))
    body = stream.read(length)
    if len(body) < length:
        return None
    return line.decode().split()[1], headers, body


def form(body: bytes) -> dict[str, str]:
    """The fields of a form, the first of each name."""
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


@contextmanager
def one_connection(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The https:// address of a server that hands one connection to ``serve``, and takes no other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: serve(listener.accept()[0]), daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


def reset(connection: socket.socket) -> None:
    """Read something, then end the connection by a RST."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def break_tls(certificate: Path) -> Callable[[socket.socket], None]:
    """For ``one_connection``: read the whole request, then answer without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection: socket.socket) -> None:
        wrapped = context.wrap_socket(connection, server_side=True)
        read_request(wrapped.makefile("rb"))
        with socket.socket(fileno=wrapped.detach()) as bare:
            bare.sendall(response(502, "the proxy in front speaks"))

    return serve


def certify(path: Path) -> Path:
    """Write a key and its certificate for 127.0.0.1, which whoever trusts this file accepts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(names, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, form, bare))
    return path


#: Path, headers and body of the next request on a connection; None if the client went away before its end.
Read = Callable[[socket.socket, BinaryIO], tuple[str, dict[str, str], bytes] | None]


@contextmanager
def gateway(
    greeting: bytes = b"", read: Read = lambda connection, stream: read_request(stream)
) -> Iterator[Gateway]:
    """``greeting`` and ``read``: for what is not HTTP."""
    listener = socket.create_server(("127.0.0.1", 0))
    found = Gateway(listener.getsockname()[1])

    def serve(connection: socket.socket) -> None:
        # Who has waited long enough hangs up in the middle of an answer.
        with suppress(ConnectionError), connection, connection.makefile("rb") as stream:
            connection.sendall(greeting)
            while request := read(connection, stream):
                path, headers, body = request
                if path in found.before:
                    found.asked.append(request)
                    connection.sendall(found.before[path])
                    continue
                found.bodies.append(body)
                found.requests.append((path, headers, form(body)))
                time.sleep(found.delay)
                content = found.answer()
                if content is None:
                    return
                for part in (content[i : i + 1] for i in range(len(content))) if found.drip else [content]:
                    connection.sendall(part)
                    time.sleep(found.drip)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            found.connections += 1
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        listener.close()
