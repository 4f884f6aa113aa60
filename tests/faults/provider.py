"""A provider that speaks Twilio's wire format, or Telnyx's, and behaves as told; it remembers every call."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO, ClassVar, Literal
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.demo.ports import free_port
from tests.faults.receipts import Postman
from tests.sms.providers.gateway import form, read_request, response

#: Its behaviour at a call. From "hang" on it takes the message, but its answer does not arrive.
Mood = Literal["well", "error", "throttle", "refuse", "hang", "reset", "garbage", "drip"]

#: Seconds that a call takes when all is well, and on a slow day.
USUAL, SLOW = 0.05, 0.5

#: Seconds after which a caller shall not wait for an answer any more.
PATIENCE = 2

#: Bytes that no HTTP client can read, and HTTP that is not Twilio's.
GARBAGE = (b"\x00\xff\x13 ouch \r\n\r\n", response(200, "<html>It works!</html>"))


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``taken``: the message is in the provider's hands. Times are of ``time.monotonic``:
    ``begun`` when the request was here, ``at`` when it was decided, just before the answer.
    """

    begun: float
    at: float
    alias: str
    to: str
    body: str
    reference: str
    mood: Mood
    taken: bool


class ScriptedProvider:
    """Listens on loopback as ``alias``. ``calls`` is shared: who had a message first stands first."""

    #: Its answer to a call that it does not take, by its mood.
    refusals: ClassVar[Mapping[Mood, bytes]] = {
        "error": response(500, '{"code": 20500}'),
        "throttle": response(429, '{"code": 20429}', Retry_After="2"),
    }
    garbage: ClassVar[Sequence[bytes]] = GARBAGE

    def __init__(self, alias: str, calls: list[Call], postman: Postman) -> None:
        self.alias, self.calls = alias, calls
        self.mood: Mood = "well"
        self.answers_after = USUAL
        self.longest_held = 0.0  # seconds that a caller waited for the end of an answer
        self._postman = postman
        self._token = f"token-of-{alias}"
        self._port = free_port()
        self._sids = count(1)
        self.in_hand: set[socket.socket] = set()  # connections on which a call runs
        self._waiting: set[socket.socket] = set()  # kept connections on which none does
        self._listen()

    @property
    def environment(self) -> dict[str, str]:
        """Settings that its URL needs besides."""
        return {}

    @property
    def url(self) -> str:
        """For SMS_PROVIDERS."""
        base = f"http://127.0.0.1:{self._port}"
        options = f"from=%2B15005550006&timeout={PATIENCE}&base_url={base}"
        return f"twilio://AC{self.alias}:{self._token}@?{options}"

    @property
    def idle(self) -> bool:
        """Whether it has no report to make itself; the postman makes its reports."""
        return True

    def turn(self, mood: Mood) -> None:
        """Behave like this from now on; ends what hangs or drips."""
        before, self.mood = self.mood, mood
        if mood == "refuse":
            self.close()
        elif before == "refuse":
            self._listen()

    def close(self) -> None:
        """Take no connection any more; calls under way are answered."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._waiting):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            self._greet(connection)
            while True:
                self._waiting.add(connection)
                try:
                    request = self._read(connection, stream)
                finally:
                    self._waiting.discard(connection)
                if request is None:
                    return
                self.in_hand.add(connection)
                try:
                    if not self._take(connection, *request[1:]):
                        return
                finally:
                    self.in_hand.discard(connection)

    def _greet(self, connection: socket.socket) -> None:
        """Send nothing: in HTTP, the client speaks first."""

    def _read(self, connection: socket.socket, stream: BinaryIO) -> tuple[str, dict[str, str], bytes] | None:
        """Path, headers and body of the next request; None if the client went away before its end."""
        return read_request(stream)

    def _take(self, connection: socket.socket, headers: dict[str, str], body: bytes) -> bool:
        """Answer one request; whether the connection is kept."""
        return self._answer(connection, form(body))

    def _report(self, callback: str, sid: str) -> None:
        self._postman.report(callback, sid, self._token)

    def _accepted(self, sid: str) -> bytes:
        return response(201, f'{{"sid": "{sid}"}}')

    def _answer(self, connection: socket.socket, fields: dict[str, str]) -> bool:
        """Whether the connection is kept."""
        mood: Mood = "well" if self.mood == "refuse" else self.mood
        begun = time.monotonic()
        if mood == "well":
            time.sleep(self.answers_after)
        callback = fields.get("StatusCallback", "")
        self.calls.append(
            Call(
                begun,
                time.monotonic(),
                self.alias,
                fields["To"],
                fields["Body"],
                callback.rpartition("=")[2],
                mood,
                taken=mood not in self.refusals,
            )
        )
        number = next(self._sids)
        sid = f"SM{self.alias}{number}"
        accepted = self._accepted(sid)
        if mood == "well":
            self._report(callback, sid)
            connection.sendall(accepted)
        elif mood in self.refusals:
            connection.sendall(self.refusals[mood])
        else:
            self._spoil(connection, mood, accepted, number)
        # A call that was under way when it began to refuse must not keep its connection in use.
        return mood in ("well", *self.refusals) and self.mood != "refuse"

    def _spoil(self, connection: socket.socket, mood: Mood, accepted: bytes, number: int) -> None:
        """The message is taken; its answer never arrives whole."""
        if mood == "garbage":
            connection.sendall(self.garbage[number % len(self.garbage)])
        elif mood == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self._hold(connection, mood, accepted)

    def _hold(self, connection: socket.socket, mood: Mood, accepted: bytes) -> None:
        """Keep the caller waiting until it hangs up, or the mood changes."""
        begun = time.monotonic()
        connection.settimeout(1)
        try:
            for byte in accepted:
                if mood == "drip":
                    connection.sendall(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    if self.mood != mood or connection.recv(1) == b"":
                        return
        finally:
            self.longest_held = max(self.longest_held, time.monotonic() - begun)


class DeduplicatingProvider(ScriptedProvider):
    """The same for a vendor that de-duplicates: it takes a message once per key, and repeats its answer."""

    def __init__(self, alias: str, calls: list[Call], postman: Postman) -> None:
        self._taken: dict[str, bytes] = {}  # its answers by key
        super().__init__(alias, calls, postman)

    @property
    def url(self) -> str:
        """Its callback URL identifies a message here, but it never reports."""
        key = quote(base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()), safe="")
        base = f"http://127.0.0.1:{self._port}"
        options = f"from=%2B15005550006&timeout={PATIENCE}&public_key={key}&base_url={base}"
        return f"telnyx://:{self._token}@?{options}"

    def _take(self, connection: socket.socket, headers: dict[str, str], body: bytes) -> bool:
        key, message = headers["idempotency-key"], json.loads(body)
        if answer := self._taken.get(key):
            connection.sendall(answer)
            return True
        if self.mood not in self.refusals:
            self._taken[key] = self._accepted(f"telnyx-{len(self._taken)}")
        fields = {"To": message["to"], "Body": message["text"], "StatusCallback": message["webhook_url"]}
        return self._answer(connection, fields)

    def _report(self, callback: str, sid: str) -> None:
        """Nothing: it would sign in another way than the postman does."""

    def _accepted(self, sid: str) -> bytes:
        return response(200, json.dumps({"data": {"id": sid}}))
