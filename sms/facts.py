"""Announce each change of a message by one log line and one signal."""

from __future__ import annotations

from typing import Any

import structlog

from sms import signals
from sms.message import Message, State

log = structlog.get_logger("sms")

#: States that an operator should look at are logged as warnings.
_WARN = {State.FAILED, State.UNKNOWN, State.EXPIRED}


def about(message: Message, **details: Any) -> dict[str, Any]:
    """The fields of each log line about a message, with ``details``. Empty fields are left out."""
    shown = {
        "message_id": message.id,
        "verification_id": message.verification_id,
        "request_id": message.request_id,
        "reference": message.reference,
        "country": message.country,
        **details,
    }
    return {name: value for name, value in shown.items() if value not in ("", 0, None)}


def tell(message: Message, **details: Any) -> None:
    """Log and signal the state that ``message`` has just reached, without its number and text."""
    retried = message.state is State.QUEUED and message.attempts
    event = "message_retried" if retried else f"message_{message.state}"
    write = log.warning if message.state in _WARN else log.info
    last = {"alias": message.alias, "attempt": message.attempts, "error": message.error}
    write(event, **about(message, **last, **details))
    getattr(signals, event).send_robust(Message, message=message)
