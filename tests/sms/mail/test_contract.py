"""E-mail by SMTP keeps the contract of every provider. test_smtp.py has its own features."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from hypothesis import strategies as st

from sms import registry
from sms.providers.base import Provider
from tests.sms.mail.servers import next_letter, well
from tests.sms.providers.gateway import Gateway, gateway
from tests.sms.providers.hand_off import SMS, HandOffContract


def read(connection: socket.socket, stream: Any) -> tuple[str, dict[str, str], bytes] | None:
    letter = next_letter(connection, stream)
    return None if letter is None else ("", {}, letter)


class TestEmail(HandOffContract):
    """The server answers once it has the whole mail."""

    url = "email://?from=codes@shop.example&timeout={timeout}"
    accepted = (250, "2.0.0 queued")
    refused_number = (550, f"5.1.1 <{SMS.email}> unknown")
    refused_credentials = (530, "5.7.0 log in first")
    throttled = (454, "4.7.0 Throttling failure: Maximum sending rate exceeded.")
    refusals: ClassVar = {
        "temporary": [
            (421, "4.3.2 going down"),
            (451, "4.3.0 queue file"),
            (452, "4.2.2 the mailbox is full"),
        ],
        "refused": [(552, "5.2.2 the mailbox is full"), (550, f"5.1.3 {SMS.email} is none")],
        "account": [(554, "5.7.1 looks like spam"), (550, "5.1.8 your domain"), (535, "5.7.8 who are you?")],
    }
    transport = "sms.mail.smtp"
    patience = 1.0  # for a whole conversation

    @pytest.fixture(autouse=True)
    def _settings(self, settings):
        self.settings, self.ca = settings, ""

    @pytest.fixture
    def gateway(self) -> Iterator[Gateway]:
        with gateway(well("greeting"), read) as found:
            yield found

    def provider(self, base_url: str, timeout: float = 5.0) -> Provider:
        """As a project has it: its mailer says where the server is."""
        parts = urlsplit(base_url)
        where = {"host": parts.hostname, "port": parts.port, "use_ssl": parts.scheme == "https"}
        self.settings.MAILERS = {"default": {"OPTIONS": where}}
        self.settings.SMS_PROVIDERS = {"main": self.url.format(timeout=timeout) + self.ca}
        return registry.providers()["main"]

    def written(self, status: int, body: str | bytes, **headers: str) -> bytes:
        content = body.encode() if isinstance(body, str) else body
        return b"%d %s\r\n" % (status, content)

    def is_accepted(self, id: str) -> bool:
        """It is known by its Message-ID, which no server tells."""
        return f".{SMS.id}@" in id

    def malformed(self) -> Iterable[bytes]:
        for text in (b"", b"{", b"2", b"\x00\xff", b"299 odd", b"HTTP/1.1 200 OK", b"354 go on"):
            yield text + b"\r\n"

    def odd_answers(self) -> st.SearchStrategy[bytes]:
        text = st.binary(max_size=50).map(lambda text: text.replace(b"\n", b""))
        statuses = st.sampled_from([b"250", b"251", b"299", b"354", b"421", b"451", b"550", b"554", b"999"])
        return st.builds(lambda status, text: b"%s %s\r\n" % (status, text), statuses, text)

    def trust(self, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ca = f"&ssl_ca_certs={certificate}"

    def break_tls(self, certificate: Path) -> Callable[[socket.socket], None]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

        def serve(connection: socket.socket) -> None:
            wrapped = context.wrap_socket(connection, server_side=True)
            wrapped.sendall(well("greeting"))
            next_letter(wrapped, wrapped.makefile("rb"))
            with socket.socket(fileno=wrapped.detach()) as bare:
                bare.sendall(b"502 the proxy in front speaks\r\n")

        return serve
