"""One bind to an SMSC, from its connection to its end: kept alive, written by many threads, read by one.

not written completely                    TemporaryFailure: the SMSC ignores an incomplete PDU
written, no answer in time                OutcomeUnknown, read_timeout
written, connection lost before answer    OutcomeUnknown, ProtocolError
"""

from __future__ import annotations

import itertools
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from sms.errors import OutcomeUnknown, ProviderError, TemporaryFailure
from sms.providers import smpp_wire as wire
from sms.providers import transport
from sms.providers.smpp_pipe import Pipe, Place
from sms.providers.smpp_wire import Pdu

log = logging.getLogger(__name__)

#: Seconds that the SMSC may take to answer an enquire_link.
TO_ENQUIRE = 10.0

NOT_REACHED = "the SMSC cannot be reached"


class Duties(NamedTuple):
    """The provider's part of a bind.

    ``request``: returns command and body of the bind. ``refusal``: turns the status of its answer into an
    error. ``deliver``: takes a deliver_sm and returns the status of our answer.
    """

    request: Callable[[], tuple[int, bytes]]
    refusal: Callable[[int], ProviderError]
    deliver: Callable[[Pdu], int]


class Session:
    """One bind, from its connection to its end."""

    def __init__(self, place: Place, duties: Duties, window: int, enquire: float) -> None:
        """Connect and bind. Raises ``ProviderError``, ``OSError`` or ``Malformed``."""
        self._enquire = enquire
        self._duties = duties
        self._buffer = bytearray()
        self._numbers = itertools.count()
        self._window = threading.Semaphore(window)
        self._waiting: dict[int, queue.SimpleQueue[Pdu | None]] = {}
        self.pipe = Pipe(place)
        try:
            self._bind(*duties.request())
        except BaseException:
            self.pipe.close()
            raise

    def _bind(self, command: int, body: bytes) -> None:
        until = time.monotonic() + transport.LONGEST_CONNECT
        self._request(command, body, self._number())
        pdu = self._next(until)
        if pdu is None:
            raise TimeoutError("no answer to the bind")
        _show_answer(pdu)
        if pdu.status != wire.OK:
            raise self._duties.refusal(pdu.status)
        if pdu.command != command | wire.RESPONSE:
            raise wire.Malformed("no answer to the bind")

    def ask(self, command: int, body: bytes, write_by: float, timeout: float) -> Pdu:
        """Send a request as soon as the window has room, and return its answer.

        ``write_by``: a time of the monotonic clock. ``timeout``: seconds for the answer, from the writing or
        from ``write_by``, whichever is earlier. Raises ``TemporaryFailure`` or ``OutcomeUnknown``.
        """
        if not self._window.acquire(timeout=max(0.0, write_by - time.monotonic())):
            raise TemporaryFailure("the SMSC answers too slowly", code="window_full")
        number = self._number()
        answers: queue.SimpleQueue[Pdu | None] = queue.SimpleQueue()
        self._waiting[number] = answers
        try:
            try:
                self._request(command, body, number, write_by)
            except OSError:
                raise TemporaryFailure(NOT_REACHED, code="unreachable") from None
            answer = answers.get(timeout=max(0.0, timeout + min(0.0, write_by - time.monotonic())))
        except queue.Empty:
            raise OutcomeUnknown("no answer in time", code="read_timeout") from None
        finally:
            self._waiting.pop(number, None)
            self._window.release()
        if answer is None:
            raise OutcomeUnknown("the connection broke after the request", code="ProtocolError")
        _show_answer(answer)
        return answer

    def answer(self, request: Pdu, status: int, body: bytes = b"") -> None:
        """Raises ``OSError``."""
        self.pipe.write(wire.packed(request.command | wire.RESPONSE, status, request.sequence, body))

    def unbind(self) -> None:
        """Ask the SMSC to end the session. ``read`` will see its answer."""
        with suppress(OSError):
            self._request(wire.UNBIND, b"", self._number())

    def read(self, take: Callable[[Pdu], bool]) -> None:
        """Read until the connection ends.

        ``take``: gets each deliver_sm and returns whether it accepts it.
        """
        try:
            while (pdu := self._next_of_a_living()) is not None and self._is_followed(pdu, take):
                pass
        except Exception as error:  # whatever the SMSC sends may end this session, but never the link
            log.info("a connection to an SMSC ended: %s", type(error).__name__)
        finally:
            self.pipe.close()
            while self._waiting:
                with suppress(KeyError):  # the waiting thread was quicker
                    self._waiting.popitem()[1].put(None)

    def _next_of_a_living(self) -> Pdu | None:
        """The next PDU; None if the SMSC does not even answer an enquire_link."""
        pdu = self._next(time.monotonic() + self._enquire)
        if pdu is None:
            self._request(wire.ENQUIRE_LINK, b"", self._number())
            pdu = self._next(time.monotonic() + TO_ENQUIRE)
        return pdu

    def _is_followed(self, pdu: Pdu, take: Callable[[Pdu], bool]) -> bool:
        """Handle a PDU; False if it is the last one of the session."""
        command = pdu.command
        if command & wire.RESPONSE:
            known = command in (wire.SUBMIT_SM | wire.RESPONSE, wire.GENERIC_NACK)
            if known and (answers := self._waiting.pop(pdu.sequence, None)):
                answers.put(pdu)
            return command != wire.UNBIND | wire.RESPONSE
        if command == wire.DELIVER_SM:
            if not take(pdu):
                self.answer(pdu, wire.QUEUE_FULL, b"\0")
        elif command in (wire.ENQUIRE_LINK, wire.UNBIND):
            self.answer(pdu, wire.OK)
        elif command not in (wire.OUTBIND, wire.ALERT_NOTIFICATION):  # which want no answer
            self.pipe.write(wire.packed(wire.GENERIC_NACK, wire.INVALID_COMMAND, pdu.sequence))
        return command != wire.UNBIND

    def _next(self, until: float) -> Pdu | None:
        """The next PDU; None if it is not complete in time. Raises ``OSError`` or ``Malformed``."""
        while (pdu := wire.take(self._buffer)) is None:
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._buffer += self.pipe.read(left)
        return pdu

    def _number(self) -> int:
        """The next sequence_number (5.1.4)."""
        return next(self._numbers) % 0x7FFFFFFF + 1

    def _request(self, command: int, body: bytes, number: int, by: float = math.inf) -> None:
        if watch := transport.watching.get():
            watch("", f"{wire.name(command)}, {len(body)} octets".encode())
        self.pipe.write(wire.packed(command, wire.OK, number, body), by)


def _show_answer(pdu: Pdu) -> None:
    """Show an answer to ``watching``. Its body is an id, in clear, or the name of the SMSC."""
    if watch := transport.watching.get():
        watch(f"{wire.name(pdu.command)}, status 0x{pdu.status:02x}", pdu.body.rstrip(b"\0"))
