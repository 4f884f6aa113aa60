"""The connection to an SMSC: bound once for all threads of a process, kept alive, and renewed when it breaks.

It has two daemon threads. The link connects, binds, reads, and passes each answer to the thread that waits
for it. The clerk hands on what the SMSC delivers, so that no answer has to wait for Redis. Senders write
directly.

    not written completely                    TemporaryFailure: the SMSC ignores an incomplete PDU
    written, no answer in time                OutcomeUnknown, read_timeout
    written, connection lost before answer    OutcomeUnknown, ProtocolError
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import queue
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from functools import partial
from typing import NamedTuple
from weakref import WeakSet

from sms.errors import OutcomeUnknown, ProviderError, TemporaryFailure
from sms.providers import smpp_wire as wire
from sms.providers import transport
from sms.providers.smpp_pipe import Pipe, Place
from sms.providers.smpp_wire import Pdu

log = logging.getLogger(__name__)

#: Seconds that the SMSC may take to answer an enquire_link and an unbind.
TO_ENQUIRE, TO_UNBIND = 10.0, 2.0

#: Seconds between two tries to connect. The pause doubles each time, up to LONGEST_REST. It is LEAST_REST if
#: somebody waits for the connection.
LEAST_REST, LONGEST_REST = 1.0, 30.0

#: Seconds after which a bind counts as successful. When it ends, the next one is tried at once.
WORKED = 10.0

#: How many deliveries may wait for the clerk. The SMSC keeps further ones, since they are not answered.
LONGEST_QUEUE = 1_000

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
        from ``write_by``, whichever is later. Raises ``TemporaryFailure`` or ``OutcomeUnknown``.
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


class Link:
    """One session after the other, until ``close``."""

    def __init__(self, name: str, place: Place, duties: Duties, window: int, enquire: float) -> None:
        """``window``: how many requests may wait for an answer. ``enquire``: seconds of silence before an
        enquire_link.
        """
        self._name = name
        self._duties = duties
        self._connect = partial(Session, place, duties, window, enquire)
        self._session: Session | None = None
        self.reset()
        _links.add(self)

    def reset(self) -> None:
        """Start afresh in a child process, which has its parent's locks as they were, but not its threads."""
        if self._session is not None:
            self._session.pipe.forget()
        self._changed = threading.Condition()
        self._session = None
        self._threads: list[threading.Thread] = []
        self._deliveries: queue.SimpleQueue[tuple[Session, Pdu] | None] = queue.SimpleQueue()
        self._is_wanted = True  # whether the link should try to connect now
        self._is_closing = False
        self._failures = 0  # in a row
        self._failed_at = 0.0
        self._error: BaseException | None = None

    def open(self) -> None:
        """Begin to connect. Raises ``RuntimeError`` if no thread can be started."""
        with self._changed:
            self._begin()

    def _begin(self) -> None:
        if self._threads:
            return
        clerk = threading.Thread(target=self._serve, name=f"smpp-{self._name}-clerk", daemon=True)
        run = partial(self._run, transport.watching.get())  # a new thread does not inherit our context
        link = threading.Thread(target=run, name=f"smpp-{self._name}-link", daemon=True)
        clerk.start()
        try:
            link.start()
        except RuntimeError:
            self._deliveries.put(None)
            raise
        self._threads = [clerk, link]

    def session(self, until: float) -> Session:
        """The bound session. Waits for one if a bind is under way. ``until``: a time of the monotonic clock.
        Raises ``ProviderError``.
        """
        with self._changed:
            try:
                self._begin()
            except RuntimeError as error:
                raise TemporaryFailure("no thread can be started to connect", code="no_thread") from error
            rested = time.monotonic() - self._failed_at
            if self._session is None and rested >= LEAST_REST and not self._is_closing:
                self._is_wanted = True
                self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_wanted, max(0.0, until - time.monotonic()))
            if self._session is not None:
                return self._session
            why = self._error
        if isinstance(why, ProviderError):  # from the bind; raise a copy in each thread
            raise copy(why)
        raise TemporaryFailure(NOT_REACHED, code="unreachable") from why

    def close(self) -> None:
        """Answer what the SMSC has delivered so far, then unbind."""
        with self._changed:
            self._is_closing, self._is_wanted = True, False
            session, threads = self._session, self._threads
            self._changed.notify_all()
        if not threads:
            return
        clerk, link = threads
        self._deliveries.put(None)
        clerk.join(TO_UNBIND)
        if session is not None:
            session.unbind()
            link.join(TO_UNBIND)
            session.pipe.hang_up()
        link.join(TO_UNBIND)

    def _run(self, watch: Callable[[str, bytes], None] | None) -> None:
        transport.watching.set(watch)
        while self._waits_for_its_turn():
            session, error, begun = None, None, time.monotonic()
            try:
                session = self._connect()
            except Exception as found:  # senders that wait must learn of any failure
                error = found
            with self._changed:
                self._session, self._error, self._is_wanted = session, error, False
                self._changed.notify_all()
            if error is not None:
                log.warning("%s is not bound to its SMSC: %s", self._name, _said(error))
            if session is not None:
                log.info("%s is bound to its SMSC", self._name)
                if self._is_closing:  # nobody else knows this session
                    session.unbind()
                    session.pipe.hang_up()
                session.read(lambda pdu, session=session: self._take(session, pdu))  # type: ignore[misc]  # mypy infers no default
            with self._changed:
                self._session = None
                worked = session is not None and time.monotonic() - begun > WORKED
                self._is_wanted = worked and not self._is_closing
                self._failures = 0 if worked else self._failures + 1
                self._failed_at = time.monotonic()

    def _waits_for_its_turn(self) -> bool:
        """Rest until it is time to connect, or until a sender needs it; False once closed."""
        rest = min(LONGEST_REST, LEAST_REST * 2.0 ** min(self._failures, 10))
        rest *= random.uniform(0.5, 1.0)  # noqa: S311 - so that workers do not all connect at once
        with self._changed:
            self._changed.wait_for(lambda: self._is_wanted or self._is_closing, rest)
            self._is_wanted = not self._is_closing
            return self._is_wanted

    def _take(self, session: Session, pdu: Pdu) -> bool:
        if self._is_closing or self._deliveries.qsize() >= LONGEST_QUEUE:
            return False
        self._deliveries.put((session, pdu))
        return True

    def _serve(self) -> None:
        """The clerk: hand on each delivery, then answer it."""
        while (entry := self._deliveries.get()) is not None:
            session, pdu = entry
            status = self._duties.deliver(pdu)
            with suppress(OSError):  # the SMSC will deliver it again
                session.answer(pdu, status, b"\0")


def _show_answer(pdu: Pdu) -> None:
    """Show an answer to ``watching``. Its body is an id, in clear, or the name of the SMSC."""
    if watch := transport.watching.get():
        watch(f"{wire.name(pdu.command)}, status 0x{pdu.status:02x}", pdu.body.rstrip(b"\0"))


def _said(error: Exception) -> str:
    """The error as it may be logged."""
    return error.code if isinstance(error, ProviderError) else type(error).__name__


_links: WeakSet[Link] = WeakSet()


def _reset() -> None:
    for link in _links:
        link.reset()


os.register_at_fork(after_in_child=_reset)
