"""Ask look-ups about a number before a code is sent there, within DEADLINE whatever vendors do.

Each call runs in its own thread. DNS, a handshake or a dripping answer can take long, and the user does not
wait for it. A late answer is kept for a resend.

Timing must not reveal what is known about a number. So if its answers are cached, a start takes as long as
the vendor once took for them. See also ``take_as_long``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import structlog

from otp.lookups import settings, store
from otp.lookups.base import Failed, Lookup
from otp.lookups.store import Claimed
from sms import traces
from sms.errors import ProviderError, Unavailable
from sms.phone import Phone

log = structlog.get_logger("otp")

T = TypeVar("T")

#: Seconds that a start may be delayed. SPARE of them are for Redis and for threads that wait for each other.
DEADLINE = 0.3
SPARE = 0.03

#: Concurrent calls of one process. Calls to a hanging vendor last about ten seconds each, until failures in a
#: row leave it out. Calls beyond this number are not made.
MOST_CALLS = 100

_slots = threading.BoundedSemaphore(MOST_CALLS)

#: Seconds that look-ups delayed the latest start that asked a vendor.
_latest = 0.0


def is_refused(number: Phone, *, may_ask: bool) -> bool:
    """Whether an answer refuses the code. Without ``may_ask``, as for a resend, only known answers count.

    A vendor's failure refuses nothing. Raises ``Unavailable`` without Redis.
    """
    global _latest
    begun = time.monotonic()
    asked = [lookup for lookup in settings.configured().values() if lookup.covers(number.country)]
    asked = [lookup for lookup in asked if lookup.questions]
    if not asked:
        return False
    claims = store.claim(asked, number.e164, may_ask=may_ask)
    until = begun + DEADLINE - SPARE
    calls = [
        _Asked(lookup, number.e164, claimed)
        for lookup, claimed in zip(asked, claims, strict=True)
        if claimed.outcome == "ask"
    ]
    found = {claimed_by.alias: dict(claimed.known) for claimed_by, claimed in zip(asked, claims, strict=True)}
    for call in calls:
        found[call.lookup.alias] |= call.answers(until)
    for lookup, claimed in zip(asked, claims, strict=True):
        if claimed.is_first:
            log.warning("lookups_used_up", lookup=lookup.alias, per_day=lookup.per_day)
        if claimed.outcome == "cached":
            _sleep_until(min(until, begun + claimed.took))
    if may_ask and not all(claimed.outcome == "cached" for claimed in claims):
        _latest = time.monotonic() - begun if calls else 0.0
    return any(_tell(lookup, found[lookup.alias], number) for lookup in asked)


def take_as_long() -> None:
    """Wait as long as a look-up takes, for a number that gets no code in any case.

    Otherwise its quick answer would give it away.
    """
    if settings.configured():
        time.sleep(min(_latest, DEADLINE))


def _tell(lookup: Lookup, answers: Mapping[str, str], number: Phone) -> bool:
    """Whether an answer refuses. Logs it."""
    for question, answer in answers.items():
        if lookup.refuses(question, answer):
            log.info("lookup_refused", lookup=lookup.alias, answer=answer, country=number.country)
            traces.event("lookup_refused", alias=lookup.alias, word=answer)
            return True
    return False


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


class TooLate(Exception):
    """No answer came in time."""


class Call(Generic[T]):
    """A call of ``function`` in its own thread. ``wait`` returns its result."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._settled, self._lock = threading.Event(), threading.Lock()
        self._is_late = False
        self._begun = time.monotonic()
        self._answer: T | None = None
        self._error: Exception | None = None
        slots = _slots
        if not slots.acquire(blocking=False):
            self._error = Failed("too many calls")
            self._settled.set()
            return
        try:
            threading.Thread(target=self._run, args=(slots,), name="lookup", daemon=True).start()
        except RuntimeError:  # the system is out of threads
            slots.release()
            self._error = Failed("no thread")
            self._settled.set()

    def wait(self, until: float) -> T:
        """The result. Raises what ``function`` raised, or ``TooLate`` at ``until`` (``time.monotonic``)."""
        self._settled.wait(max(0.0, until - time.monotonic()))
        with self._lock:
            if not self._settled.is_set():
                self._is_late = True
                raise TooLate
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value]  # either an error or an answer is set

    def came_late(self, answer: T, seconds: float) -> None:
        """``function`` has returned after ``wait`` gave up. For subclasses."""

    def _run(self, slots: threading.BoundedSemaphore) -> None:
        try:
            self._answer = self._function()
        except Exception as error:  # a vendor's answer may break anything; ``wait`` raises it
            self._error = error
        finally:
            slots.release()
        self.seconds = time.monotonic() - self._begun
        with self._lock:
            self._settled.set()
            is_late = self._is_late
        if is_late and self._error is None:
            self.came_late(self._answer, self.seconds)  # type: ignore[arg-type]

    seconds = 0.0


class _Asked(Call[Mapping[str, str]]):
    """A call of one vendor for the missing answers."""

    def __init__(self, lookup: Lookup, e164: str, claimed: Claimed) -> None:
        self.lookup, self._e164 = lookup, e164
        missing = [question for question in lookup.questions if question not in claimed.known]
        super().__init__(lambda: lookup.ask(e164, missing))

    def answers(self, until: float) -> Mapping[str, str]:
        """The vendor's answers by then; empty if it failed or is late."""
        try:
            answers = self.wait(until)
        except TooLate:
            self._failed("late", "late")
        except Exception as error:  # whatever a vendor does, the code goes out
            self._failed("failed", reason_of(error))
        else:
            self._settle(answers, "answered")
            return answers
        return {}

    def came_late(self, answer: Mapping[str, str], seconds: float) -> None:
        self._settle(answer, "")

    def _failed(self, outcome: str, reason: str) -> None:
        log.warning("lookup_failed", lookup=self.lookup.alias, reason=reason)
        traces.event("lookup_failed", alias=self.lookup.alias, word=reason)
        if self._settle({}, outcome):
            log.warning("lookup_left_out", lookup=self.lookup.alias, seconds=store.LEFT_OUT / 1000)

    def _settle(self, answers: Mapping[str, str], outcome: str) -> bool:
        try:
            return store.settle(self.lookup, self._e164, answers, self.seconds, outcome)
        except Unavailable as error:
            log.warning("unavailable", reason=str(error))
            return False


def reason_of(error: Exception) -> str:
    """One word for the log. Not the text of an unforeseen error, which may hold the number."""
    if isinstance(error, ProviderError):
        return error.code or type(error).__name__
    return str(error) if isinstance(error, Failed) else type(error).__name__


def _forget() -> None:
    global _slots
    _slots = threading.BoundedSemaphore(MOST_CALLS)  # threads that hold slots of the parent are not here


os.register_at_fork(after_in_child=_forget)
