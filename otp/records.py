"""What ``otp.store`` takes and keeps: data, no rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otp.admission.limits import NOTHING, Counted
from otp.guard.decision import Ask

if TYPE_CHECKING:
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


ALONE = Sending()


@dataclass(frozen=True, slots=True)
class Live:
    """The verification whose code somebody wants to have sent once more."""

    id: str
    now: float  # seconds since the epoch, as the next
    created_at: float
    status: str  # "" if there is none
    seed: str
    by_id: str
    envelope: str


@dataclass(frozen=True, slots=True)
class Read:
    """A verification as it stands. Times are seconds since the epoch."""

    status: str
    purpose: str
    left: int
    expires_at: float
    resend_at: float
    reference: str  # id of its SMS
