"""A verification as callers see it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from otp import delivery, inbound, steps
from otp.channels import Way
from otp.delivery import CodeSms
from otp.results import Issue, Read
from sms import services as sms
from sms.errors import Unavailable
from sms.message import Channel, State
from sms.phone import Phone

#: All that most callers learn of the SMS is whether it failed. ``otp.delivery`` tells more.
Delivery = Literal["underway", "failed"]


@dataclass(frozen=True, slots=True)
class Verification:
    """One proof of a phone for one purpose. Times are seconds since the epoch, 0 once it has ended."""

    id: str
    status: Literal["pending", "valid", "expired", "blocked"]
    expires_at: float = 0.0
    resend_at: float = 0.0
    attempts_left: int = 0
    masked: str = ""  # of the phone, if known here
    message_id: str = ""
    delivery: Delivery | Literal[""] = ""  # of the SMS, while the verification is pending
    sms: CodeSms | None = None  # while its record is kept
    channels: tuple[Channel, ...] = (Channel.SMS,)  # in the order of trying
    # The last one asked for; with full access, the last one tried; None: the user sends the code to us.
    channel: Channel | None = Channel.SMS
    asked: tuple[Channel, ...] = (Channel.SMS,)  # by the start or the user, in order
    reference: str = ""  # the caller's own, from the start
    wanted: inbound.Wanted | None = None  # what the user is to send; only for whoever started it


def as_begun(issue: Issue, number: Phone, way: Way, reference: str) -> Verification:
    """The verification of a code that was just issued."""
    asked = way.asked or way.able[:1]
    return Verification(
        issue.id,
        "pending",
        expires_at=issue.expires_at,
        resend_at=issue.resend_at,
        attempts_left=issue.attempts_left,
        masked=number.masked,
        message_id=issue.message_id,
        delivery="underway" if issue.message_id else "",
        sms=CodeSms(issue.message_id, State.QUEUED) if issue.message_id else None,
        reference=reference,
        channels=way.able,
        channel=asked[-1] if asked else None,
        asked=asked,
    )


def as_it_stands(id: str, found: Read, *, in_full: bool, with_wanted: bool) -> Verification:
    """The verification as callers see it, made from its stored state; see ``services.status``."""
    status: Any = found.status
    shown = _seen(found, in_full=in_full)
    known = Verification(id, status, sms=shown, reference=found.caller_reference)
    if found.reverse:
        known = replace(known, channels=(), channel=None, asked=())
    else:
        asked = _channels(found.asked)
        known = replace(
            known,
            channels=_channels(found.channels),
            channel=_channels(found.tried)[-1] if in_full else asked[-1],
            asked=asked,
        )
    if status != "pending":
        return known
    pending = replace(known, expires_at=found.expires_at, resend_at=found.resend_at, attempts_left=found.left)
    if not found.reverse:
        return replace(pending, delivery="failed" if shown and shown.state is State.FAILED else "underway")
    return replace(pending, wanted=_wanted(found)) if with_wanted else pending


def _wanted(found: Read) -> inbound.Wanted | None:
    """The SMS that the user is to send; None if it cannot be unsealed, or OTP_REVERSE is empty by now."""
    with suppress(sms.Unsealable):
        kept = sms.unseal(found.envelope.encode())
        return inbound.wanted(kept["code"], kept["to"], kept["locale"]) if inbound.numbers() else None
    return None


def _channels(names: str) -> tuple[Channel, ...]:
    """Parse the stored names; an empty string stands for SMS only."""
    return tuple(Channel(name) for name in names.split(",") if name) or (Channel.SMS,)


def _seen(found: Read, *, in_full: bool) -> CodeSms | None:
    try:
        asked, last = sms.get_all([found.asked_message, found.reference])
    except Unavailable as error:
        raise steps.unavailable(error) from error
    if not last:
        return None
    if in_full:
        return delivery.seen(last, found.now, in_full=True)
    return delivery.of_code(asked or last, last, found.now, goes_on=found.goes_on)
