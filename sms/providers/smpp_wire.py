"""Encode and decode the PDUs of SMPP 3.4, its requests and answers. No sockets here.

Numbers in brackets are sections of the SMPP Protocol Specification v3.4 issue 1.2 (smpp.org). The alphabet is
from 3GPP TS 23.038, 6.2.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sms import segments

# Commands (5.1.2.1). An answer has the number of its request plus RESPONSE.
RESPONSE = 0x80000000
GENERIC_NACK = 0x80000000
BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x02, 0x09
SUBMIT_SM, DELIVER_SM = 0x04, 0x05
UNBIND, ENQUIRE_LINK = 0x06, 0x15
OUTBIND, ALERT_NOTIFICATION = 0x0B, 0x102

NAMES = {
    BIND_TRANSMITTER: "bind_transmitter",
    BIND_TRANSCEIVER: "bind_transceiver",
    SUBMIT_SM: "submit_sm",
    UNBIND: "unbind",
    ENQUIRE_LINK: "enquire_link",
}

# Statuses (5.1.3).
OK, INVALID_COMMAND, NOT_BOUND, QUEUE_FULL, THROTTLED = 0x00, 0x03, 0x04, 0x14, 0x58
#: Our answers to a delivery that the SMSC should repeat, and to one that it should not.
LATER, NEVER = 0x64, 0x65

# Optional parameters (5.3.2).
RECEIPTED_MESSAGE_ID, NETWORK_ERROR_CODE, MESSAGE_PAYLOAD, MESSAGE_STATE = 0x001E, 0x0423, 0x0424, 0x0427

#: Bits of esm_class (5.2.12): the text begins with a header; the kind of a delivery. All kinds other than
#: MESSAGE are receipts.
HAS_HEADER, KIND, MESSAGE = 0x40, 0x3C, 0x00

#: Bytes of the longest PDU: one optional parameter of 64 KiB and the other fields.
LONGEST_PDU = 70_000

#: Days of the longest validity_period without a month in it, because months differ in length.
LONGEST_VALIDITY = 28

_HEAD = struct.Struct(">IIII")
_TLV = struct.Struct(">HH")

#: Values of data_coding (5.2.19). DEFAULT is the SMSC's default alphabet, here GSM-7.
DEFAULT, ASCII, LATIN_1, UCS_2 = 0, 1, 3, 8

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE = 0x1B
_EXTENSION = dict(zip(b"\x0a\x14()/<=>@e", "\f^{}\\[~]|€", strict=True))
_TO_GSM = {char: bytes([code]) for code, char in enumerate(_BASIC) if code != _ESCAPE}
_TO_GSM |= {char: bytes([_ESCAPE, code]) for code, char in _EXTENSION.items()}


class Malformed(ValueError):
    """Bytes that are not a PDU, or not the PDU that they claim to be."""


class Pdu(NamedTuple):
    command: int
    status: int
    sequence: int
    body: bytes


class Address(NamedTuple):
    """An address. ``ton``: type of number (5.2.5). ``npi``: numbering plan (5.2.6)."""

    ton: int
    npi: int
    digits: str


class Delivered(NamedTuple):
    """A deliver_sm. ``text``: short_message or message_payload, without its header."""

    source: Address
    destination: Address
    kind: int
    coding: int
    text: bytes
    optional: dict[int, bytes]


def packed(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    return _HEAD.pack(_HEAD.size + len(body), command, status, sequence) + body


def name(command: int) -> str:
    """The name of a command in the specification."""
    if command == GENERIC_NACK:
        return "generic_nack"
    named = NAMES.get(command & ~RESPONSE, f"0x{command:08x}")
    return f"{named}_resp" if command & RESPONSE else named


def take(buffer: bytearray) -> Pdu | None:
    """Remove and return the first PDU of ``buffer``; None while it is incomplete. Raises ``Malformed`` if it
    cannot be one.
    """
    if len(buffer) < _HEAD.size:
        return None
    length, command, status, sequence = _HEAD.unpack_from(buffer)
    if not _HEAD.size <= length <= LONGEST_PDU:
        raise Malformed("the length of a PDU is wrong")
    if len(buffer) < length:
        return None
    body = bytes(buffer[_HEAD.size : length])
    del buffer[:length]
    return Pdu(command, status, sequence, body)


def octets(text: str) -> bytes:
    """A C-octet string. Raises ``ValueError`` for a NUL or a character outside ASCII."""
    if "\0" in text:
        raise ValueError("a field holds a NUL")
    return text.encode("ascii") + b"\0"


def c_octets(body: bytes, place: int = 0) -> tuple[str, int]:
    """The C-octet string at ``place``, and the place of the next field. Raises ``Malformed``."""
    end = body.find(b"\0", place)
    if end < 0:
        raise Malformed("a field does not end")
    return body[place:end].decode("latin-1"), end + 1


def bind(system_id: str, password: str, system_type: str) -> bytes:
    """The body of a bind (4.1) with version 3.4, for all addresses of the account."""
    return octets(system_id) + octets(password) + octets(system_type) + b"\x34\0\0\0"


def submit(
    source: Address,
    destination: Address,
    text: bytes,
    *,
    coding: int,
    service_type: str = "",
    has_header: bool = False,
    validity: str = "",
    wants_receipt: bool = False,
    in_payload: bool = False,
) -> bytes:
    """The body of a submit_sm (4.4.1). Raises ``ValueError`` for a value that does not fit its field."""
    flags = bytes([HAS_HEADER if has_header else 0, 0, 0])  # esm_class, protocol_id, priority_flag
    times = b"\0" + octets(validity)
    short, optional = (b"", tlv(MESSAGE_PAYLOAD, text)) if in_payload else (text, b"")
    rest = bytes([wants_receipt, 0, coding, 0, len(short)])
    return (
        octets(service_type)
        + _address(source)
        + _address(destination)
        + flags
        + times
        + rest
        + short
        + optional
    )


def _address(address: Address) -> bytes:
    return bytes([address.ton, address.npi]) + octets(address.digits)


def tlv(tag: int, value: bytes) -> bytes:
    return _TLV.pack(tag, len(value)) + value


def delivered(body: bytes) -> Delivered:
    """Read the body of a deliver_sm (4.6.1). Raises ``Malformed``."""
    _, place = c_octets(body)  # service_type
    source, place = _read_address(body, place)
    destination, place = _read_address(body, place)
    flags, place = _read(body, place, 3)
    _, place = c_octets(body, place)  # schedule_delivery_time
    _, place = c_octets(body, place)  # validity_period
    rest, place = _read(body, place, 5)
    text, place = _read(body, place, rest[4])
    optional = dict(_tlvs(body, place))
    text = text or optional.get(MESSAGE_PAYLOAD, b"")
    if flags[0] & HAS_HEADER and text:
        text = text[1 + text[0] :]
    return Delivered(source, destination, flags[0] & KIND, rest[2], text, optional)


def _read_address(body: bytes, place: int) -> tuple[Address, int]:
    kinds, place = _read(body, place, 2)
    digits, place = c_octets(body, place)
    return Address(kinds[0], kinds[1], digits), place


def _read(body: bytes, place: int, size: int) -> tuple[bytes, int]:
    if len(body) < place + size:
        raise Malformed("a field is missing")
    return body[place : place + size], place + size


def _tlvs(body: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    while place < len(body):
        head, place = _read(body, place, _TLV.size)
        tag, size = _TLV.unpack(head)
        value, place = _read(body, place, size)
        yield tag, value


def texts(text: str, *, whole: bool) -> tuple[int, list[bytes]]:
    """The data_coding of a text, and its parts; one part if ``whole``."""
    parts = [text] if whole else segments.split(text)
    if segments.GSM_7.issuperset(text):
        return DEFAULT, [to_gsm(part) for part in parts]
    return UCS_2, [part.encode("utf-16-be", "surrogatepass") for part in parts]


def with_headers(parts: list[bytes], reference: int) -> list[bytes]:
    """The parts with the headers by which phones join them (3GPP TS 23.040, 9.2.3.24.1)."""
    head = bytes([5, 0, 3, reference & 0xFF, len(parts)])
    return [head + bytes([number]) + part for number, part in enumerate(parts, 1)]


def to_gsm(text: str) -> bytes:
    """``text`` in GSM-7. Raises ``KeyError`` for a character outside it."""
    return b"".join(map(_TO_GSM.__getitem__, text))


def from_gsm(text: bytes) -> str:
    """GSM-7 as text. An escape before a character without extension is ignored (3GPP TS 23.038, 6.2.1.1)."""
    found, codes = [], iter(text)
    for code in codes:
        second = next(codes, _ESCAPE) if code == _ESCAPE else code
        found.append(_EXTENSION.get(second, "") if code == _ESCAPE else "")
        if not found[-1]:
            found.append(_BASIC[second] if second < len(_BASIC) else "\ufffd")
    return "".join(found)


def decoded(text: bytes, coding: int) -> str:
    """A text from the SMSC. Characters that cannot be decoded are marked, not dropped."""
    if coding == UCS_2:
        return text.decode("utf-16-be", "replace")
    if coding == DEFAULT:
        return from_gsm(text)
    return text.decode("ascii" if coding == ASCII else "latin-1", "replace")


def relative(seconds: float) -> str:
    """A relative time (7.1.1.2) in whole seconds, rounded down: at least one second, at most
    ``LONGEST_VALIDITY`` days.
    """
    left = max(1, int(min(seconds, LONGEST_VALIDITY * 86_400)))
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3_600)
    return "0000{:02}{:02}{:02}{:02}000R".format(days, hours, *divmod(left, 60))


def absolute(seconds: float) -> str:
    """An absolute time (7.1.1.1) in UTC, so many seconds from now."""
    then = datetime.now(UTC) + timedelta(seconds=max(1, int(min(seconds, LONGEST_VALIDITY * 86_400))))
    return then.strftime("%y%m%d%H%M%S000+")
