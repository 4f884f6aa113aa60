"""HTTP as an attacker writes it: bytes on a socket, whole answers back."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from tests.documented import ERRORS

#: Seconds that the server has for an answer.
PATIENCE = 20.0


class Answer:
    """Status, headers (by lower-case name) and body of one response."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.cookies = response.headers.get_all("Set-Cookie") or []
        self.body = response.read()

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document that this must be."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.body[:200])
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        assert all(found[name] for name in ("code", "detail", "title", "type"))
        assert (self.status, found["code"]) in ERRORS
        return found


def post(
    port: int,
    path: str,
    body: bytes | Iterable[bytes],
    headers: dict[str, str] | None = None,
    method: str = "POST",
) -> Answer:
    """Send ``body`` as it is, with its length, or in chunks if it comes in pieces.

    A server that answers before it has read everything is heard too.
    """
    lines = {"Host": "127.0.0.1", "Connection": "close"} | (headers or {})
    if isinstance(body, bytes):
        lines, pieces = lines | {"Content-Length": str(len(body))}, iter([body])
    else:
        lines |= {"Transfer-Encoding": "chunked"}
        pieces = (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in itertools.chain(body, [b""]))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head.encode("latin-1"))
            for piece in pieces:
                connection.sendall(piece)
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        return Answer(response)


class Browser:
    """The pages as a form sees them: cookies are kept, the CSRF token goes along."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> Answer:
        return self._keep(post(self.port, path, b"", self._headers(), "GET"))

    def post(self, path: str, body: bytes, content_type: str = "application/x-www-form-urlencoded") -> Answer:
        """Send a form; ``body`` goes after the field with the token."""
        if content_type.startswith("application/x-www-form"):
            body = b"csrfmiddlewaretoken=" + self.token().encode() + b"&" + body
        headers = self._headers() | {"Content-Type": content_type, "X-CSRFToken": self.token()}
        return self._keep(post(self.port, path, body, headers))

    def token(self) -> str:
        if "csrftoken" not in self.cookies:
            self.get("/")
        return self.cookies["csrftoken"]

    def _headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def _keep(self, answer: Answer) -> Answer:
        for line in answer.cookies:
            if found := re.match(r"([^=]+)=([^;]*)", line):
                self.cookies[found[1]] = found[2]
        return answer
