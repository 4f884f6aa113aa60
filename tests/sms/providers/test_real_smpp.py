"""A real SMSC: node-smpp as a server takes our messages, reads every field, and delivers to us."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.demo.leash import Leash
from config.demo.ports import free_port
from sms.errors import AccountFailure, OutcomeUnknown, TemporaryFailure
from sms.message import Receipt, State
from sms.segments import GSM_7, split
from tests.faults.stack import wait_for
from tests.sms.providers.contract import SMS
from tests.sms.providers.gateway import certify
from tests.sms.providers.smsc import bound, soon

SCRIPT = Path(__file__).with_name("smsc.js")


def has_node_smpp() -> bool:
    if not (node := shutil.which("node")):
        return False
    return not subprocess.run([node, "-e", "require('smpp')"], capture_output=True, check=False).returncode


pytestmark = pytest.mark.skipif(
    not has_node_smpp(), reason="needs node, and npm's smpp@0.5.1 where NODE_PATH says"
)


class Centre:
    """The process. ``said``: every PDU that came, as node-smpp has read it, and how it was answered."""

    def __init__(self, leash: Leash, *certificate: str) -> None:
        self.port = free_port()
        self.said: list[dict[str, Any]] = []
        argv = ["node", str(SCRIPT), str(self.port), *certificate]
        self.process = leash.spawn(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)
        threading.Thread(target=self._listen, daemon=True).start()
        soon(lambda: self.said)

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            self.said.append(json.loads(line))

    def of(self, command: str, count: int = 1) -> list[dict[str, Any]]:
        """All PDUs of that kind, once there are ``count``: node's output takes a while to come."""

        def told() -> list[dict[str, Any]]:
            return [pdu for pdu in list(self.said) if pdu.get("command") == command]

        soon(lambda: len(told()) >= count)
        return told()

    def deliver(self, **fields: Any) -> int:
        """The status of the answer."""
        before = len(self.answered())
        stdin = self.process.stdin
        assert stdin
        addresses = {"source_addr": "12025550123", "source_addr_ton": 1, "destination_addr": "73737"}
        stdin.write(json.dumps(addresses | fields).encode() + b"\n")
        stdin.flush()
        soon(lambda: len(self.answered()) > before)
        return self.answered()[-1]

    def answered(self) -> list[int]:
        return [line["answered"] for line in list(self.said) if "answered" in line]


@contextmanager
def running(*certificate: str) -> Iterator[Centre]:
    with Leash() as leash:
        yield Centre(leash, *certificate)


@pytest.fixture(scope="module")
def running_centre() -> Iterator[Centre]:
    with running() as found:
        yield found


@pytest.fixture
def centre(running_centre):
    del running_centre.said[:]
    return running_centre


@pytest.fixture
def provider(centre, heard):
    with bound(centre.port, "enquire=1", on_receipts=heard.extend, on_inbound=heard.extend) as found:
        found.open()
        centre.of("bind_transceiver")
        yield found


def test_a_message_arrives_and_is_reported(centre, provider, heard):
    id = provider.send(SMS)
    (bind,) = centre.of("bind_transceiver")
    expected = {"system_id": "tester", "password": "secret", "interface_version": 0x34}
    assert {name: bind[name] for name in expected} == expected
    (found,) = centre.of("submit_sm")
    expected = {
        "source_addr": "Otpost",
        "source_addr_ton": 5,
        "destination_addr": "12025550123",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "esm_class": 0,
        "registered_delivery": 1,
        "data_coding": 0,
        "short_message": {"message": SMS.body},
    }
    assert {name: found[name] for name in expected} == expected
    validity = datetime.fromisoformat(found["validity_period"])
    assert abs(validity - datetime.now(UTC) - timedelta(seconds=90)) < timedelta(seconds=10)
    assert centre.deliver(esm_class=4, short_message=f"id:{id} stat:DELIVRD err:000 text:Hello") == 0
    assert centre.deliver(esm_class=4, receipted_message_id=id, message_state=5) == 0
    assert heard == [
        Receipt("", State.DELIVERED, "DELIVRD", provider_message_id=id),
        Receipt("", State.FAILED, "UNDELIV", provider_message_id=id),
    ]


@pytest.mark.parametrize("text", ["".join(sorted(GSM_7)), "Код: 123456, ☎🙂", "\n\r\f", "ж" * 70])
def test_every_text_arrives(centre, provider, text):
    provider.send(replace(SMS, body=text))
    assert centre.of("submit_sm")[0]["short_message"] == {"message": text}


@pytest.mark.parametrize("text", ["a" * 152 + "€" + "a" * 152, "ж" * 66 + "😀" + "ж" * 66])
def test_a_long_text_arrives(centre, provider, text):
    assert provider.send(replace(SMS, body=text))
    found = [part["short_message"] for part in centre.of("submit_sm", 3)]
    assert [part["message"] for part in found] == split(text)
    heads = [part["udh"][0]["data"] for part in found]
    assert [(head[:2], head[3:]) for head in heads] == [([0, 3], [3, n]) for n in (1, 2, 3)]
    with bound(centre.port, "long=payload") as whole:
        whole.send(replace(SMS, body=text))
    assert centre.of("submit_sm", 4)[-1]["message_payload"] == {"message": text}


def test_refusals(centre):
    with bound(centre.port) as provider, pytest.raises(TemporaryFailure) as caught:
        provider.send(replace(SMS, to="+12025550199"))
    assert (caught.value.code, caught.value.retry_after) == ("0x58", 1.0)
    with bound(centre.port) as provider:
        provider._bind = provider._bind.replace(b"secret", b"wrong")
        with pytest.raises(AccountFailure):
            provider.send(SMS)


def parts(centre: Centre, count: int) -> list[int]:
    """The numbers of the parts that it was sent, in order, once there are ``count``."""
    return [pdu["short_message"]["udh"][0]["data"][4] for pdu in centre.of("submit_sm", count)]


def test_a_part_that_is_throttled_after_the_first_is_repeated(centre):
    text = "ж" * 67 * 3
    with bound(centre.port, "pause=0.1") as provider:
        assert provider.send(replace(SMS, to="+12025550197", body=text))
    assert parts(centre, 6) == [1, 2, 2, 3, 3, 3]


def test_a_part_that_stays_throttled_is_an_unknown_outcome(centre):
    """The phone has a first part, which a temporary failure would send once more."""
    with bound(centre.port, "pause=0.3") as provider, pytest.raises(OutcomeUnknown) as caught:
        provider.send(replace(SMS, to="+12025550198", body="a" * 161, expires_in=1.0))
    assert caught.value.code == "0x58"
    first, *others = parts(centre, 3)
    assert (first, {*others}) == (1, {2})
    assert 2 <= len(others) <= 4


def test_what_a_user_sends(centre, provider, heard):
    for text, coding in (("Stop, please é", 0), ("Стоп 🙂", 8)):
        assert centre.deliver(short_message=text, data_coding=coding) == 0
        assert (heard[-1].phone, heard[-1].sender, heard[-1].text) == ("+12025550123", "73737", text)


def test_what_is_not_taken_is_told(centre, provider):
    provider.on_receipts = lambda _: 1 / 0
    assert centre.deliver(esm_class=4, short_message="id:1 stat:DELIVRD") == 0x64


def test_it_is_asked_whether_it_is_there_and_left_in_good_order(centre, provider):
    centre.of("enquire_link")
    provider.close()
    centre.of("unbind")
    assert len(centre.of("bind_transceiver")) == 1


def test_over_tls(tmp_path, heard):
    certificate = certify(tmp_path / "certificate.pem")
    with (
        running(str(certificate)) as centre,
        bound(
            centre.port, f"ssl_ca_certs={certificate}", scheme="smpps", on_receipts=heard.extend
        ) as provider,
    ):
        id = provider.send(SMS)
        assert centre.deliver(esm_class=4, short_message=f"id:{id} stat:DELIVRD") == 0
        assert heard[0].provider_message_id == id


def test_it_dies_and_comes_back():
    with running() as centre, bound(centre.port) as provider:
        assert provider.send(SMS) == "node-1"
        centre.process.kill()
        centre.process.wait()
        with pytest.raises((TemporaryFailure, OutcomeUnknown)):
            provider.send(SMS)
        with Leash() as leash:
            leash.spawn(["node", str(SCRIPT), str(centre.port)], env=os.environ)
            assert wait_for(lambda: accepted(provider)) == "node-1"


def accepted(provider) -> str:
    with suppress(TemporaryFailure, OutcomeUnknown):
        return provider.send(SMS)
    return ""
