"""A real Kannel: bearerbox, smsbox and its fake SMSC take our requests and report back."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from config.demo.leash import Leash
from config.demo.ports import free_port
from sms.errors import AccountFailure, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.segments import GSM_7
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

group = sendsms-user
username = tester
password = secret-of-the-user
"""


class Kannel:
    """Both boxes, and the phone network behind them."""

    def __init__(self, directory: Path, leash: Leash) -> None:
        ports = {name: free_port() for name in ("admin", "smsbox", "smsc", "sendsms")}
        self.sendsms_port = ports["sendsms"]
        path = directory / "kannel.conf"
        path.write_text(CONFIGURATION.format(**ports))
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
        found.answer = lambda: response(204, "")
        yield found


def provider(kannel: Kannel, password: str = "secret-of-the-user"):
    return from_url(
        "main",
        f"kannel://tester:{password}@127.0.0.1:{kannel.sendsms_port}?from=Otpost"
        "&receipt_secret=secret-of-the-receipts",
    )


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


def test_a_wrong_password_is_told_from_a_wrong_number(kannel):
    with pytest.raises(AccountFailure):
        provider(kannel, "another").send(SMS)
