"""SMTP servers on loopback: a real one, aiosmtpd, and one that misbehaves at whichever step a test says."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any, BinaryIO

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # else every command that aiosmtpd hears

USER, PASSWORD = "otpost", "correct horse"


class Postbox:
    """Takes every mail, unless ``refuses`` has an answer to MAIL, RCPT or DATA."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.refuses: dict[str, str] = {}
        self.sessions: set[int] = set()  # connections by which a mail came
        self.port = 0

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if "MAIL" in self.refuses:
            return self.refuses["MAIL"]
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if "RCPT" in self.refuses:
            return self.refuses["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if "DATA" in self.refuses:
            return self.refuses["DATA"]
        self.sessions.add(id(session))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        parsed = BytesParser(EmailMessage, policy=default).parsebytes(envelope.original_content)
        self.mails.append(parsed)
        return "250 2.0.0 queued"


def _logs_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    known = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=data == known, handled=False)


@contextmanager
def postbox(certificate: Path | None = None, *, tls: bool = False, auth: bool = False) -> Iterator[Postbox]:
    """A real server. ``certificate``: it offers STARTTLS, with ``tls`` it speaks TLS from the first byte;
    ``auth``: only who has logged in may send.
    """
    box = Postbox()
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    options: dict[str, Any] = {"hostname": "127.0.0.1", "port": 0, "server_hostname": "mx.example"}
    if auth:
        options |= {"authenticator": _logs_in, "auth_required": True, "auth_require_tls": False}
    if tls:
        options["ssl_context"] = context
    elif context:
        options |= {"tls_context": context, "require_starttls": True}
    controller = _OnAFreePort(box, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


class _OnAFreePort(Controller):
    """The port is known once it listens."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        self.handler.port = self.port
        super()._trigger_server()


#: The answers of a good server: first its greeting, then by command; "." is the end of a letter.
WELL = {
    "greeting": "220 mx.example ESMTP",
    "EHLO": "250-mx.example\r\n250 ENHANCEDSTATUSCODES",
    "MAIL": "250 2.1.0 OK",
    "RCPT": "250 2.1.5 OK",
    "DATA": "354 go on",
    ".": "250 2.0.0 queued",
    "RSET": "250 OK",
    "QUIT": "221 bye",
}


def well(step: str) -> bytes:
    """The answer at a step, as it is written."""
    return f"{WELL[step]}\r\n".encode()


def next_letter(connection: socket.socket, stream: BinaryIO) -> bytes | None:
    """The next letter, after what comes before it was answered well; None if the client went away first."""
    while line := stream.readline():
        step = line[:4].decode("latin-1").upper()
        connection.sendall(well(step))
        if step == "DATA":
            letter = b""
            while (line := stream.readline()) not in (b".\r\n", b""):
                letter += line
            return letter if line else None
    return None


#: Instead of an answer; true where the session goes on.
Mischief = Callable[[socket.socket], object]


def hang(connection: socket.socket) -> None:
    """Say nothing until the other side has gone."""
    with suppress(OSError):
        while connection.recv(1000):
            pass


def reset(connection: socket.socket) -> None:
    """End the connection by a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drip(connection: socket.socket) -> None:
    """Each byte of an answer comes in time, the whole never does."""
    with suppress(OSError):
        while True:
            connection.sendall(b"2")
            time.sleep(0.02)


def babble(connection: socket.socket) -> None:
    """One line after the other, each with the promise of a next one."""
    with suppress(OSError):
        while True:
            connection.sendall(b"250-and another thing\r\n" * 50)


@dataclass
class Scripted:
    """``says``: the answer, or the mischief, at a step; see ``WELL`` for the others."""

    port: int
    says: dict[str, str | Mischief]
    heard: list[str] = field(default_factory=list)  # the commands, of all connections
    connections: int = 0
    letters: int = 0
    open: list[socket.socket] = field(default_factory=list)


@contextmanager
def scripted(**says: str | Mischief) -> Iterator[Scripted]:
    """``end`` is the step after the letter."""
    if "end" in says:
        says["."] = says.pop("end")
    listener = socket.create_server(("127.0.0.1", 0))
    found = Scripted(listener.getsockname()[1], says)

    def answer(connection: socket.socket, step: str) -> bool:
        what = found.says.get(step, WELL.get(step, "500 5.5.2 what?"))
        if callable(what):
            return bool(what(connection))
        connection.sendall(f"{what}\r\n".encode("latin-1"))
        return not what.startswith("421")

    def serve(connection: socket.socket) -> None:
        talk(connection)
        found.open.remove(connection)

    def talk(connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            going = answer(connection, "greeting")
            while going and (line := stream.readline()):
                step = line.decode("latin-1").split()[0].upper()
                found.heard.append(step)
                going = answer(connection, step)
                if step == "DATA" and going and str(found.says.get("DATA", WELL["DATA"])).startswith("354"):
                    while stream.readline() not in (b".\r\n", b""):
                        pass
                    found.letters += 1
                    going = answer(connection, ".")

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection = listener.accept()[0]
                found.connections += 1
                found.open.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # or the thread that accepts would not end
        listener.close()
