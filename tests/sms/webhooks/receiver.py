"""A receiver of events on loopback, which believes only what the ``standardwebhooks`` package does."""

from __future__ import annotations

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhro="


class Got(NamedTuple):
    """One call that was signed rightly."""

    id: str
    type: str
    data: dict[str, Any]
    raw: bytes  # head and body as they came
    at: float
    status: int  # of the answer


class Receiver:
    """``answers``: statuses of the next calls, then ``status``. While ``hangs`` is set it does not answer;
    with ``forgets`` what it held then is lost.
    """

    def __init__(self, secret: str = SECRET, context: ssl.SSLContext | None = None) -> None:
        self.secret, self.status = secret, 204
        self.answers: list[int] = []
        self.head: dict[str, str] = {}
        self.body = b""
        self.hangs, self.forgets = threading.Event(), False
        self.got: list[Got] = []
        self.forged: list[bytes] = []
        self.connections = self.in_hand = self.most_in_hand = 0
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                receiver.connections += 1

            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 200

            def handle_error(self, *_: Any) -> None:  # whoever hung up
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "https" if context else "http"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, *options: str, host: str = "127.0.0.1") -> str:
        allowed = "&allow=http&allow=loopback" if self.scheme == "http" else "&allow=loopback"
        more = "".join(f"&{option}" for option in options)
        return f"{self.scheme}://{host}:{self.port}/hook?site=1#secret={self.secret}{allowed}{more}"

    def take(self, call: BaseHTTPRequestHandler) -> None:
        body = call.rfile.read(int(call.headers["Content-Length"]))
        raw = call.requestline.encode() + b"\n" + str(call.headers).encode() + body
        with self._lock:
            self.in_hand += 1
            self.most_in_hand = max(self.most_in_hand, self.in_hand)
        try:
            held = self.hangs.is_set()
            while self.hangs.is_set():
                time.sleep(0.02)
            if held and self.forgets:
                call.close_connection = True
                return
            try:
                Webhook(self.secret).verify(body, dict(call.headers))
            except Exception:
                self.forged.append(raw)
                raise
            with self._lock:
                status = self.answers.pop(0) if self.answers else self.status
            event = json.loads(body)
            got = Got(call.headers["webhook-id"], event["type"], event["data"], raw, time.time(), status)
            self.got.append(got)
            call.send_response(status)
            for name, value in {"Content-Length": str(len(self.body)), **self.head}.items():
                call.send_header(name, value)
            call.end_headers()
            call.wfile.write(self.body)
        finally:
            with self._lock:
                self.in_hand -= 1

    def types(self) -> list[str]:
        return [got.type for got in self.got]

    def close(self) -> None:
        self.hangs.clear()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
