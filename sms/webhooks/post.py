"""Post an event to a receiver: signed, over a verified connection, without redirects."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from pydantic_core import to_json
from urllib3.util import wait_for_read

from sms.providers.exchange import Place, Until, place_of, written
from sms.providers.tls import trusting
from sms.webhooks.addresses import LONGEST_CONNECT, Refused, connect, left
from sms.webhooks.endpoints import Endpoint

log = structlog.get_logger("sms")

#: Seconds for the request and the whole answer, in addition to LONGEST_CONNECT.
TIMEOUT = 15.0

#: Bytes of an answer's body that are read, so that the connection can be reused.
MOST_READ = 4096

#: Our words for errors. The first class that fits counts.
_WORDS: dict[type[Exception], str] = {
    Refused: "address_refused",
    TimeoutError: "timeout",
    ssl.SSLError: "tls",
    socket.gaierror: "name_unknown",
    OSError: "connection",
    http.client.HTTPException: "connection",
}


def sign(secrets: tuple[bytes, ...], id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``, with a signature for each secret."""
    signed = f"{id}.{timestamp}.".encode() + body
    made = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return " ".join(f"v1,{signature}" for signature in made)


def body_of(event: Mapping[str, Any]) -> bytes:
    """The body for an event, the same at each try."""
    at = datetime.fromtimestamp(event["at"] / 1000, UTC).isoformat(timespec="milliseconds")
    timestamp = at.replace("+00:00", "Z")
    return to_json({"type": event["type"], "timestamp": timestamp, "data": event["data"]})


class Caller:
    """Calls one endpoint over a connection that it keeps. Belongs to one thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.place = place_of(endpoint.url)
        self._connection: socket.socket | None = None

    def post(self, event: Mapping[str, Any]) -> str:
        """Post an event. Returns "" if the receiver accepted it, else a status or a word for the error."""
        body, now = body_of(event), int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Otpost",
            "webhook-id": event["id"],
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self.endpoint.secrets, event["id"], now, body),
        }
        try:
            status = self._exchange(written("POST", self.place, body, headers))
        except Exception as error:  # any exception is a failed try, or the event would repeat forever
            return self._word(error)
        return "" if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES else f"status_{status}"

    def _word(self, error: Exception) -> str:
        for kind, word in _WORDS.items():
            if isinstance(error, kind):
                return word
        log.error("event_not_sent", endpoint=self.endpoint.name, error=type(error).__name__)
        return "failed"

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _exchange(self, request: bytes) -> int:
        connection = self._kept() or _opened(self.place, self.endpoint)
        self._connection = connection
        try:
            connection.settimeout(TIMEOUT)
            reader = Until(connection, TIMEOUT)
            connection.sendall(request)
            answer = http.client.HTTPResponse(reader, method="POST")  # type: ignore[arg-type]
            answer.begin()
            answer.read(MOST_READ)
            stays_open = answer.isclosed() and not answer.will_close and not reader.has_more()
        except BaseException:
            self.close()
            raise
        if not stays_open:
            self.close()
        return answer.status

    def _kept(self) -> socket.socket | None:
        """The connection of the last call, unless the receiver has closed it since."""
        if self._connection and wait_for_read(self._connection, timeout=0.0):
            self.close()
        return self._connection


def _opened(place: Place, endpoint: Endpoint) -> socket.socket:
    until = time.monotonic() + LONGEST_CONNECT
    connection = connect(place.host, place.port, endpoint.allow, until)
    try:
        if place.scheme == "https":
            context = trusting(endpoint.ssl_ca_certs)
            connection.settimeout(left(until))  # for the whole handshake, even if bytes drip in
            connection = context.wrap_socket(connection, server_hostname=place.host)
        left(until)
    except BaseException:
        connection.close()
        raise
    return connection
