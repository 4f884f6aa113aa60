"""The link to an SMSC: one bind for all threads of a process, renewed when it breaks.

It has two daemon threads. The link connects, binds, reads, and passes each answer to the thread that waits
for it. The clerk hands on what the SMSC delivers, so that no answer has to wait for Redis. Senders write
directly: see ``smpp_session``.
"""

from __future__ import annotations

import logging
import os
import queue
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from functools import partial
from weakref import WeakSet

from sms.errors import ProviderError, TemporaryFailure
from sms.providers import transport
from sms.providers.smpp_pipe import Place
from sms.providers.smpp_session import NOT_REACHED, Duties, Session
from sms.providers.smpp_wire import Pdu

log = logging.getLogger(__name__)

#: Seconds that the SMSC may take to answer an unbind.
TO_UNBIND = 2.0

#: Seconds between two tries to connect. The pause doubles each time, up to LONGEST_REST. It is LEAST_REST if
#: somebody waits for the connection.
LEAST_REST, LONGEST_REST = 1.0, 30.0

#: Seconds after which a bind counts as successful. When it ends, the next one is tried at once.
WORKED = 10.0

#: How many deliveries may wait for the clerk. The SMSC keeps further ones, since they are not answered.
LONGEST_QUEUE = 1_000


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


def _said(error: Exception) -> str:
    """The error as it may be logged."""
    return error.code if isinstance(error, ProviderError) else type(error).__name__


_links: WeakSet[Link] = WeakSet()


def _reset() -> None:
    for link in _links:
        link.reset()


os.register_at_fork(after_in_child=_reset)
