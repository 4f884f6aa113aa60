"""The story of a user's messages, in words that a support person can read out.

Each verification with all of its messages is one story, and so is each plain message. The command, the API
and the dashboard all show these texts. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

import structlog
from django.core.exceptions import ImproperlyConfigured

from sms import conf, given, history, phone, references, registry, store
from sms.errors import InvalidNumber, InvalidReference
from sms.history import Step, Told
from sms.message import FAULTS, Message, State

log = structlog.get_logger("sms")


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of a story."""

    at: float  # seconds since the epoch, the Redis server's clock
    text: str
    message_id: str
    what: str = ""  # the step in ``sms.history``, "" if there is none
    alias: str = ""
    word: str = ""  # the vendor's word, or ours

    @property
    def clock(self) -> str:
        return _clock(self.at)

    @property
    def iso(self) -> str:
        return datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def is_bad(self) -> bool:
        """Whether the line reports a failure."""
        return self.what in _BAD


@dataclass(frozen=True, slots=True)
class Story:
    """The story of a verification or a plain message, from first to last."""

    messages: tuple[Message, ...]  # the oldest first
    lines: tuple[Line, ...]

    @property
    def first(self) -> Message:
        return self.messages[0]

    @property
    def day(self) -> str:
        """The day on which it began: "28 November 2026"."""
        return datetime.fromtimestamp(self.first.created_at, UTC).strftime("%d %B %Y").lstrip("0")

    @property
    def what(self) -> str:
        return f"a code for {self.first.purpose}" if self.first.purpose else "a message"


def look(text: str, *, by: str) -> list[Story]:
    """The stories of a number, a reference, or the id of a message or verification. The latest come first.

    A text with + is always a number; any other is first looked up as an id or reference. ``by``: the name of
    the user who looks, for the log. Raises ``InvalidNumber``, also if the text is none of these, or
    ``Unavailable``.
    """
    text = (given.text(text) or "").strip()
    if text.startswith("+"):
        return of_number(text, by=by)
    known = [*history.of_verification(given.id(text)), *_with_siblings(text)]
    found = _stories([*known, *(history.of_reference(text) if references.is_one(text) else ())])
    if not found:
        try:
            return of_number(text, by=by)
        except InvalidNumber:
            if not (given.id(text) or references.is_one(text)):
                raise InvalidNumber(
                    "phone_invalid", "Give a number with + and the country code, a reference or an id."
                ) from None
    return _looked(found, "reference or id", by)


def of_number(spelling: given.Number, *, by: str) -> list[Story]:
    """The stories of a number. Raises ``InvalidNumber`` or ``Unavailable``."""
    number, region = given.phone(spelling), conf.get("PHONE_REGION")
    found = _stories(history.of_number(phone.canonical(number, region)))
    if not found:
        phone.parse(number, region)  # a number that does not exist was mistyped, unless it is a test number
    return _looked(found, "number", by)


def of_reference(reference: str, *, by: str) -> list[Story]:
    """The stories with this reference of a caller. Raises ``InvalidReference`` or ``Unavailable``."""
    reference = given.text(reference) or ""
    if not references.is_one(reference):
        raise InvalidReference
    return _looked(_stories(history.of_reference(reference)), "reference", by)


def _looked(found: list[Story], what: str, by: str) -> list[Story]:
    """Log the look-up, but not the text: it may be a number."""
    log.info("user_looked_up", what=what, by=by, found=len(found))
    return found


def _with_siblings(message_id: str) -> list[Told]:
    """A message and the others of its verification."""
    found = history.of_id(given.id(message_id))
    if not found:
        return []
    return history.of_verification(found.message.verification_id) or [found]


def _stories(found: Sequence[Told]) -> list[Story]:
    """One story for each verification or plain message. The latest come first."""
    if not found:
        return []
    now = store.now()
    once = {told.message.id: told for told in found}
    ordered = sorted(once.values(), key=lambda told: (_of(told.message), told.message.created_at))
    stories = [_story(tuple(group), now) for _, group in groupby(ordered, lambda told: _of(told.message))]
    places = {id: place for place, id in enumerate(once)}  # the order within one millisecond
    return sorted(stories, key=lambda story: (-story.first.created_at, places[story.first.id]))


def _of(message: Message) -> str:
    return message.verification_id or message.id


def _story(found: Sequence[Told], now: float) -> Story:
    lines = [line for place, told in enumerate(found) for line in _lines(told, place, now)]
    latest = found[-1].message
    if latest.verification_id and (end := _end(lines, found, now)):
        lines.append(Line(min(latest.expires_at, now), end, latest.id))
    lines.sort(key=lambda line: line.at)  # stable: lines of the same time keep their order
    return Story(tuple(told.message for told in found), tuple(lines))


def _lines(told: Told, place: int, now: float) -> Iterator[Line]:
    message = told.message
    yield Line(message.created_at, _beginning(message, place), message.id)
    for step in told.steps:
        text = _sentence(step, message)
        yield Line(step.at, text[0].upper() + text[1:], message.id, step.what, step.alias, step.word)
    match message.state:
        case State.QUEUED:
            yield Line(now, "It waits to be sent.", message.id)
        case State.SENDING:
            yield Line(now, "A worker is sending it.", message.id)


def _beginning(message: Message, place: int) -> str:
    if place:
        return "The code was asked for once more."
    asked = f"A code for {message.purpose} was asked for" if message.purpose else "A message was accepted"
    by = [f"key {message.api_key}"] if message.api_key else []
    by += [f"reference {message.reference}"] if message.reference else []
    return f"{asked} ({', '.join(by)})." if by else f"{asked}."


def _sentence(step: Step, message: Message) -> str:
    who, word = _who(step.alias), f": {step.word}" if step.word else ""
    sentences = {
        "call_accepted": f"{who} took the message{_after(step.took)}.",
        "call_temporary": f"{who} could not take it just now{word}.",
        "call_refused": f"{who} refused the number or the text{word}.",
        "call_account": f"{who} refused it because of our account{word}.",
        "call_unknown": f"{who} gave no clear answer, so it may have the message{word}.",
        "call_worker_died": f"Our worker died during the call to {who}, which may have the message.",
        "receipt_sent": f"{who} says that it is on its way.",
        "receipt_delivered": "The phone got it.",
        "receipt_failed": f"{who} says that it did not reach the phone{word}.",
        "receipt_cancelled": f"{who} took it back before it reached the phone.",
        "receipt_unknown": f"{who} reported a state that we do not know{word}.",
        "failed": _failed(message, step.word),
        "expired": "It was not sent in time.",
        "unknown": "We cannot tell whether it was sent.",
        "cancelled": _cancelled(message, step.alias),
        "check_invalid": "A wrong code was typed.",
        "check_valid": "The right code was typed.",
        "check_blocked": "A code was typed after too many wrong ones.",
        "approved": "The caller marked the number as verified without a code.",
        "cancelled_by_caller": "The caller cancelled the verification.",
        "replaced": "A newer code took its place.",
    }
    return sentences.get(step.what, f"{step.what.replace('_', ' ')}{word}.")


def _failed(message: Message, word: str) -> str:
    if message.fault in {"number_refused", "undelivered"}:  # the line before gives the reason
        return "It was not tried again."
    return f"It failed: {FAULTS.get(message.fault) or word or 'for an unknown reason'}."


def _cancelled(message: Message, alias: str) -> str:
    """``alias``: the provider that has taken it back, "" if none had it."""
    never_sent = _WITHHELD.get(message.withheld, "It was cancelled before it was sent.")
    return "It is no longer needed." if alias else never_sent


_WITHHELD = {
    "test_number": "No SMS was sent, because it is a test number.",
    "refused": "No SMS was sent, because this site refused the number.",
}

_BAD = {
    "call_temporary",
    "call_refused",
    "call_account",
    "call_unknown",
    "call_worker_died",
    "receipt_failed",
    "failed",
    "expired",
    "unknown",
    "check_invalid",
    "check_blocked",
}

#: These steps end a code.
_OVER = {"check_valid", "approved", "cancelled_by_caller", "replaced"}


def _end(lines: Sequence[Line], found: Sequence[Told], now: float) -> str:
    """The end of a code, if the user had one to type and no line reports its end."""
    happened, latest = {line.what for line in lines}, found[-1].message
    was_tried = bool(happened & {"check_invalid", "check_blocked"})
    reached_nobody = all(told.message.state in {State.FAILED, State.EXPIRED} for told in found)
    if happened & _OVER or (reached_nobody and not was_tried):
        return ""
    never = "The right code was" if was_tried else "The code was"
    if now < latest.expires_at:
        return f"{never} not typed so far; it expires at {_clock(latest.expires_at)} UTC."
    return f"{never} never typed; it expired at {_clock(latest.expires_at)} UTC."


def _who(alias: str) -> str:
    """ "Twilio (main)", or "the provider main" if it is no longer configured."""
    try:
        known = registry.aliases().get(alias)
    except ImproperlyConfigured:
        known = None
    return f"{known.provider.name} ({alias})" if known else f"the provider {alias}"


def _after(seconds: float) -> str:
    return f" after {seconds:.1f} s" if seconds >= 0.05 else " at once"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
