"""The scripts' answers about a message, as Python sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from sms.message import Attempt, Chosen, Message, State

Verdict = Literal[
    "claimed", "gone", "early", "busy", "done", "idle", "expired", "failed", "unknown", "cancelled"
]


class Claim(NamedTuple):
    """The result of ``claim``: an ``Attempt``, or a ``Message`` that the claim settled, or nothing."""

    verdict: Verdict
    found: Attempt | Message | None
    left_out: str  # the alias during whose call the last worker died, if that opened its breaker


class Choice(NamedTuple):
    """The result of ``choose``."""

    chosen: Chosen | None
    changed: Mapping[str, int]  # by alias or alias:country: 1 if its breaker opened, -1 if it closed


class Moved(NamedTuple):
    """The result of ``finish``."""

    moved: bool
    message: Message | None
    changed: Mapping[str, int]  # as in ``Choice``
    early: Mapping[str, str] | None = None  # a receipt that overtook the answer of the call


class Recorded(NamedTuple):
    """The result of ``record_receipt``."""

    moved: bool
    message: Message | None
    left_out: bool  # the alias is left out in this country from now on
    never_asked: bool  # the alias was not asked for the message


def read(message_id: str, record: Mapping[str, Any]) -> Message:
    """A record as a message."""
    texts = ("queue", "country", "masked", "alias", "provider_message_id", "error", "reported", "session")
    more = ("request_id", "verification_id", "purpose", "api_key", "reference", "fault", "withheld", "trace")
    return Message(
        id=message_id,
        state=State(record["state"]),
        created_at=int(record["created_at"]) / 1000,
        expires_at=int(record["expires_at"]) / 1000,
        by_itself=bool(record.get("by_itself")),
        redirected=bool(record.get("redirected")),
        code_dead=bool(record.get("code_dead")),
        # the previous version counted only claims
        attempts=int(record.get("calls", record.get("attempts", 0))),
        channel=record.get("channel", "sms"),
        first_channel=record.get("first_channel", "sms"),
        channels=tuple(name for name in record.get("channels", "").split(",") if name),
        parts=int(record.get("parts", 1)),
        **{name: record.get(name, "") for name in (*texts, *more)},
    )


def chosen(answer: Mapping[str, Any]) -> Chosen | None:
    """The alias that a script chose; None if it chose none."""
    found = answer.get("chosen")
    if not found:
        return None
    return Chosen(found["alias"], found["wait"] / 1000, found["probe"], found.get("opted_out", False))


def claimed(message: Message, answer: Mapping[str, Any]) -> Attempt:
    """The attempt that take.lua allows."""
    record = answer["record"]
    once_more_in_all = record["unknowns"] == "0" and "redirected" not in record
    return Attempt(
        message=message,
        number=int(record["attempts"]),
        sealed=answer["sealed"].encode(),
        remaining=answer["remaining"] / 1000,
        resend_unknown=record.get("resend_unknown") == "1" and once_more_in_all,
        rounds=int(record.get("rounds", 0)),
        hops=tuple(record.get("hops", "").split(",")),
        chosen=chosen(answer),
        # Each claim after an unknown outcome raises both.
        key=int(record["attempts"]) - int(record["unknowns"]),
    )
