"""Attempts: the messages of verifications, and how many of their codes were typed.

Messages are listed while their records are kept (``MESSAGE_RECORD_HOURS``), at most 100 of a key or a number.
A key without the scope ``read`` does not see a message by which a code moved on to another channel. Guesses
after such a message count for the message before it. The summary uses the tally, which counts by key, purpose
and hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse

from otp import conf, delivery, store
from otp.admission import refusals
from otp.twilio import errors, sids
from otp.twilio.channels import CHANNELS, word
from otp.twilio.door import PAGING, Asked, answered, iso, one_of
from otp.twilio.errors import invalid
from sms import history, phone, tally
from sms import services as sms
from sms.history import Step, Told
from sms.message import Message, State

#: Days that the summary can look back (see ``sms.tally``), and its default.
_KEPT_DAYS, _USUAL_DAYS = 35, 30

_HOUR, _HOURS = 3600, 24

#: Twilio's words for the states of a message.
_STATUS = {State.EXPIRED: "failed", State.UNKNOWN: "sent", State.CANCELLED: "canceled"}

#: Steps of a code that was typed, or that the caller vouched for.
_CONVERTING = {"check_valid", "approved"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A message as the key sees it."""

    told: Told
    last: Message  # the message to which its code moved on, or itself
    goes_on: bool = False  # whether its code may still move on


def listed(asked: Asked) -> HttpResponse:
    """The attempts of a key, a number or a verification, the latest first."""
    asked.require_known(
        *("DateCreatedAfter", "DateCreatedBefore", "ChannelData.To", "Country", "Channel"),
        *("VerifyServiceSid", "VerificationSid", "Status", *PAGING),
    )
    to, sid = asked.take("ChannelData.To"), asked.take("VerificationSid")
    e164, is_wanted = _e164(to) if to else "", _filter(asked)
    if sid:
        found = history.of_verification(sids.id_of(sids.VERIFICATION, sid))
    else:
        found = _of_number(asked, e164) if e164 else history.of_api_key(asked.owner)
    now = sms.now()
    shown = [_shown(asked, attempt, now) for attempt in _seen(asked, found) if is_wanted(attempt)]
    return asked.page("attempts", shown, "Attempts")


def fetch(asked: Asked, sid: str) -> HttpResponse:
    """One attempt."""
    asked.require_known()
    id = sids.id_of(sids.ATTEMPT, sid)
    told = history.of_id(id) if id else None
    if told and _is_own(asked, told):
        for attempt in _seen(asked, history.of_verification(told.message.verification_id)):
            if attempt.told.message.id == id:
                return answered(_shown(asked, attempt, sms.now()))
    raise errors.not_found("/Attempts/{Sid}")


def summary(asked: Asked) -> HttpResponse:
    """How many codes were sent in a period, and how many of them were typed. It counts whole hours."""
    asked.require_known(
        *("VerifyServiceSid", "DateCreatedAfter", "DateCreatedBefore"),
        *("Country", "Channel", "DestinationPrefix"),
    )
    for name in ("Country", "Channel", "DestinationPrefix"):
        if name in asked.given:
            raise invalid(name, "it is not counted here. The dashboard shows countries and channels")
    service = asked.take("VerifyServiceSid")
    names = {asked.purpose(service).name} if service else {rules.name for rules in asked.purposes()}
    now = sms.now()
    first = asked.moment("DateCreatedAfter")
    first = now - _USUAL_DAYS * _HOURS * _HOUR if first is None else first
    first = max(first, now - _KEPT_DAYS * _HOURS * _HOUR)
    last = asked.moment("DateCreatedBefore")
    sent = typed = 0
    for series, count in _counted(int(first // _HOUR), int(min(now if last is None else last, now) // _HOUR)):
        match series:
            case ("starts", ("issued" | "resent", purpose, _, key)) if purpose in names:
                sent += count * (key == asked.owner)
            case ("checks", ("valid", purpose, key)) if purpose in names:
                typed += count * (key == asked.owner)
    typed = min(typed, sent)  # some codes were sent before the first hour
    return answered(
        {
            "total_attempts": sent,
            "total_converted": typed,
            "total_unconverted": sent - typed,
            "conversion_rate_percentage": round(100 * typed / sent, 9) if sent else 0,
            "url": asked.url("Attempts", "Summary"),
        }
    )


def _counted(first: int, last: int) -> Iterator[tuple[tally.Series, int]]:
    """The counts from one hour to another, both included. Whole days are read as days."""
    days = range(-(-first // _HOURS), (last + 1) // _HOURS)
    hours = [hour for hour in range(first, last + 1) if hour // _HOURS not in days]
    for fields in (*tally.read("counts", "day", days), *tally.read("counts", "hour", hours)):
        yield from tally.series(fields)


def _of_number(asked: Asked, e164: str) -> list[Told]:
    """The messages to a number. Without the scope ``phone``, those of sessions are left out.

    The user of a session typed the number, and a key that may not see it must not find it out by trying.
    """
    sees_all = "phone" in asked.access.scopes
    return [told for told in history.of_number(e164) if sees_all or not told.message.session]


def _e164(to: str) -> str:
    with refusals.translated():
        return (
            sms.by_email(sms.read_email(to)).e164
            if "@" in to
            else phone.canonical(to, conf.get("PHONE_REGION"))
        )


def _seen(asked: Asked, found: Sequence[Told]) -> list[Attempt]:
    """``found``: the latest first."""
    if asked.in_full:
        return [Attempt(told, told.message) for told in found]
    going_on = store.going_on({told.message.verification_id for told in found})
    attempts: list[Attempt] = []  # the latest last
    for told in reversed(found):
        id = told.message.verification_id
        if not told.message.by_itself:
            attempts.append(Attempt(told, told.message, id in going_on))
            continue
        for place, before in reversed(list(enumerate(attempts))):
            if before.told.message.verification_id == id:
                both = Told(before.told.message, (*before.told.steps, *told.steps))
                attempts[place] = Attempt(both, told.message, before.goes_on)
                break
    return attempts[::-1]


def _channel(asked: Asked, message: Message) -> str | None:
    return word(message.channel if asked.in_full else message.first_channel)


def _is_own(asked: Asked, told: Told) -> bool:
    message = told.message
    owned = message.api_key == asked.owner and message.verification_id
    return bool(owned) and asked.access.allows(message.purpose)


def _filter(asked: Asked) -> Callable[[Attempt], bool]:
    """A predicate for the attempts that were asked for. Malformed filters are refused here."""
    service, country = asked.take("VerifyServiceSid"), asked.take("Country")
    channel = one_of("Channel", asked.take("Channel"), CHANNELS)
    status = one_of("Status", asked.take("Status"), ("converted", "unconverted"))
    after, before = asked.moment("DateCreatedAfter"), asked.moment("DateCreatedBefore")

    def is_wanted(attempt: Attempt) -> bool:
        message = attempt.told.message
        return (
            _is_own(asked, attempt.told)
            and service in ("", sids.of_name(sids.SERVICE, message.purpose))
            and country in ("", message.country)
            and channel in ("", _channel(asked, message))
            and status in ("", _conversion(attempt.told))
            and (after is None or message.created_at >= after)
            and (before is None or message.created_at <= before)
        )

    return is_wanted


def _conversion(told: Told) -> str:
    typed = _CONVERTING.intersection(step.what for step in told.steps)
    return "converted" if typed else "unconverted"


def _last_guess(told: Told) -> float:
    """When the code was last guessed. Other steps are not shown: their absence would reveal numbers that get
    no SMS.
    """
    return max([step.at for step in told.steps if _is_guess(step)], default=told.message.created_at)


def _is_guess(step: Step) -> bool:
    return step.what.startswith("check_") or step.what in _CONVERTING


def _shown(asked: Asked, attempt: Attempt, now: float) -> dict[str, Any]:
    told = attempt.told
    message = told.message
    if asked.in_full:
        seen = delivery.seen(message, now, in_full=True)
    else:
        seen = delivery.of_code(message, attempt.last, now, goes_on=attempt.goes_on)
    sid = sids.of_id(sids.ATTEMPT, message.id)
    return {
        "sid": sid,
        "account_sid": asked.account,
        "service_sid": sids.of_name(sids.SERVICE, message.purpose),
        "verification_sid": sids.of_id(sids.VERIFICATION, message.verification_id),
        "date_created": iso(message.created_at),
        "date_updated": iso(_last_guess(told)),
        "conversion_status": _conversion(told),
        "channel": _channel(asked, message),
        "price": None,
        "channel_data": {
            "to": message.masked,
            "country": message.country or None,
            "message_status": _STATUS.get(seen.state, seen.state.value),
        },
        "url": asked.url("Attempts", sid),
    }
