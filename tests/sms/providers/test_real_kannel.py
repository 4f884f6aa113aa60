"""A real Kannel: bearerbox, smsbox and its fake SMSC take our requests and report back."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote_to_bytes
from wsgiref.simple_server import make_server

import pytest
from django.core.wsgi import get_wsgi_application

from config.demo.leash import Leash
from config.demo.ports import free_port
from sms import optouts, services, signals
from sms.errors import AccountFailure, OptedOut, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.providers.kannel import KannelProvider
from sms.segments import GSM_7, count
from tests.faults.stack import wait_for
from tests.sms.providers.contract import SMS
from tests.sms.providers.gateway import Gateway, gateway, response

PATH = f"{os.environ['PATH']}:/usr/sbin"
PROGRAMS = [shutil.which(name, path=PATH) for name in ("bearerbox", "smsbox")]

pytestmark = pytest.mark.skipif(None in PROGRAMS, reason="needs Debian's package kannel")

CONFIGURATION = """
group = core
admin-port = {admin}
admin-interface = "127.0.0.1"
admin-password = unused
smsbox-port = {smsbox}
smsbox-interface = "127.0.0.1"
box-allow-ip = "127.0.0.1"
dlr-storage = internal

group = smsc
smsc = fake
smsc-id = phone
host = 127.0.0.1
port = {smsc}
connect-allow-ip = "127.0.0.1"

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = "127.0.0.1"
http-request-retry = 100
http-queue-delay = 1

group = sendsms-user
username = tester
password = secret-of-the-user
concatenation = true
max-messages = 50

group = sms-service
keyword = default
post-url = "{inbound}"
send-sender = true
max-messages = 0
"""


class Kannel:
    """Both boxes, and the phone network behind them."""

    def __init__(self, directory: Path, leash: Leash) -> None:
        ports = {name: free_port() for name in ("admin", "smsbox", "smsc", "sendsms", "web")}
        self.sendsms_port, self.web_port = ports["sendsms"], ports["web"]
        path = directory / "kannel.conf"
        inbound = provider(self).panel_address(f"http://127.0.0.1:{self.web_port}/v1/inbound/main")
        path.write_text(CONFIGURATION.format(**ports, inbound=inbound))
        for program, port in zip(PROGRAMS, (ports["smsc"], ports["sendsms"]), strict=True):
            with (directory / f"{Path(str(program)).name}.log").open("wb") as log:
                leash.spawn([str(program), str(path)], stdout=log, stderr=log, cwd=directory)
            connection = wait_for(partial(self._connect, port))
            if port == ports["smsc"]:
                self.network = connection
            else:
                connection.close()

    @staticmethod
    def _connect(port: int) -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            return None

    def delivered(self, end: bytes) -> bytes:
        """The next message that reaches the network, as the fake SMSC's protocol writes it."""
        text = b""
        while not text.endswith(end + b"\n"):
            more = self.network.recv(4096)
            assert more, text
            text += more
        return text


@pytest.fixture(scope="module")
def kannel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kannel]:
    with Leash() as leash:
        found = Kannel(tmp_path_factory.mktemp("kannel"), leash)
        yield found
        found.network.close()


@pytest.fixture
def web() -> Iterator[Gateway]:
    """Takes Kannel's reports."""
    with gateway() as found:
        found.answer = lambda: response(200, KannelProvider.receipt_reply.body)
        yield found


@contextmanager
def our_web(port: int) -> Iterator[None]:
    """A web process, as far as Kannel can tell."""
    with make_server("127.0.0.1", port, get_wsgi_application()) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield
        finally:
            server.shutdown()
            serving.join()


def provider_url(kannel: Kannel, password: str = "secret-of-the-user") -> str:
    return (
        f"kannel://tester:{password}@127.0.0.1:{kannel.sendsms_port}?from=Otpost"
        "&receipt_secret=secret-of-the-receipts"
    )


def provider(kannel: Kannel, password: str = "secret-of-the-user") -> KannelProvider:
    found = from_url("main", provider_url(kannel, password))
    assert isinstance(found, KannelProvider)
    return found


def test_a_message_arrives_and_is_reported(kannel, web):
    main = provider(kannel)
    callback_url = f"{web.url}/v1/receipts/m%C3%A4in?reference=ref-1"
    main.send(replace(SMS, callback_url=callback_url))
    assert kannel.delivered(b"#123456") == f"Otpost {SMS.to} text {SMS.body}\n".encode()
    wait_for(lambda: len(web.requests) == 2)
    urls = [web.url + path for path, _, _ in web.requests]
    states = {receipt.state for url in urls for receipt in main.parse_receipts({}, b"", url)}
    assert states == {State.SENT, State.DELIVERED}
    assert all(url.startswith(callback_url) for url in urls)
    with pytest.raises(ReceiptRejected):
        main.parse_receipts({}, b"", urls[0].replace("ref-1", "ref-2"))


def test_every_character_of_gsm_arrives(kannel):
    text = "".join(sorted(GSM_7)) + "end"
    provider(kannel).send(replace(SMS, body=text, callback_url=""))
    assert kannel.delivered(b"end") == f"Otpost {SMS.to} text {text}\n".encode()


def test_another_character_goes_as_ucs_2(kannel):
    text = "Код: 123456, ☎🙂end"
    provider(kannel).send(replace(SMS, body=text, callback_url=""))
    head, _, found = kannel.delivered(b"%00e%00n%00d").partition(b" ucs-2 ")
    assert head == f"Otpost {SMS.to}".encode()
    assert unquote_to_bytes(found.rstrip(b"\n").replace(b"+", b" ")).decode("utf-16-be") == text


@pytest.mark.parametrize("text", ["a" * 152 + "€" + "a" * 148 + "end", "ж" * 70 + "end"])
def test_a_long_text_arrives_in_as_many_parts_as_are_counted(kannel, text):
    provider(kannel).send(replace(SMS, body=text, callback_url=""))
    end = b"end" if GSM_7.issuperset(text) else b"%00e%00n%00d"
    assert kannel.delivered(end).count(b" udh %05%00%03") == count(text) == 2


def test_a_stop_ends_on_the_opt_out_list(kannel, settings):
    """It is not lost where we do not answer at first, is told once, and the user gets no SMS for it."""
    heard = []

    def hear(message, **_):
        heard.append((message.word, message.phone, message.sender))

    settings.SMS_PROVIDERS = {"main": provider_url(kannel)}
    settings.PUBLIC_URL = ""
    with socket.create_server(("127.0.0.1", kannel.web_port)) as dying:
        kannel.network.sendall(f"{SMS.to} Otpost text Stop!\n".encode())
        dying.accept()[0].close()
    signals.message_received.connect(hear)
    try:
        with our_web(kannel.web_port):
            wait_for(lambda: optouts.counts() == {"main": (1, 0)})
            with pytest.raises(OptedOut):
                services.send(SMS.to, "Your parcel is here.")
            time.sleep(1.5)  # http-queue-delay, and a bit
            kannel.network.sendall(f"{SMS.to} Otpost text start\n".encode())
            wait_for(lambda: optouts.counts() == {})
    finally:
        signals.message_received.disconnect(hear)
    assert heard == [(word, SMS.to, "Otpost") for word in ("stop", "start")]
    provider(kannel).send(replace(SMS, callback_url=""))
    assert kannel.delivered(b"#123456") == f"Otpost {SMS.to} text {SMS.body}\n".encode()


def test_a_wrong_password_is_told_from_a_wrong_number(kannel):
    with pytest.raises(AccountFailure):
        provider(kannel, "another").send(SMS)
