"""The words of a message's life: its states, what may follow what, and its records."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class State(enum.StrEnum):
    """The state of a message."""

    QUEUED = "queued"  # accepted, waiting for a worker (or for its next round)
    SENDING = "sending"  # a worker holds its lease
    SENT = "sent"  # a provider took it
    DELIVERED = "delivered"  # a receipt says that it reached the phone
    FAILED = "failed"  # refused for good, by us, a provider or the network
    EXPIRED = "expired"  # its code died before it could be sent
    UNKNOWN = "unknown"  # a provider may have taken it; nobody can say
    CANCELLED = "cancelled"  # nobody wants it any more


class Channel(enum.StrEnum):
    """The way by which a message reaches a user."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    TELEGRAM = "telegram"
    VOICE = "voice"
    EMAIL = "email"


#: Why a message failed, in the same words for every vendor.
FAULTS = {
    "no_route": "no provider sends there",
    "no_provider": "no provider took it",
    "number_refused": "the provider refused the number or the text",
    "opted_out": "the number has opted out",
    "undelivered": "it did not reach the phone",
}

#: Why a message did not arrive, or may not have.
ERROR_CLASSES = FAULTS | {
    "not_in_time": "its time was over before it could be sent",
    "unknown": "a provider may have taken it; nobody can say",
    "withheld": "no provider was to have it",
}

#: Which states a state may become. Scripts get their rule from here, so it is written only once. Two more
#: ways lead back to QUEUED: a receipt says that a live code did not arrive (once), and a dead letter's
#: replay.
TRANSITIONS: dict[State, frozenset[State]] = dict.fromkeys(State, frozenset()) | {
    # SENT, DELIVERED, UNKNOWN: how an earlier attempt with an unknown outcome turned out.
    State.QUEUED: frozenset(State) - {State.QUEUED, State.FAILED},
    # A message recalled in this state ends as CANCELLED where it would have gone back to QUEUED. SENDING
    # again: the lease of a dead worker ran out. DELIVERED: a receipt can overtake its call's answer.
    State.SENDING: frozenset(State) - {State.CANCELLED},
    # A message that its vendor was asked to take back ends as CANCELLED where it would have FAILED.
    State.SENT: frozenset({State.DELIVERED, State.FAILED, State.UNKNOWN}),
    State.UNKNOWN: frozenset({State.SENT, State.DELIVERED, State.FAILED}),
}


def may_become(target: State) -> frozenset[State]:
    """The states from which a message may go to ``target``."""
    return frozenset(state for state, following in TRANSITIONS.items() if target in following)


@dataclass(frozen=True, slots=True)
class Message:
    """The record of a message: no text, no number, only a country and a masked form."""

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
    purpose: str = ""  # of the code that it carries
    api_key: str = ""  # name of the key that asked for it
    reference: str = ""  # the caller's own
    session: str = ""  # id of the session on the hosted pages that it belongs to
    fault: str = ""  # why it failed, in one of our words: see FAULTS
    withheld: str = ""  # why no provider may have it, such as test_number
    channel: str = "sms"  # of the alias asked last; before any call, of the first alias of its route
    first_channel: str = "sms"  # of the first alias of its route, by whose price it was counted
    channels: tuple[str, ...] = ()  # by which it may go before a receipt comes; (): only the first
    parts: int = 1  # billable segments of its text
    by_itself: bool = False  # its code went on to this channel by itself: nobody asked for that
    redirected: bool = False  # an alias that took it could not deliver it, so it went to another
    code_dead: bool = False  # its code was cancelled, replaced or blocked
    trace: str = ""  # the traceparent of the request for it, if that is traced: see sms.traces
    given_up_at: float = 0.0  # when it became a dead letter, if it was read as one; see ``waits_for_key``

    @property
    def waits_for_key(self) -> bool:
        """Whether no worker could open it so far. It is tried again, so ``given_up_at`` is the last try."""
        return self.error == "unsealable"

    @property
    def error_class(self) -> str:
        """One of ``ERROR_CLASSES``; "" if nothing has gone wrong so far."""
        match self.state:
            case State.FAILED:
                return self.fault or "no_provider"  # the previous version wrote none
            case State.EXPIRED:
                return "not_in_time"
            case State.UNKNOWN:
                return "unknown"
            case State.CANCELLED if self.withheld:
                return "withheld"
        return ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The alias for the next call, "" if none may be asked for ``wait`` seconds.

    If an alias comes with a ``wait``, the message now stands in its line.
    """

    alias: str
    wait: float = 0.0
    probe: bool = False
    opted_out: bool = False  # its number has opted out of all aliases of the route


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to hand one message to a provider, won by ``claim``."""

    message: Message
    # of the claim, 1 for the first. Once there is a newer one, the worker may record no outcome but SENT
    number: int
    sealed: bytes
    remaining: float  # seconds until the message expires, at the moment of the claim
    resend_unknown: bool  # may be sent once more if its outcome stays unknown
    rounds: int = 0  # how often all aliases of its route have failed
    hops: tuple[str, ...] = ()  # its route, in the order that was drawn for it
    chosen: Chosen | None = None  # by the claim; None: the claim could not choose
    # part of the idempotency key; it stays the same only when a hand-off with an unknown outcome is repeated
    key: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """One delivery report in our words. ``raw`` is the vendor's own status word."""

    reference: str  # our message id; "" if the vendor names only its own
    state: State
    raw: str
    provider_message_id: str = ""
    error: str = ""
    opted_out: str = field(
        default="", repr=False
    )  # the number (E.164), if the vendor says that it has opted out
    unreachable: bool = False  # the number does not have this channel, for which the alias is not to blame


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message from a user to one of our senders."""

    id: str  # the vendor's
    # the user's, as the vendor writes it; in sms.signals as E.164 if it is a number
    phone: str = field(repr=False)
    sender: str  # ours, to which the user wrote: a number, a short code or a name
    text: str = field(repr=False)
    # stop, start or help, if the text means that. A provider's module sets it only if the vendor says so
    word: str = ""
