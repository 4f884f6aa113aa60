"""Record the outcome of an attempt, and report it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import structlog

from sms import receipts, steps, store
from sms.delivery import health
from sms.errors import Unavailable
from sms.facts import tell
from sms.message import Attempt, Message, State

log = structlog.get_logger("sms")

#: Seconds between tries to record an outcome while Redis is away.
RECORD_RETRY = 0.5

#: Seconds for which an acceptance is retried while Redis is away: the whole life of a default code.
PATIENCE = 120.0


def record(
    attempt: Attempt,
    target: State,
    why: store.Why = "",
    *,
    calls: Sequence[health.Ended] = (),
    took_ms: int | None = None,
    **more: Any,
) -> Message | None:
    """Record an outcome, and retry while it matters: a lost acceptance would make the message go out again.

    Arguments as for ``store.finish``. Returns the record if the message's state changed.
    """
    message_id, sent = attempt.message.id, target is State.SENT
    patience = max(steps.LEASE + steps.LAST_CHANCE, min(attempt.remaining, PATIENCE) if sent else 0)
    deadline, again = time.monotonic() + patience, False
    while True:
        try:
            moved, message, changed, early = store.finish(
                message_id,
                target,
                why,
                # SENT stands even if the lease was lost meanwhile: the provider has the message.
                attempt=None if sent else attempt.number,
                calls=[ended._asdict() for ended in calls],
                again=again,
                **more,
            )
            break
        except Unavailable:
            if time.monotonic() >= deadline:
                raise
            again = True
            time.sleep(RECORD_RETRY)
    health.tell(calls, changed)
    if early:
        receipts.record_early(message_id, early)
    if message is None or not moved:
        if message is None or message.state not in (State.SENT, State.DELIVERED):
            # In SENT and DELIVERED, a receipt overtook the answer of the call.
            log.warning("outcome_too_late", message_id=message_id, outcome=target)
        return None
    waits = message.state is target is State.QUEUED
    if waits and why == "unopened":
        if attempt.message.error != message.error:  # report it once
            log.error("message_unsealable", message_id=message_id, queue=message.queue)
    elif waits and not why:
        log.debug("message_waits", message_id=message_id, seconds=more.get("retry_in"))
    else:
        tell(message, took_ms=took_ms)
    return message
