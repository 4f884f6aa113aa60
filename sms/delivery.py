"""One attempt: claim the message, hand it to a provider, record what came of it.

Outcome of the call → what happens to the message:

    accepted     sent; nothing sends it again
    temporary    another round after ROUNDS seconds (or Retry-After, if later) while it lives
    permanent    failed
    unknown      a code is sent once more, whatever else is left as ``unknown``
    worker died  the lease runs out, a sweep brings the message back, and the claim treats the
                 attempt as unknown
"""

from __future__ import annotations

import time
from typing import Any

import structlog

from sms import conf, registry, store
from sms.errors import OutcomeUnknown, PermanentFailure, TemporaryFailure, Unavailable
from sms.facts import tell
from sms.message import Attempt, Message, State
from sms.providers.base import Sms
from sms.seal import Unsealable, unseal

log = structlog.get_logger("sms")

#: Seconds to wait after the first, second and third failed attempt. A code lives 120 s by default.
ROUNDS = (3.0, 10.0, 20.0)

#: Seconds between the attempts to write down an outcome while Redis is away.
RECORD_RETRY = 0.5


#: Seconds that an acceptance is held on to while Redis is away; a default code's whole life.
PATIENCE = 120.0


def deliver(message_id: str) -> None:
    """Run one attempt for ``message_id``, if there is anything to do for it."""
    verdict, found = store.claim(message_id)
    if isinstance(found, Message):  # the claim settled it: expired or unknown
        tell(found)
    elif found is None:
        log.debug("nothing_to_deliver", message_id=message_id, verdict=verdict)
    else:
        _attempt(found)


def _attempt(attempt: Attempt) -> None:
    deadline = time.monotonic() + attempt.remaining
    message = attempt.message
    provider = registry.default()
    try:
        content = unseal(attempt.sealed)
    except Unsealable:
        _record(attempt, State.FAILED, error="unsealable")
        return
    sms = Sms(
        id=message.id,
        to=content["to"],
        body=content["body"],
        expires_in=attempt.remaining,
        callback_url=_callback_url(provider.alias, message.id),
    )
    started = time.monotonic()
    try:
        provider_message_id = provider.send(sms)
    except TemporaryFailure as error:
        delay = _next_round(attempt.number, error.retry_after)
        again = delay is not None and time.monotonic() + delay < deadline
        _record(
            attempt,
            State.QUEUED if again else State.FAILED,
            retry_in=delay if again else None,
            alias=provider.alias,
            error=error.code or "temporary",
        )
    except PermanentFailure as error:
        _record(attempt, State.FAILED, alias=provider.alias, error=error.code or "permanent")
    except OutcomeUnknown as error:
        again = attempt.resend_unknown and time.monotonic() + ROUNDS[0] < deadline
        _record(
            attempt,
            State.QUEUED if again else State.UNKNOWN,
            retry_in=ROUNDS[0] if again else None,
            unknown=True,
            alias=provider.alias,
            error=error.code or "unknown",
        )
    else:
        _record(
            attempt,
            State.SENT,
            alias=provider.alias,
            provider_message_id=provider_message_id,
            error="",
            took_ms=round((time.monotonic() - started) * 1000),
        )


def _next_round(number: int, retry_after: float | None) -> float | None:
    if number > len(ROUNDS):
        return None
    return max(ROUNDS[number - 1], retry_after or 0.0)


def _callback_url(alias: str, message_id: str) -> str:
    public_url = conf.get("PUBLIC_URL")
    # Vendors refuse or cannot reach an address of this machine alone.
    if not public_url.startswith("https://"):
        return ""
    return f"{public_url.rstrip('/')}/v1/receipts/{alias}?reference={message_id}"


def _record(
    attempt: Attempt,
    target: State,
    *,
    retry_in: float | None = None,
    unknown: bool = False,
    took_ms: int | None = None,
    **fields: str,
) -> None:
    """Write the outcome down, and do not give up while it matters: an acceptance that is
    forgotten would be sent again.
    """
    # "sent" stands even if the lease was lost meanwhile: the provider has the message.
    token = None if target is State.SENT else attempt.number
    patience = max(store.LEASE, min(attempt.remaining, PATIENCE)) if target is State.SENT else store.LEASE
    deadline = time.monotonic() + patience
    while True:
        try:
            moved, message = store.move(
                attempt.message.id, target, attempt=token, retry_in=retry_in, unknown=unknown, **fields
            )
            break
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(RECORD_RETRY)
    if message is not None and moved:
        details: dict[str, Any] = {"took_ms": took_ms}
        tell(message, **details)
    elif message is None or message.state not in (State.SENT, State.DELIVERED):
        # SENT and DELIVERED: its receipt overtook the answer of the call.
        log.warning("outcome_too_late", message_id=attempt.message.id, outcome=target)
