"""Record the outcome of an attempt, and announce it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import structlog

from sms import receipts, store
from sms.delivery import health
from sms.errors import Unavailable
from sms.facts import tell
from sms.message import Attempt, Message, State

log = structlog.get_logger("sms")

#: Seconds between two tries to record an outcome while Redis is away.
RECORD_RETRY = 0.5

#: Seconds to keep trying to record an acceptance: the lifetime of a code by default.
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
    """Record the outcome, and keep trying while Redis is away: a lost acceptance would be sent again.

    Takes the arguments of ``store.finish``. Returns the message if it moved to another state.
    """
    message_id, sent = attempt.message.id, target is State.SENT
    patience = max(store.LEASE + store.LAST_CHANCE, min(attempt.remaining, PATIENCE) if sent else 0)
    deadline = time.monotonic() + patience
    while True:
        try:
            moved, message, changed, early = store.finish(
                message_id,
                target,
                why,
                # SENT is recorded even without the lease, because the provider has the message.
                attempt=None if sent else attempt.number,
                calls=[ended._asdict() for ended in calls],
                **more,
            )
            break
        except Unavailable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RECORD_RETRY)
    health.tell(calls, changed)
    if early:
        receipts.record_early(message_id, early)
    if message is None or not moved:
        if message is None or message.state not in (State.SENT, State.DELIVERED):
            # If it is SENT or DELIVERED, its receipt overtook the answer of the call.
            log.warning("outcome_too_late", message_id=message_id, outcome=target)
        return None
    waits = message.state is target is State.QUEUED
    if waits and why == "unopened":
        if attempt.message.error != message.error:  # log an error only once
            log.error("message_unsealable", message_id=message_id, queue=message.queue)
    elif waits and not why:
        log.debug("message_waits", message_id=message_id, seconds=more.get("retry_in"))
    else:
        tell(message, took_ms=took_ms)
    return message
