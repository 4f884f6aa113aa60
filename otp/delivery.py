"""The state of a code's SMS, as callers may see it: its state, and what went wrong.

Test numbers, and numbers that a receiver of ``code_wanted`` refuses, get no SMS. Callers must not find out
which these are, nor which numbers we know. So unless they may see everything, such an SMS looks like any
other:

- ``delivered`` is shown as ``sent``, because it would never come for these numbers.
- A number that has opted out looks like any other refused number. Otherwise callers would learn that it once
  had an SMS from us.
- For the first ``SILENCE`` seconds only failures are shown. An SMS that no provider is to get ends at once,
  and its early state would give that away.

Nor must callers find out which numbers a channel does not reach. If a code moved on to another channel or
provider by itself, they see what they would see if it had not. They see a failure once no other attempt can
follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sms.message import Message, State

#: Seconds. A provider usually answers faster.
SILENCE = 5.0


@dataclass(frozen=True, slots=True)
class CodeSms:
    """The SMS of a code, as whoever asks may see it."""

    message_id: str
    state: State
    error: str = ""  # see ``sms.message.ERROR_CLASSES``
    age: float = 0.0  # seconds since it was accepted


def of_code(asked: Message, last: Message, now: float, *, goes_on: bool) -> CodeSms:
    """The view of a code for callers who may not see everything.

    ``asked``: the last message that somebody asked for. ``last``: the message to which the code has moved on
    by itself, or else the same one. ``goes_on``: whether the code may still move on.
    """
    if last.state is State.FAILED and not goes_on:
        return seen(replace(asked, state=last.state, fault=last.fault), now, in_full=False)
    if asked.state is State.FAILED:
        asked = replace(asked, state=State.SENT)
    return seen(asked, now, in_full=False)


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
    if message.redirected and state in (State.QUEUED, State.SENDING):  # the previous provider had accepted it
        state = State.SENT
    if message.provider_message_id and state is State.CANCELLED:  # taken back, as nobody had read it
        state = State.SENT
    if state is State.SENDING or (state is State.SENT and age < SILENCE):
        state = State.QUEUED
    return CodeSms(message.id, state, error, age)
