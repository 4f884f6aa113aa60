"""What goes into ``otp.store`` and comes out of it: data, no rules. Times are seconds since the epoch."""

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
    """A code that is about to be sent: the id of its verification, its digits, and what is kept of it."""

    id: str
    code: str = field(repr=False)
    kept: tuple[str, ...] = ()  # names and values; nothing of a code that is kept already


@dataclass(frozen=True, slots=True)
class Sending:
    """What goes with the code: its SMS, and what that counts towards. As it is: nothing."""

    message: Prepared | None = None
    guard: Ask = None
    counted: Counted = NOTHING
    labels: str = ""  # country and name of the API key, for the tally
    channels: str = ""  # that the user may ask for, with commas between; "": there is only SMS
    tried: str = ""  # the same of those that were begun with
    asked: str = ""  # the same of those that the start or the user asked for
    life: float = 0.0  # seconds that the code lives; 0: its lifetime
    next_after: float = 0.0  # seconds until somebody looks whether another channel is next; 0: nobody does
    puzzle: Mapping[str, Any] | None = None  # what a start may have to solve, see otp.challenges.altcha


ALONE = Sending()


@dataclass(frozen=True, slots=True)
class Live:
    """The verification whose code somebody wants to have sent once more."""

    id: str
    now: float
    status: str = ""  # if there is none
    seed: str = ""
    by_id: str = ""
    created_at: float = 0.0
    expires_at: float = 0.0
    envelope: str = ""
    tried: str = ""  # channels, see ``Sending``
    asked: str = ""
    owner: str = ""  # the name of the API key that started it
    session: str = ""  # the id of the hand-off that it is for
    reverse: str = ""  # see ``Read``


@dataclass(frozen=True, slots=True)
class Read:
    """A verification as it stands."""

    status: str
    purpose: str
    left: int
    created_at: float
    expires_at: float
    resend_at: float
    reference: str  # id of its SMS
    asked_message: str  # the same, of the last one that the start or the user asked for
    caller_reference: str
    session: str  # id of the hand-off that it is for
    channels: str  # see ``Sending``
    tried: str
    asked: str
    goes_on: bool  # somebody will look whether another channel is next
    envelope: str  # sealed; "" once it is over
    reverse: str  # "1": its user is to send the code to us
    now: float  # by the clock of Redis


@dataclass(frozen=True, slots=True)
class Refusal:
    """The guard's refusal of a send.

    In the mode ``shadow``, and where an operator allows it, it still goes out.
    """

    reason: str  # "<word> <scope>", see otp/guard/lua/includes/guard.lua
    wait: int  # ms


@dataclass(frozen=True, slots=True)
class Issue:
    """What ``generate_otp`` and ``resend`` answer.

    ``issued``: ``id``, ``code``, ``expires_at`` and ``resend_at`` are set. ``pending``: a code was
    sent a moment ago; nothing is issued for ``retry_after`` seconds. ``blocked``: too many wrong
    guesses, again for ``retry_after`` seconds (0: this code never again). ``limited``: ``limit`` is
    reached. ``guard``: ``otp.guard`` refuses. ``overloaded``: its SMS would wait too long. ``challenge``: a
    puzzle is to be solved first. ``expired`` (``resend`` only): there is no live code to send again.
    """

    status: Literal["issued", "pending", "blocked", "limited", "guard", "overloaded", "challenge", "expired"]
    message: str
    id: str = ""
    code: str = field(default="", repr=False)
    expires_at: float = 0.0
    expires_in: float = 0.0  # seconds, by the clock of Redis; expires_at less our own time may be off
    resend_at: float = 0.0
    attempts_left: int = 0
    message_id: str = ""  # of its SMS, where it has one
    retry_after: int = 0
    limit: Rule | None = None
    refusal: Refusal | None = None  # what the guard says to it, also where it was issued

    @classmethod
    def refused(cls, status: Any, **why: Any) -> Issue:
        """Nothing is issued."""
        return cls(status, MESSAGES["guesses" if status == "blocked" else status], **why)


@dataclass(frozen=True, slots=True)
class Check:
    """What ``verify_otp`` answers to one guess.

    ``expired``: there is no live code: it ran out, was accepted before, cancelled, or never was.
    ``blocked``: too many wrong guesses; this code accepts none any more. Or, where ``limit`` is set
    (``services.check`` only), whoever guesses is over that limit for ``retry_after`` seconds.
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
    """A verification that is forgotten."""

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
