"""Write down what came of an attempt, and tell of it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from sms import store
from sms.delivery import health
from sms.errors import Unavailable
from sms.facts import tell
from sms.message import Attempt, Message, State

log = structlog.get_logger("sms")

#: Seconds between the attempts to write down an outcome while Redis is away.
RECORD_RETRY = 0.5

#: Seconds that an acceptance is held on to while Redis is away; a default code's whole life.
PATIENCE = 120.0


def record(
    attempt: Attempt,
    target: State,
    *,
    retry_in: float | None = None,
    unknown: bool = False,
    round_over: bool = False,
    dead_letter: bool = False,
    calls: Sequence[health.Ended] = (),
    took_ms: int | None = None,
    **fields: str,
) -> Message | None:
    """Write the outcome down, and do not give up while it matters: an acceptance that is forgotten would be
    sent again. Returns the record if that moved the message. The arguments are those of ``store.finish``.
    """
    message_id, sent = attempt.message.id, target is State.SENT
    patience = max(store.LEASE, min(attempt.remaining, PATIENCE)) if sent else store.LEASE
    deadline = time.monotonic() + patience
    while True:
        try:
            moved, message, told = store.finish(
                message_id,
                target,
                # "sent" stands even if the lease was lost meanwhile: the provider has the message.
                attempt=None if sent else attempt.number,
                retry_in=retry_in,
                unknown=unknown,
                round_over=round_over,
                dead_letter=dead_letter,
                calls=[ended.call for ended in calls],
                breaker=health.breaker().figures if calls else None,
                **{"turn": ""} | fields,
            )
            break
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(RECORD_RETRY)
    for ended, changed in zip(calls, told, strict=False):
        ended.tell(changed)
    if message is None or not moved:
        if message is None or message.state not in (State.SENT, State.DELIVERED):
            # SENT and DELIVERED: its receipt overtook the answer of the call.
            log.warning("outcome_too_late", message_id=message_id, outcome=target)
        return None
    waits = message.state is target is State.QUEUED and not (unknown or round_over)
    if waits:
        log.debug("message_waits", message_id=message_id, seconds=retry_in)
    else:
        tell(message, took_ms=took_ms)
    return message
