"""Clients that connect and then say little or nothing."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from contextlib import ExitStack

from config.web import allow_files
from tests.faults.scene import Scene

#: Seconds in which the web must answer while they are there.
SOON = 3.0


def crowd(sent: bytes, count: int) -> Callable[[Scene], None]:
    """So many connections that each send this and wait."""

    def inject(scene: Scene) -> None:
        allow_files(count + 1000)
        clients = []
        with ExitStack() as stack:
            for _ in range(count):
                address = ("127.0.0.1", scene.stack.web_port)
                client = stack.enter_context(socket.create_connection(address, 10))
                client.sendall(sent)
                clients.append(client)
            # An answer now would mean that the rest is not needed, and the test would show nothing.
            assert not select.select(clients[:1], [], [], SOON / 10)[0], "the first one does not wait"
            for _ in range(3):
                scene.pause(scene.rng.uniform(1, 2))
                status, _, seconds = scene.stack.call("GET", "/healthz")
                assert (status, seconds < SOON) == (200, True), f"{status} after {seconds:.1f} s"
            scene.over()

    return inject


SILENT = crowd(b"", 1100)

#: Reports whose body must be read before their sender is known: the signature covers it.
SLOW = crowd(
    b"POST /v1/receipts/main HTTP/1.1\r\nHost: localhost\r\nX-Twilio-Signature: x\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nx",
    300,
)
