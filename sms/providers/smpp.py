"""``smpp://SYSTEM_ID:PASSWORD@HOST:2775?from=Shop``: an SMSC (a carrier's SMS server) that
speaks SMPP 3.4. ``smpps://`` uses TLS (port 3550), and verifies the SMSC's certificate.

Each worker binds once for all its threads, as a transceiver. It stays bound to hear receipts and inbound
messages. A process that does not listen binds as a transmitter. The account needs one bind for each worker.

Options:

- ``from``: a number, short code or sender ID. Without it, the SMSC uses the account's default.
- ``window``: how many messages may wait for an answer (10).
- ``timeout``: seconds for an answer.
- ``enquire``: seconds of silence before an enquire_link (30).
- ``pause``: seconds to hold back when the SMSC throttles or its queue is full (1).
- ``long``: how a long text goes: in parts (``udh``), or whole in message_payload (``payload``).
- ``validity``: how the SMSC is told when a message expires: ``relative`` (the default), ``absolute`` or
  ``none``.
- ``answer_ids`` and ``receipt_ids``: how the SMSC writes its ids in answers and in receipts (``hex`` or
  ``decimal``), if the two differ.
- ``from_type`` and ``to_type``: TON.NPI such as ``5.0``, instead of what the number looks like.
- ``system_type``, ``service_type``.
- ``temporary`` (the next alias is asked), ``permanent`` (the number or the text is refused), ``account`` and
  ``country`` (your account is refused, everywhere or in the number's country): statuses that mean this, as in
  ``0x45 0x58``.
- ``ssl_ca_certs``: the CA of the SMSC, if it is not a public one.

The account's default alphabet must be GSM-7, with one character per byte. A text with any other character
goes as UCS-2. So a text has as many segments here as with any vendor.

A long text in parts counts as delivered when its last part is. We keep the id of that part, and request a
receipt only for it. If a part after the first is throttled, it is repeated after ``pause``, for up to 9
seconds in all. If it is still not taken, the outcome is unknown, because a new attempt would deliver the
first part twice.

Each part of a long inbound text is a message of its own. So is a repeated delivery, because it has no id.
Statuses from 0x400 on are specific to the vendor. Another alias gets the message at once, unless an option
says what they mean. For a bind, they count as a refusal of the account.

We use neither smpp34 1.5.0 nor aiosmpplib 0.7.4. The former answers a deliver_sm before we have it, and takes
no CA of ours. The latter has no TLS and no window. Both need an event loop beside our threads.

Sources: SMPP Protocol Specification v3.4 issue 1.2, 4.4, 4.6, 5.1.3, 5.2 and Appendix B; Kannel 1.4.5,
gw/smsc/smsc_smpp.c (temporary statuses, ids in hex); messaggio.com/industry-specifications-and-standards,
"SMPP TON and NPI reference" (short codes).
"""

from __future__ import annotations

import itertools
import logging
import math
import re
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, ProviderError, TemporaryFailure
from sms.message import Inbound, Receipt, State
from sms.providers import smpp_wire as wire
from sms.providers.base import ListeningProvider, Sms
from sms.providers.smpp_link import Duties, Link, Session
from sms.providers.smpp_pipe import Place
from sms.providers.transport import LONGEST_CONNECT
from sms.providers.vendor import Outcome, outcome_table, state_table
from sms.providers.wire import need

log = logging.getLogger(__name__)

#: Statuses of a submit_sm and of a bind (5.1.3). Any other below VENDOR_SPECIFIC refuses the number or text.
STATUSES = outcome_table(
    # 04 not bound; 05 too many binds; 08 system error; 14 queue full; 45 submit failed; 58 throttled.
    # 64 try later; FE delivery failed; FF unknown.
    temporary="0x04 0x05 0x08 0x14 0x45 0x58 0x64 0xfe 0xff",
    # 02, 03, 06, 07, 43, 61, 62 a form of PDU that it does not accept; 0D, 0E, 0F the bind; 15 service type.
    # 50, 51 TON and NPI of the number; 53 system type; 66 reject; C0 to C4 optional parameters.
    account="0x02 0x03 0x06 0x07 0x0d 0x0e 0x0f 0x15 0x43 0x50 0x51 0x53 0x61 0x62 0x66 "
    "0xc0 0xc1 0xc2 0xc3 0xc4",
    # 0A sender; 48 its TON; 49 its NPI.
    country="0x0a 0x48 0x49",
)

#: From here on, statuses are specific to the vendor and may mean anything. A refusal would end a code whose
#: number may be good.
VENDOR_SPECIFIC = 0x400

#: The values of message_state (5.2.28), in the words of receipts (Appendix B).
WORDS = ("", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
STATES = state_table(
    sent="ENROUTE ACCEPTD ACCEPTED",
    delivered="DELIVRD DELIVERED",
    failed="EXPIRED DELETED UNDELIV UNDELIVERABLE REJECTD REJECTED FAILED",
)

#: The fewest seconds before a throttled part is repeated, so that ``pause=0`` does not flood the SMSC.
LEAST_PAUSE = 0.1

#: Digits of the longest short code.
SHORT_CODE = 8

_VALIDITY: dict[str, Callable[[float], str]] = {
    "relative": wire.relative,
    "absolute": wire.absolute,
    "none": lambda _: "",
}
_BASES = {"": 0, "decimal": 10, "hex": 16}


class SmppProvider(ListeningProvider):
    scheme = "smpp"
    name = "SMPP"
    url_names: ClassVar = {"user": "system_id", "from": "sender"}
    receives = True
    #: The default port of the scheme, and whether it uses TLS.
    port: ClassVar[int] = 2775
    tls: ClassVar[bool] = False

    def __init__(
        self,
        alias: str,
        *,
        system_id: str,
        password: str,
        host: str,
        sender: str = "",
        window: int = 10,
        enquire: float = 30.0,
        pause: float = 1.0,
        long: str = "udh",
        validity: str = "relative",
        answer_ids: str = "",
        receipt_ids: str = "",
        from_type: str = "",
        to_type: str = "",
        system_type: str = "",
        service_type: str = "",
        temporary: str = "",
        permanent: str = "",
        account: str = "",
        country: str = "",
        **common: Any,
    ) -> None:
        must = partial(need, alias)
        must(not common.get("base_url"), f"{self.scheme}:// takes no base_url=. Write the host into the URL.")
        must(self.tls or not common.get("ssl_ca_certs"), "ssl_ca_certs= is for smpps://.")
        super().__init__(alias, **common)
        found = urlsplit(f"//{host}")
        must(found.hostname and not found.path, "the host must look like smsc.example:2775.")
        must(1 <= window <= 1_000, "window= must be from 1 to 1000.")
        must(1 <= enquire <= 600, "enquire= must be from 1 to 600.")
        must(0 <= pause <= 600, "pause= must be from 0 to 600.")
        must(long in ("udh", "payload"), "long= must be udh or payload.")
        must(validity in _VALIDITY, f"validity= must be one of {', '.join(_VALIDITY)}.")
        must({answer_ids, receipt_ids} <= {*_BASES}, "answer_ids= and receipt_ids= must be hex or decimal.")
        must(
            bool(answer_ids) == bool(receipt_ids),
            "answer_ids= and receipt_ids= go together. Write hex or decimal for both.",
        )
        texts = {"the system_id": system_id, "the password": password}
        for name, text in (texts | {"system_type=": system_type, "service_type=": service_type}).items():
            must(text.isascii() and text.isprintable(), f"{name} must be printable ASCII.")
        must(not sender.startswith(" "), "write the + of from= as %2B.")
        must(not sender or _is_sender(sender), "from= must be a number, or up to 11 characters of ASCII.")
        self.sender = sender
        self._from_type = _read_type(alias, "from_type", from_type)
        self._to_type = _read_type(alias, "to_type", to_type)
        self._in_payload = long == "payload"
        self._validity = _VALIDITY[validity]
        self._bases = _BASES[answer_ids], _BASES[receipt_ids]
        self._service_type = service_type
        self._pause = pause
        lists = {"temporary": temporary, "refused": permanent, "account": account, "country": country}
        self._statuses: dict[str, Outcome] = {**STATUSES, **_read_statuses(alias, lists)}
        self._references = itertools.count(secrets.randbelow(256))
        self._bind = wire.bind(system_id, password, system_type)
        self.host = found.hostname or ""
        place = Place(self.host, found.port or self.port, self.ssl_ca_certs if self.tls else None)
        duties = Duties(self._request, self._refusal, self._deliver)
        self._new_link = partial(Link, alias, place, duties, window, enquire)
        self._link = self._new_link()

    def open(self) -> None:
        self._link.open()

    def close(self) -> None:
        closed, self._link = self._link, self._new_link()
        closed.close()

    # --- sending -------------------------------------------------------------------------------------

    def send(self, sms: Sms) -> str:
        begun = time.monotonic()
        write_by = begun + LONGEST_CONNECT
        repeat_by = min(write_by, begun + sms.expires_in) if sms.expires_in else write_by
        first, *others = self._bodies(sms)
        session = self._link.session(write_by)
        id = self._submit(session, first, write_by)
        for body in others:  # one by one, so that nobody pays for parts after a refused one
            id = self._submit_further(session, body, write_by, repeat_by)
        return _number(id, self._bases[0])

    def _submit(self, session: Session, body: bytes, write_by: float) -> str:
        """Hand over one part and return the SMSC's id for it. Raises ``ProviderError``."""
        answer = session.ask(wire.SUBMIT_SM, body, write_by, self.timeout)
        if answer.status == wire.NOT_BOUND:
            session.pipe.hang_up()
        if answer.status != wire.OK:
            raise self._failure(answer.status)
        id = answer.body.partition(b"\0")[0].decode("latin-1")
        if answer.command == wire.GENERIC_NACK or not id:
            # It did accept the message.
            raise OutcomeUnknown("the answer names no message", code="no_message_id")
        return id

    def _submit_further(self, session: Session, body: bytes, write_by: float, repeat_by: float) -> str:
        """Hand over a part after the first, and repeat it while it is throttled.

        If it fails, the message must not be sent again as if nothing had left. So this raises
        ``OutcomeUnknown``, or ``PermanentFailure`` because of the number or the text.
        """
        while True:
            try:
                return self._submit(session, body, write_by)
            except (TemporaryFailure, AccountFailure) as error:
                pause = error.retry_after if isinstance(error, TemporaryFailure) else None
                pause = math.inf if pause is None else max(pause, LEAST_PAUSE)
                if time.monotonic() + pause > repeat_by:
                    raise OutcomeUnknown("the SMSC took only some of the parts", code=error.code) from None
            time.sleep(pause)

    def _bodies(self, sms: Sms) -> list[bytes]:
        """The submit_sm of each part. Raises ``PermanentFailure`` or ``AccountFailure``."""
        if not re.fullmatch(r"\+[0-9]{1,15}", sms.to, re.ASCII):
            raise PermanentFailure("the number is not in E.164 form", code="to")
        sender = sms.sender or self.sender
        if sender and not _is_sender(sender):
            raise AccountFailure("the sender is neither a number nor a sender ID", code="from")
        coding, parts = wire.texts(sms.body, whole=False)
        in_payload = self._in_payload and len(parts) > 1
        if in_payload:
            coding, parts = wire.texts(sms.body, whole=True)
        if len(parts) > 255 or len(parts[0]) > 0xFFFF:
            raise PermanentFailure("the text is too long", code="body")
        if several := len(parts) > 1:
            parts = wire.with_headers(parts, next(self._references))
        build = partial(
            wire.submit,
            _typed(sender, self._from_type) if sender else wire.Address(0, 0, ""),
            _typed(sms.to, self._to_type),
            coding=coding,
            service_type=self._service_type,
            has_header=several,
            validity=self._validity(sms.expires_in) if sms.expires_in else "",
            in_payload=in_payload,
        )
        wanted = self.on_receipts is not None
        return [build(part, wants_receipt=wanted and part is parts[-1]) for part in parts]

    def _request(self) -> tuple[int, bytes]:
        listens = self.on_receipts is not None or self.on_inbound is not None
        return wire.BIND_TRANSCEIVER if listens else wire.BIND_TRANSMITTER, self._bind

    def _failure(self, status: int) -> ProviderError:
        code = _code(status)
        meaning = self._statuses.get(code, "temporary" if status >= VENDOR_SPECIFIC else "refused")
        if meaning == "temporary":
            pause = self._pause if status in (wire.QUEUE_FULL, wire.THROTTLED) else None
            return TemporaryFailure("the SMSC cannot take it now", code=code, retry_after=pause)
        if meaning in ("account", "country"):
            return AccountFailure("the SMSC refuses us", code=code, here=meaning == "country")
        return PermanentFailure("the SMSC refuses it", code=code)

    def _refusal(self, status: int) -> ProviderError:
        """The meaning of a bind's status. It never blames a message."""
        if self._statuses.get(_code(status)) == "temporary":
            return self._failure(status)
        return AccountFailure("the SMSC refuses the bind", code=_code(status))

    # --- listening -----------------------------------------------------------------------------------

    def _deliver(self, pdu: wire.Pdu) -> int:
        """Hand on a deliver_sm. Returns the status of our answer."""
        try:
            found = wire.delivered(pdu.body)
            inbound = found.kind == wire.MESSAGE
            entry = self._read_inbound(found) if inbound else self._read_receipt(found)
        except Exception as error:  # a repetition could not be read either
            log.warning("%s: a deliver_sm cannot be read: %s", self.alias, type(error).__name__)
            return wire.NEVER
        heard: Callable[[list[Any]], None] | None = self.on_inbound if inbound else self.on_receipts
        if heard is None:
            return wire.LATER  # another process may listen
        try:
            heard([entry])
        except Exception as error:  # the SMSC must keep whatever we could not take
            log.warning("%s: a deliver_sm was not taken: %s", self.alias, type(error).__name__)
            return wire.LATER
        return wire.OK

    def _read_receipt(self, found: wire.Delivered) -> Receipt:
        """Raises ``ValueError`` if it names no message."""
        # The beginning of the message follows "text:". Its sender chose it, so do not parse it.
        text = re.split(r"\btext:", _as_is(found), maxsplit=1, flags=re.IGNORECASE)[0]
        fields = {name.lower(): value for name, value in re.findall(r"\b(id|stat|err):\s*(\S+)", text, re.I)}
        state = found.optional.get(wire.MESSAGE_STATE, b"")
        word = WORDS[state[0]] if len(state) == 1 and state[0] < len(WORDS) else ""
        word = word or fields.get("stat", "").upper()
        # The specification (5.3.2.12) wants this one written as in the answer.
        if optional := found.optional.get(wire.RECEIPTED_MESSAGE_ID, b"").partition(b"\0")[0]:
            id = _number(optional.decode("latin-1"), self._bases[0])
        else:
            id = _number(fields.get("id", ""), self._bases[1])
        if not id:
            raise ValueError("the receipt names no message")
        error = fields.get("err", "").lstrip("0")
        network = found.optional.get(wire.NETWORK_ERROR_CODE, b"")
        if len(network) == 3 and any(network[1:]):
            error = str(int.from_bytes(network[1:], "big"))
        state_of = STATES.get(word, State.UNKNOWN)
        return Receipt(reference="", state=state_of, raw=word, provider_message_id=id, error=error)

    def _read_inbound(self, found: wire.Delivered) -> Inbound:
        return Inbound(
            id=secrets.token_hex(16),
            phone=_international(found.source),
            sender=_international(found.destination),
            text=wire.decoded(found.text, found.coding),
        )


class SmppsProvider(SmppProvider):
    scheme = "smpps"
    port = 3550
    tls = True


def _is_sender(text: str) -> bool:
    """Whether it is a number of up to 20 digits (5.2.8) or a sender ID (3GPP TS 23.040, 9.1.2.5: 11
    characters).
    """
    return bool(re.fullmatch(r"\+?[0-9]{1,20}|[\x20-\x7e]{1,11}", text, re.ASCII))


def _typed(text: str, type: tuple[int, int] | None) -> wire.Address:
    """An address. Its form decides TON and NPI: international number, short code or sender ID."""
    digits = text.removeprefix("+")
    if not digits.isdecimal():
        return wire.Address(*(type or (5, 0)), text)
    short = text == digits and len(digits) <= SHORT_CODE
    return wire.Address(*(type or ((3, 0) if short else (1, 1))), digits)


def _international(address: wire.Address) -> str:
    """The address as E.164 if its TON says so, or if it has none and is too long for a short code."""
    digits = address.digits.removeprefix("+")
    if not re.fullmatch(r"[0-9]{1,15}", digits, re.ASCII):
        return address.digits
    known = address.ton == 1 or address.digits != digits or (address.ton == 0 and len(digits) > SHORT_CODE)
    return f"+{digits}" if known else digits


def _as_is(found: wire.Delivered) -> str:
    """The text of a receipt. It is ASCII even if the default alphabet is GSM-7, which would change its _."""
    return wire.decoded(found.text, found.coding or wire.LATIN_1)


def _number(id: str, base: int) -> str:
    """An id in decimal; unchanged without a ``base``, or if it is not a number."""
    digits = {0: "", 10: "[0-9]{1,64}", 16: "[0-9A-Fa-f]{1,64}"}[base]
    return str(int(id, base)) if base and re.fullmatch(digits, id) else id


def _read_type(alias: str, option: str, text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"([0-6])\.([0-9]|1[0-8])", text, re.ASCII)
    need(alias, found or not text, f"{option}= must look like TON.NPI, such as 5.0.")
    return (int(found[1]), int(found[2])) if found else None


def _read_statuses(alias: str, lists: dict[str, str]) -> dict[str, Outcome]:
    known = {meaning: text.replace(",", " ").lower().split() for meaning, text in lists.items()}
    named = [status for listed in known.values() for status in listed]
    need(
        alias,
        all(re.fullmatch("(0x)?[0-9a-f]{1,8}", status) for status in named),
        "temporary=, permanent=, account= and country= take statuses in hex, such as 0x45.",
    )
    return outcome_table(
        **{
            meaning: " ".join(_code(int(status, 16)) for status in listed)
            for meaning, listed in known.items()
        }
    )


def _code(status: int) -> str:
    return f"0x{status:02x}"
