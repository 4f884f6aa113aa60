"""Arguments and results of ``otp.store``: data, no rules. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from otp.admission.limits import NOTHING, Counted
from otp.admission.rules import Rule

if TYPE_CHECKING:
    from otp.guard.decision import Ask
    from sms.services import Prepared


@dataclass(frozen=True, slots=True)
class Draft:
    """A code to be sent: the id of its verification, its digits, and the fields to keep."""

    id: str
    code: str = field(repr=False)
    kept: tuple[str, ...] = ()  # names and values; empty for a code that is kept already


@dataclass(frozen=True, slots=True)
class Sending:
    """The SMS to send with a code, and the limits that it counts towards. By default nothing."""

    message: Prepared | None = None
    guard: Ask = None
    counted: Counted = NOTHING
    labels: str = ""  # for the tally: country and name of the API key
    channels: str = ""  # those that the user may ask for, comma-separated; "": only SMS
    tried: str = ""  # those already tried, likewise
    asked: str = ""  # those that the start or the user asked for, likewise
    life: float = 0.0  # seconds that the code lives; 0: the purpose's lifetime
    next_after: float = 0.0  # seconds until the first check for the next channel; 0: never
    puzzle: Mapping[str, Any] | None = None  # for the start to solve, see otp.challenges.altcha


ALONE = Sending()


@dataclass(frozen=True, slots=True)
class Live:
    """A verification whose code is about to be sent again."""

    id: str
    now: float
    status: str = ""  # "" if there is none
    seed: str = ""
    by_id: str = ""
    created_at: float = 0.0
    expires_at: float = 0.0
    envelope: str = ""
    tried: str = ""  # channels, see ``Sending``
    asked: str = ""
    owner: str = ""  # name of the API key that started it
    session: str = ""  # id of the session that it belongs to, see ``otp.sessions``
    reverse: str = ""  # see ``Read``


@dataclass(frozen=True, slots=True)
class Read:
    """The stored state of a verification."""

    status: str
    purpose: str
    left: int
    created_at: float
    expires_at: float
    resend_at: float
    reference: str  # id of its SMS
    asked_message: str  # id of the last SMS that the start or the user asked for
    caller_reference: str
    session: str  # id of the session that it belongs to, see ``otp.sessions``
    channels: str  # see ``Sending``
    tried: str
    asked: str
    goes_on: bool  # it may still go by another channel
    envelope: str  # sealed; "" once it has ended
    reverse: str  # "1": the user sends the code to us
    now: float  # by the clock of Redis


@dataclass(frozen=True, slots=True)
class Refusal:
    """The guard's refusal. In ``shadow`` mode, or if an operator allowed it, the code is still sent."""

    reason: str  # "<word> <scope>", see otp/guard/lua/includes/guard.lua
    wait: int  # ms


@dataclass(frozen=True, slots=True)
class Issue:
    """The result of ``generate_otp`` and ``resend``.

    ``issued``: ``id``, ``code``, ``expires_at`` and ``resend_at`` are set. ``pending``: a code was just sent;
    the next one in ``retry_after`` seconds. ``blocked``: too many wrong guesses; again in ``retry_after``
    seconds (0: never for this code). ``limited``: ``limit`` is reached. ``guard``: ``otp.guard`` refused.
    ``overloaded``: the SMS would wait too long. ``challenge``: solve a puzzle first. ``expired``: no code is
    live (``resend`` only).
    """

    status: Literal["issued", "pending", "blocked", "limited", "guard", "overloaded", "challenge", "expired"]
    message: str
    id: str = ""
    code: str = field(default="", repr=False)
    expires_at: float = 0.0
    expires_in: float = 0.0  # seconds by the clock of Redis; expires_at minus our own time may be off
    resend_at: float = 0.0
    attempts_left: int = 0
    message_id: str = ""  # of its SMS, if it has one
    retry_after: int = 0
    limit: Rule | None = None
    refusal: Refusal | None = None  # the guard's, even if the code was issued nevertheless

    @classmethod
    def refused(cls, status: Any, **why: Any) -> Issue:
        """A result that issues nothing."""
        return cls(status, MESSAGES["guesses" if status == "blocked" else status], **why)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of ``verify_otp`` for one guess.

    ``expired``: no code is live: it expired, was accepted before, was cancelled, or never existed.
    ``blocked``: too many wrong guesses, and this code accepts no more. If ``limit`` is set
    (``services.check`` only), the caller is over that limit for ``retry_after`` seconds.
    """

    status: Literal["valid", "invalid", "expired", "blocked"]
    message: str
    attempts_left: int = 0
    id: str = ""
    purpose: str = ""
    retry_after: int = 0
    limit: Rule | None = None
    reference: str = ""  # the caller's own, from the start


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A verification that was cancelled."""

    purpose: str
    reference: str  # the caller's own


MESSAGES = {
    "issued": "OTP sent.",
    "pending": "OTP already sent. Please wait.",
    "limited": "Too many OTPs. Please try again later.",
    "guesses": "Too many wrong guesses. Please try again later.",
    "guard": "No OTP can be sent to this number now.",
    "overloaded": "No OTP can be sent in time now.",
    "challenge": "Solve a puzzle first.",
    "valid": "OTP verified.",
    "invalid": "Invalid OTP.",
    "expired": "OTP expired or not found.",
    "blocked": "Too many attempts. Please request a new OTP.",
}
