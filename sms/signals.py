"""One Django signal per fact of a message's life. Each carries ``message``, a ``Message``.

A receiver that raises is logged and stops nothing. Receivers run in the process where the fact
became known: ``message_queued`` and ``message_cancelled`` mostly in the web process,
``message_delivered`` where the receipt arrived, the others in a worker.
"""

from __future__ import annotations

from django.dispatch import Signal

from sms.message import Message, State

message_queued = Signal()
message_retried = Signal()  # an attempt failed, the message waits for its next round
message_sent = Signal()
message_delivered = Signal()
message_failed = Signal()
message_expired = Signal()
message_unknown = Signal()
message_cancelled = Signal()

#: ``alias``, ``country`` (empty: everywhere), ``error``: its calls fail, so it is not called for a while.
provider_left_out = Signal()
provider_back = Signal()  # ``alias``: a probe worked

#: ``alias``, ``error``, ``count``: so many reports were not the provider's own, or could not be read. At
#: most one a minute of each kind and process.
receipt_rejected = Signal()

_BY_STATE = {
    State.SENT: message_sent,
    State.DELIVERED: message_delivered,
    State.FAILED: message_failed,
    State.EXPIRED: message_expired,
    State.UNKNOWN: message_unknown,
    State.CANCELLED: message_cancelled,
}


def announce(message: Message) -> None:
    """Send the signal of the state that ``message`` has just reached."""
    if message.state is State.QUEUED:
        signal = message_retried if message.attempts else message_queued
    else:
        signal = _BY_STATE[message.state]
    signal.send_robust(Message, message=message)
