"""``smpp://SYSTEM_ID:PASSWORD@HOST:2775?from=Shop``: an SMSC (a carrier's SMS server) that
speaks SMPP 3.4. ``smpps://`` uses TLS (port 3550), and verifies the SMSC's certificate.

Each worker binds (logs in) once for all its threads, as a transceiver, which sends and receives. It stays
bound to hear receipts and inbound messages. A process that does not listen binds as a transmitter, which only
sends. The account needs one bind for each worker.

Options:

- ``from``: a number, short code or sender ID. Without it, the SMSC uses the account's default.
- ``window``: how many messages may wait for an answer (10).
- ``timeout``: seconds for an answer.
- ``enquire``: seconds of silence before an enquire_link, which asks whether the SMSC is still there (30).
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

from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, TemporaryFailure
from sms.providers import smpp_wire as wire
from sms.providers.base import ListeningProvider, Sms
from sms.providers.smpp_addresses import address, is_sender, read_type
from sms.providers.smpp_link import Link
from sms.providers.smpp_pipe import Place
from sms.providers.smpp_receipts import BASES, in_decimal, read_inbound, read_receipt
from sms.providers.smpp_session import Duties, Session
from sms.providers.smpp_statuses import Statuses
from sms.providers.transport import LONGEST_CONNECT
from sms.providers.vendor import Outcome
from sms.providers.wire import need

log = logging.getLogger(__name__)

#: The fewest seconds before a throttled part is repeated, so that ``pause=0`` does not flood the SMSC.
LEAST_PAUSE = 0.1

_VALIDITY: dict[str, Callable[[float], str]] = {
    "relative": wire.relative,
    "absolute": wire.absolute,
    "none": lambda _: "",
}


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
        must({answer_ids, receipt_ids} <= {*BASES}, "answer_ids= and receipt_ids= must be hex or decimal.")
        must(
            bool(answer_ids) == bool(receipt_ids),
            "answer_ids= and receipt_ids= go together. Write hex or decimal for both.",
        )
        texts = {"the system_id": system_id, "the password": password}
        for name, text in (texts | {"system_type=": system_type, "service_type=": service_type}).items():
            must(text.isascii() and text.isprintable(), f"{name} must be printable ASCII.")
        must(not sender.startswith(" "), "write the + of from= as %2B.")
        must(not sender or is_sender(sender), "from= must be a number, or up to 11 characters of ASCII.")
        self.sender = sender
        self._from_type = read_type(alias, "from_type", from_type)
        self._to_type = read_type(alias, "to_type", to_type)
        self._in_payload = long == "payload"
        self._validity = _VALIDITY[validity]
        self._bases = BASES[answer_ids], BASES[receipt_ids]
        self._service_type = service_type
        statuses: dict[Outcome, str] = {
            "temporary": temporary,
            "refused": permanent,
            "account": account,
            "country": country,
        }
        self._statuses = Statuses(alias, statuses, pause)
        self._references = itertools.count(secrets.randbelow(256))
        self._bind = wire.bind(system_id, password, system_type)
        self.host = found.hostname or ""
        place = Place(self.host, found.port or self.port, self.ssl_ca_certs if self.tls else None)
        duties = Duties(self._request, self._statuses.refusal, self._deliver)
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
        return in_decimal(id, self._bases[0])

    def _submit(self, session: Session, body: bytes, write_by: float) -> str:
        """Hand over one part and return the SMSC's id for it. Raises ``ProviderError``."""
        answer = session.ask(wire.SUBMIT_SM, body, write_by, self.timeout)
        if answer.status == wire.NOT_BOUND:
            session.pipe.hang_up()
        if answer.status != wire.OK:
            raise self._statuses.failure(answer.status)
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
        if sender and not is_sender(sender):
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
            address(sender, self._from_type) if sender else wire.Address(0, 0, ""),
            address(sms.to, self._to_type),
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

    # --- listening -----------------------------------------------------------------------------------

    def _deliver(self, pdu: wire.Pdu) -> int:
        """Hand on a deliver_sm. Returns the status of our answer."""
        try:
            found = wire.delivered(pdu.body)
            inbound = found.kind == wire.MESSAGE
            entry = read_inbound(found) if inbound else read_receipt(found, self._bases)
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


class SmppsProvider(SmppProvider):
    scheme = "smpps"
    port = 3550
    tls = True
