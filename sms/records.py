"""What the scripts answer about a message, as Python sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sms.message import Attempt, Message, State

Verdict = Literal[
    "claimed", "gone", "early", "busy", "done", "idle", "expired", "failed", "unknown", "cancelled"
]

#: The fields of a record that a message shows, in the order of includes/shown.lua.
SHOWN = [
    "state",
    "queue",
    "country",
    "masked",
    "created_at",
    "expires_at",
    "attempts",
    "alias",
    "provider_message_id",
    "error",
    "reported",
    "request_id",
    "verification_id",
]


class Sent(NamedTuple):
    """What came of ``send``. Times in seconds since the epoch."""

    created_at: float
    expires_at: float
    called_back: Message | None  # the one that it replaces, if that waited


class Claim(NamedTuple):
    """What came of ``claim``: an ``Attempt``, or a ``Message`` that ended by it, or nothing."""

    verdict: Verdict
    found: Attempt | Message | None
    died_in: str  # the alias in whose call the worker before this one died


class Moved(NamedTuple):
    """What came of ``finish``."""

    moved: bool
    message: Message | None
    told: list[int]  # for each call, 1 if it opened a breaker, -1 if it closed one


class Reported(NamedTuple):
    """What came of ``report``."""

    moved: bool
    message: Message | None
    left_out: bool  # the alias is left out in this country from now on
    anothers: bool  # the alias was never asked for the message


def shown(message_id: str, record: Sequence[bytes | str | None]) -> Message:
    """What includes/shown.lua tells, as Redis or as JSON hands it over."""
    known = zip(SHOWN, record, strict=True)
    texts = {name: value.decode() if isinstance(value, bytes) else value for name, value in known if value}
    return read(message_id, texts)


def read(message_id: str, fields: Mapping[str, Any]) -> Message:
    """A record as a message."""
    return Message(
        id=message_id,
        state=State(fields["state"]),
        queue=fields["queue"],
        country=fields.get("country", ""),
        masked=fields.get("masked", ""),
        created_at=int(fields["created_at"]) / 1000,
        expires_at=int(fields["expires_at"]) / 1000,
        attempts=int(fields.get("attempts", 0)),
        alias=fields.get("alias", ""),
        provider_message_id=fields.get("provider_message_id", ""),
        error=fields.get("error", ""),
        reported=fields.get("reported", ""),
        request_id=fields.get("request_id", ""),
        verification_id=fields.get("verification_id", ""),
    )
