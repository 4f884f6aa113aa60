"""The words of a message's life: its states, what may follow what, and its records."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.StrEnum):
    """Where a message is on its way. ``TRANSITIONS`` says what may come next."""

    QUEUED = "queued"  # accepted, waiting for a worker (or for its next round)
    SENDING = "sending"  # a worker holds its lease
    SENT = "sent"  # a provider took it
    DELIVERED = "delivered"  # a receipt says that it reached the phone
    FAILED = "failed"  # refused for good, by us, a provider or the network
    EXPIRED = "expired"  # its code died before it could be sent
    UNKNOWN = "unknown"  # a provider may have taken it; nobody can say
    CANCELLED = "cancelled"  # nobody wants it any more


#: Scripts get "which states may become this one" from here, so that the rule stands once. Two more ways
#: lead back to QUEUED: a receipt says that a live code did not arrive (once), and a dead letter's replay.
TRANSITIONS: dict[State, frozenset[State]] = dict.fromkeys(State, frozenset()) | {
    # SENT, DELIVERED, UNKNOWN: so ended an earlier attempt, whose outcome was unknown.
    State.QUEUED: frozenset(State) - {State.QUEUED, State.FAILED},
    # One that is called back in here ends as CANCELLED where it would have gone back to QUEUED.
    # SENDING again: the lease of a dead worker ran out. DELIVERED: a receipt can overtake its call's answer.
    State.SENDING: frozenset(State) - {State.CANCELLED},
    State.SENT: frozenset({State.DELIVERED, State.FAILED, State.UNKNOWN}),
    State.UNKNOWN: frozenset({State.SENT, State.DELIVERED, State.FAILED}),
}


def may_become(target: State) -> frozenset[State]:
    """The states from which a message may go to ``target``."""
    return frozenset(state for state, following in TRANSITIONS.items() if target in following)


@dataclass(frozen=True, slots=True)
class Message:
    """What is kept of a message: no text, no number, only a country and a masked form."""

    id: str
    state: State
    queue: str
    country: str
    masked: str
    created_at: float  # seconds since the epoch, the Redis server's clock
    expires_at: float  # after this it is not handed to a provider any more
    attempts: int = 0  # calls of a provider that have ended
    alias: str = ""
    provider_message_id: str = ""
    error: str = ""
    reported: str = ""  # the vendor's own last word about it
    request_id: str = ""
    verification_id: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The alias for the next call, "" if none may be asked for ``wait`` seconds.

    An alias with a ``wait`` has a line, in which the message stands now.
    """

    alias: str
    wait: float = 0.0
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to hand one message to a provider, won by ``claim``."""

    message: Message
    number: int  # of the claim, 1 for the first: the fencing token of the lease
    sealed: bytes
    remaining: float  # seconds until the message expires, at the moment of the claim
    resend_unknown: bool  # may be sent once more when its outcome stays unknown
    rounds: int = 0  # how often all aliases of its route have failed
    hops: tuple[str, ...] = ()  # its route, in the order that was drawn for it
    chosen: Chosen | None = None  # by the claim; None: it could not


@dataclass(frozen=True, slots=True)
class Receipt:
    """One delivery report in our words. ``raw`` is the vendor's own status word."""

    reference: str  # our message id
    state: State
    raw: str
    provider_message_id: str = ""
    error: str = ""
