"""What ``otp.store`` takes and answers: data, no rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from otp.results import Refusal


@dataclass(frozen=True, slots=True)
class Code:
    """What is kept of a code: what it is derived from, and what guesses are compared with."""

    seed: str
    by_id: str
    by_phone: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A code was issued, or let out again. Times are seconds since the epoch, by Redis's clock."""

    now: float
    expires_at: float
    resend_at: float
    left: int  # attempts
    told: Refusal | None  # what the guard would refuse


@dataclass(frozen=True, slots=True)
class Refused:
    """The script has written nothing."""

    status: Literal["pending", "blocked", "overloaded", "limited", "guard", "expired"]
    wait: int = 0  # whole seconds
    limit: int = 0  # place of the limit that is reached
    refusal: Refusal | None = None  # of the guard


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
class Verified:
    """What became of a guess. ``limited``: it was not compared."""

    status: Literal["valid", "invalid", "expired", "blocked", "limited"]
    left: int = 0
    id: str = ""
    purpose: str = ""
    wait: int = 0  # whole seconds, where a limit is reached
    limit: int = 0  # its place


@dataclass(frozen=True, slots=True)
class Read:
    """A verification as it stands. Times are seconds since the epoch."""

    status: str
    purpose: str
    left: int
    expires_at: float
    resend_at: float
    envelope: str
    reference: str  # id of its SMS
