"""Clients that connect and then say little or nothing."""

from __future__ import annotations

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
        with ExitStack() as stack:
            for _ in range(count):
                address = ("127.0.0.1", scene.stack.web_port)
                stack.enter_context(socket.create_connection(address, 10)).sendall(sent)
            for _ in range(3):
                scene.pause(scene.rng.uniform(1, 2))
                status, _, seconds = scene.stack.call("GET", "/healthz")
                assert (status, seconds < SOON) == (200, True), f"{status} after {seconds:.1f} s"
            scene.over()

    return inject


SILENT = crowd(b"", 1100)

#: A form whose token matches its cookie, so that its body is wanted.
SLOW = crowd(
    b"POST / HTTP/1.1\r\nHost: localhost\r\nCookie: csrftoken=" + b"c" * 32 + b"\r\nContent-Length: 1000\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nx",
    300,
)
