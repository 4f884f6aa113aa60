"""What is told of the SMS of a code: how it stands, and what went wrong, in plain words.

Test numbers, and those that a receiver of ``code_wanted`` refuses, get no SMS. Who asks shall not see which
these are, nor which numbers we know. So for anybody who may not see it the SMS of such a number looks like
any other:

* ``delivered`` would show them by never coming, so it is told as ``sent``;
* who has opted out had an SMS of ours before, so it is told as any other number that is refused;
* a provider takes a moment, and who is not asked takes none: for the first ``SILENCE`` seconds nothing but a
  failure is told.
"""

from __future__ import annotations

from dataclasses import dataclass

from sms.message import Message, State

#: Seconds. A provider's answer takes less, as a rule.
SILENCE = 5.0


@dataclass(frozen=True, slots=True)
class CodeSms:
    """The SMS of a code, as whoever asks may see it."""

    message_id: str
    state: State
    error: str = ""  # see ``sms.message.ERROR_CLASSES``
    age: float = 0.0  # seconds since it was accepted


def seen(message: Message, now: float, *, in_full: bool) -> CodeSms:
    """``now``: by the clock of Redis. ``in_full``: whoever asks may see which numbers get no SMS."""
    age = max(now - message.created_at, 0.0)
    if in_full:
        return CodeSms(message.id, message.state, message.error_class, age)
    state, error = message.state, message.error_class
    if state is State.DELIVERED or error == "withheld":
        state, error = State.SENT, ""
    if error == "opted_out":
        error = "number_refused"
    if state is State.SENDING or (state is State.SENT and age < SILENCE):
        state = State.QUEUED
    return CodeSms(message.id, state, error, age)
