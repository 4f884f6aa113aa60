"""Deliveries of an SMSC over the connection: receipts, and what users send."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sms.errors import (
    ReceiptRejected,
)
from sms.message import Inbound, Receipt, State
from sms.providers import smpp_link
from tests.sms.providers.contract import SMS
from tests.sms.providers.smsc import (
    BIND_TRANSCEIVER,
    DELIVER_SM,
    RESPONSE,
    UNBIND,
    Connection,
    bound,
    deliver,
    deliver_sm,
    pdu,
    soon,
    tlv,
)

#: Appendix B of the specification, and how others write it.
RECEIPTS = {
    b"id:id-1 sub:001 dlvrd:001 submit date:2611271200 done date:2611271201 stat:DELIVRD err:000 text:Hi": (
        State.DELIVERED,
        "DELIVRD",
        "",
    ),
    b"id:id-1 sub:001 dlvrd:000 submit date:2611271200 done date:2611271201 stat:UNDELIV err:045 Text:x": (
        State.FAILED,
        "UNDELIV",
        "45",
    ),
    b"id:id-1 stat:UNDELIV err:100": (State.FAILED, "UNDELIV", "100"),
    b"id: id-1 submitdate:261127 donedate:261127 stat:EXPIRED err:5a text:": (State.FAILED, "EXPIRED", "5a"),
    b"id:id-1 stat:DELETED": (State.FAILED, "DELETED", ""),
    b"id:id-1 stat:REJECTD": (State.FAILED, "REJECTD", ""),
    b"id:id-1 stat:ACCEPTD": (State.SENT, "ACCEPTD", ""),
    b"id:id-1 stat:ENROUTE": (State.SENT, "ENROUTE", ""),
    b"ID:id-1 STAT:delivrd": (State.DELIVERED, "DELIVRD", ""),
    b"id:id-1 stat:UNKNOWN": (State.UNKNOWN, "UNKNOWN", ""),
    b"id:id-1 stat:TELEPOR": (State.UNKNOWN, "TELEPOR", ""),
    b"id:id-1": (State.UNKNOWN, "", ""),
    b"id:id-1 stat:DELIVRD text:id:id-2 stat:UNDELIV err:9": (State.DELIVERED, "DELIVRD", ""),
}


@pytest.mark.parametrize(("text", "meaning"), RECEIPTS.items())
def test_receipts_in_words(centre, listening, heard, text, meaning):
    assert deliver(centre, text) == 0
    state, raw, error = meaning
    assert heard == [Receipt("", state, raw, provider_message_id="id-1", error=error)]


STATES = {
    1: (State.SENT, "ENROUTE"),
    2: (State.DELIVERED, "DELIVRD"),
    3: (State.FAILED, "EXPIRED"),
    4: (State.FAILED, "DELETED"),
    5: (State.FAILED, "UNDELIV"),
    6: (State.SENT, "ACCEPTD"),
    7: (State.UNKNOWN, "UNKNOWN"),
    8: (State.FAILED, "REJECTD"),
    0: (State.UNKNOWN, ""),
    99: (State.UNKNOWN, ""),
}


@pytest.mark.parametrize(("number", "meaning"), STATES.items())
def test_receipts_in_optional_parameters(centre, listening, heard, number, meaning):
    optional = tlv(0x001E, b"id-1\0") + tlv(0x0427, bytes([number])) + tlv(0x0423, b"\x03\x01\x02")
    assert deliver(centre, optional=optional) == 0
    state, word = meaning
    assert heard == [Receipt("", state, word, provider_message_id="id-1", error="258")]


def test_optional_parameters_go_before_words(centre, listening, heard):
    optional = tlv(0x001E, b"id-1\0") + tlv(0x0427, b"\2") + tlv(0x1400, b"the vendor's own")
    assert deliver(centre, b"id:another stat:UNDELIV", optional=optional) == 0
    assert heard == [Receipt("", State.DELIVERED, "DELIVRD", provider_message_id="id-1")]


def test_a_receipt_in_message_payload(centre, listening, heard):
    assert deliver(centre, optional=tlv(0x0424, b"id:id_1 stat:DELIVRD")) == 0
    assert heard == [Receipt("", State.DELIVERED, "DELIVRD", provider_message_id="id_1")]


def test_what_follows_a_bind_comes_after_its_answer(centre, heard, monkeypatch):
    """However long our own SMSC takes for that, with which all these tests talk."""
    answer = Connection.answer

    def late(connection, *given):
        time.sleep(0.1)
        answer(connection, *given)

    monkeypatch.setattr(Connection, "answer", late)
    with bound(centre.port, on_receipts=heard.extend) as provider:
        provider.open()
        soon(lambda: centre.of(BIND_TRANSCEIVER))
        assert deliver(centre, b"id:id-1 stat:DELIVRD") == 0


def test_a_notification_of_an_attempt_is_a_receipt(centre, listening, heard):
    assert deliver(centre, b"id:id-1 stat:ENROUTE", kind=0x20) == 0
    assert heard[0].state is State.SENT


@pytest.mark.parametrize(
    ("bases", "answered", "told", "known"),
    [
        ("hex decimal", b"BC614E", b"id:0012345678", "12345678"),
        ("hex decimal", b"00bc614e", b"id:12345678", "12345678"),
        ("decimal hex", b"12345678", b"id:BC614E", "12345678"),
        ("decimal decimal", b"12345678", b"id:0000012345678", "12345678"),
        ("hex decimal", b"no-number", b"id:no-number", "no-number"),
        ("decimal decimal", b"1_0", b"id:1_0", "1_0"),
        ("", b"00BC614E", b"id:00BC614E", "00BC614E"),
    ],
)
def test_ids_in_hex_and_decimal(centre, bases, answered, told, known):
    """Told by the answer, the words of a receipt, and its parameter, which is written as in the answer."""
    centre.on_submit = lambda connection, request: connection.answer(request, 0, answered + b"\0")
    heard: list[Receipt] = []
    query = "answer_ids={}&receipt_ids={}".format(*bases.split()) if bases else ""
    with bound(centre.port, query, on_receipts=heard.extend) as provider:
        assert provider.send(SMS) == known
        deliver(centre, told + b" stat:DELIVRD")
        deliver(centre, optional=tlv(0x001E, answered + b"\0"))
    assert [receipt.provider_message_id for receipt in heard] == [known, known]


@pytest.mark.parametrize(
    "body",
    [
        deliver_sm(b"stat:DELIVRD err:000"),
        deliver_sm(b"text:id:id-1 stat:DELIVRD"),
        deliver_sm(b"", optional=tlv(0x001E, b"\0")),
        deliver_sm(b"id:id-1")[:-1],
        deliver_sm(b"id:id-1", optional=b"\x04\x24\xff\xff"),
        deliver_sm(b"id:id-1", optional=b"\x04"),
        b"x",
    ],
)
def test_a_receipt_that_cannot_be_read(centre, listening, heard, body):
    """Asking for it again would not help."""
    assert deliver(centre, body=body) == 0x65
    assert heard == []
    assert deliver(centre, b"id:id-1 stat:DELIVRD") == 0


def test_what_is_not_taken_stays_with_the_smsc(centre, listening, heard):
    def refuse(_: object) -> None:
        raise RuntimeError("Redis is away")

    listening.on_receipts = listening.on_inbound = refuse
    assert deliver(centre, b"id:id-1 stat:DELIVRD") == 0x64
    assert deliver(centre, b"STOP", kind=0) == 0x64
    listening.on_receipts = heard.extend
    assert deliver(centre, b"id:id-1 stat:DELIVRD") == 0


def test_what_nobody_listens_to_stays_with_the_smsc(centre, heard):
    with bound(centre.port, on_inbound=heard.extend) as provider:
        provider.open()
        soon(lambda: centre.of(BIND_TRANSCEIVER))
        assert deliver(centre, b"id:id-1 stat:DELIVRD") == 0x64
        assert deliver(centre, b"STOP", kind=0) == 0
        provider.send(SMS)
    assert [found.registered for found in centre.submitted()] == [0]


def test_a_receipt_is_answered_only_when_it_is_taken(centre, listening):
    """Until then a worker that is killed loses nothing; and meanwhile messages go on."""
    begun, go_on = threading.Event(), threading.Event()
    listening.on_receipts = lambda _: (begun.set(), go_on.wait(5))
    centre.connections[0].write(pdu(DELIVER_SM, 0, 9, deliver_sm(b"id:id-1 stat:DELIVRD")))
    assert begun.wait(5)
    assert [listening.send(SMS) for _ in range(10)]
    assert not centre.of(DELIVER_SM | RESPONSE)
    go_on.set()
    soon(lambda: centre.of(DELIVER_SM | RESPONSE))


def test_closing_ends_what_was_begun(centre, listening):
    begun = threading.Event()
    listening.on_receipts = lambda _: (begun.set(), time.sleep(0.3))
    centre.connections[0].write(pdu(DELIVER_SM, 0, 9, deliver_sm(b"id:id-1 stat:DELIVRD")))
    assert begun.wait(5)
    listening.close()
    assert [found.command for found in centre.heard][-2:] == [DELIVER_SM | RESPONSE, UNBIND]


def test_more_than_can_be_taken_in(centre, listening, monkeypatch):
    """The waiting line is limited. The SMSC keeps the rest."""
    monkeypatch.setattr(smpp_link, "LONGEST_QUEUE", 10)
    go_on = threading.Event()
    listening.on_receipts = lambda _: go_on.wait(5)
    body = deliver_sm(b"id:id-1 stat:DELIVRD")
    centre.connections[0].write(b"".join(pdu(DELIVER_SM, 0, n, body) for n in range(1, 101)))
    soon(lambda: len(centre.of(DELIVER_SM | RESPONSE)) >= 89)
    assert {found.status for found in centre.of(DELIVER_SM | RESPONSE)} == {0x14}
    go_on.set()
    soon(lambda: len(centre.of(DELIVER_SM | RESPONSE)) == 100)


def test_whatever_is_delivered(centre, listening):
    """It is answered, and the connection stays."""
    optional = st.lists(
        st.builds(tlv, st.sampled_from([0x1E, 0x427, 0x423, 0x424, 0x1400]), st.binary(max_size=9)),
        max_size=3,
    )
    bodies = st.builds(
        partial(deliver_sm, source=b"\0\0x\0"),
        st.binary(max_size=60) | st.sampled_from([b"id:" + b"9" * 200, b"id:\xff stat:\0", b"id:1 err:00"]),
        kind=st.integers(0, 255),
        coding=st.integers(0, 255),
        optional=optional.map(b"".join),
    )

    @settings(max_examples=150)
    @given(body=bodies | st.binary(min_size=1, max_size=60))
    def take(body):
        assert deliver(centre, body=body) in (0, 0x65)

    take()
    assert len(centre.connections) == 1


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ((0, b"Stop \x00\x1be\x1b"), "Stop @€\x1b"),
        ((0, b"\x1ba\xff"), "a\ufffd"),
        ((1, b"Stop@\xff"), "Stop@\ufffd"),
        ((3, "Stop é".encode("latin-1")), "Stop é"),
        ((8, "Стоп 🙂".encode("utf-16-be")), "Стоп 🙂"),
        ((8, b"\0S\xd8"), "S\ufffd"),
        ((4, b"\x80"), "\x80"),
    ],
)
def test_what_a_user_sends(centre, listening, heard, sent, text):
    coding, content = sent
    assert deliver(centre, content, kind=0, coding=coding) == 0
    (found,) = heard
    assert isinstance(found, Inbound)
    assert (found.phone, found.sender, found.text) == ("+12025550123", "73737", text)
    assert text not in repr(found)
    assert found.phone not in repr(found)


def test_what_a_user_sends_twice_is_two_messages(centre, listening, heard):
    for _ in range(2):
        deliver(centre, b"YES", kind=0)
    assert heard[0].id != heard[1].id


def test_a_part_of_what_a_user_sends(centre, listening, heard):
    """Its header is not text, in the message or in the payload."""
    deliver(centre, b"\x05\0\3\7\2\1Stop", kind=0x40)
    deliver(centre, kind=0x40, optional=tlv(0x0424, b"\x05\0\3\7\2\2now"))
    deliver(centre, b"\xff\0\3", kind=0x40)
    assert [found.text for found in heard] == ["Stop", "now", ""]


def test_a_user_cannot_write_a_receipt(centre, listening, heard):
    """The SMSC marks its kind by esm_class, not by the text."""
    assert deliver(centre, b"id:id-1 stat:DELIVRD", kind=0) == 0
    assert isinstance(heard[0], Inbound)


@pytest.mark.parametrize(
    ("address", "phone"),
    [
        (b"\1\x0112025550123\0", "+12025550123"),
        (b"\0\x0012025550123\0", "+12025550123"),
        (b"\0\x00+12025550123\0", "+12025550123"),
        (b"\2\x01+12025550123\0", "+12025550123"),
        (b"\2\x0109121234567\0", "09121234567"),
        (b"\0\x0073737\0", "73737"),
        (b"\5\x00Shop\0", "Shop"),
    ],
)
def test_who_has_sent_it(centre, listening, heard, address, phone):
    deliver(centre, b"STOP", kind=0, source=address, destination=address)
    assert (heard[0].phone, heard[0].sender) == (phone, phone)


def test_nothing_comes_over_http(provider):
    for call in (
        lambda: provider.check_head({}, "https://a.example"),
        lambda: provider.parse_receipts({}, b"id:1 stat:DELIVRD", "https://a.example"),
        lambda: provider.parse_inbound({}, b"", "https://a.example"),
    ):
        with pytest.raises(ReceiptRejected):
            call()
