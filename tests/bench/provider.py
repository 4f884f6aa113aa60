"""A stand-in for the provider: takes every message and answers as Twilio does, by default after 200 ms.

``python -m tests.bench.provider PORT`` is the server, a process of its own. It has one event loop and no HTTP
library, so it can take thousands of calls a second. ``Provider`` starts it, and asks it for the calls it got.
Times are ``time.monotonic()``, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from config.demo.leash import Leash
from config.demo.ports import free_port

#: Seconds until the answer, unless a measure wants another.
DELAY = 0.2

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SERIAL = re.compile(rb"(?:^|&)Body=[^&]*?(\d+)(?:&|$)")


@dataclass(frozen=True, slots=True)
class Call:
    """One message that arrived. ``serial`` is the number at the end of its text."""

    serial: int
    received: float
    answered: float  # 0 if it waits


class Provider:
    """The server's process, and what it tells."""

    def __init__(self, leash: Leash) -> None:
        self._leash = leash
        self._port = free_port()
        self.process = leash.spawn([sys.executable, "-m", "tests.bench.provider", str(self._port)])
        deadline = time.monotonic() + 10
        while True:
            try:
                self.count()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    @property
    def url(self) -> str:
        """``base_url`` of a provider that talks to this one."""
        return f"http://127.0.0.1:{self._port}"

    @contextmanager
    def answering_after(self, seconds: float) -> Iterator[None]:
        """Let it answer after so long for a while."""
        self._ask("PUT", f"/delay?{seconds}")
        try:
            yield
        finally:
            self._ask("PUT", f"/delay?{DELAY}")

    def latest(self) -> tuple[str, dict[str, str], dict[str, str]]:
        """Path, headers and fields of the message that arrived last."""
        head, _, body = self._ask("GET", "/latest").decode().partition("\r\n\r\n")
        request, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return request.split()[1], headers, {name: found[0] for name, found in parse_qs(body).items()}

    def count(self) -> int:
        """How many messages arrived."""
        return int(self._ask("GET", "/count"))

    def calls(self) -> list[Call]:
        """The messages that arrived, in that order."""
        return [Call(*call) for call in json.loads(self._ask("GET", "/calls"))]

    def forget(self) -> None:
        """Begin anew."""
        self._ask("DELETE", "/calls")

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait()
        self._leash.release(self.process)

    def _ask(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        finally:
            connection.close()


@dataclass(slots=True)
class _State:
    """Shared by all connections."""

    delay: float = DELAY
    latest: bytes = b""
    calls: list[list[float]] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    """One client's connection; requests come one after the other."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._buffer += data
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        if not blank or len(rest) < length:
            return
        self._buffer = rest[length:]
        method, path, _ = head.split(b" ", 2)
        if method == b"POST":
            serial = _SERIAL.search(rest[:length])
            call = [int(serial[1]) if serial else -1, now, 0.0]
            self._state.calls.append(call)
            self._state.latest = head + blank + rest[:length]
            self._loop.call_later(self._state.delay, self._accept, call)
        elif method == b"PUT":
            self._state.delay = float(urlsplit(path).query)
            self._answer(b"200 OK", b"")
        elif path == b"/count":
            self._answer(b"200 OK", str(len(self._state.calls)).encode())
        elif path == b"/latest":
            self._answer(b"200 OK", self._state.latest)
        else:
            self._answer(b"200 OK", json.dumps(self._state.calls).encode())
            if method == b"DELETE":
                self._state.calls.clear()

    def _accept(self, call: list[float]) -> None:
        call[2] = time.monotonic()
        self._answer(b"201 CREATED", _created(int(call[0])))

    def _answer(self, status: bytes, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(
                b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (status, len(body), body)
            )


def _created(serial: int) -> bytes:
    """What Twilio answers: twilio.com/docs/messaging/api/message-resource, "Create a Message"."""
    sid, account = f"SM{serial & (1 << 128) - 1:032x}", f"AC{'0' * 32}"
    path = f"/2010-04-01/Accounts/{account}/Messages/{sid}"
    return json.dumps(
        {
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": f"Message {serial}",
            "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
            "date_sent": None,
            "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": "+15005550006",
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "messaging_service_sid": None,
            "sid": sid,
            "status": "queued",
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": "+12025550123",
            "uri": f"{path}.json",
        }
    ).encode()


async def _serve(port: int) -> None:
    state = _State()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(state), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
