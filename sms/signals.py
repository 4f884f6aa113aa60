"""A Django signal for each event in the life of a message, with the name of its log line. Each carries
``message``, unless the list says otherwise.

If a receiver raises, the error is logged, and everything else goes on. Only ``text_received`` differs.
Receivers run in the process that learns of the event: ``message_queued`` and ``message_cancelled`` mostly in
the web process, ``message_delivered`` where the receipt arrives, the others in a worker.

``message_received`` and ``text_received`` are about a message from a user. Their ``message`` has a number and
a text in clear. Seal them by ``sms.services.seal`` before you put them into a queue.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.dispatch import Signal

log = structlog.get_logger("sms")


class Quiet(Signal):
    """A signal with data that must not be logged. Of a receiver's error, only the class is logged."""

    def _log_robust_failure(self, receiver: Any, err: Exception) -> None:
        name = getattr(receiver, "__qualname__", type(receiver).__name__)
        log.error("receiver_failed", receiver=name, error=type(err).__name__)


message_queued = Signal()  # A message was accepted.
message_retried = Signal()  # An attempt failed, and the message waits for its next round.
message_sent = Signal()  # A provider took it.
message_delivered = Signal()  # A receipt says that it reached the phone.
message_failed = Signal()  # No provider took it, or a receipt says that it did not arrive.
message_expired = Signal()  # Its code died, or its time was up, before it could be sent.
message_unknown = Signal()  # A provider may or may not have taken it.
message_cancelled = Signal()  # It was cancelled before it was sent.

#: ``alias``, ``country`` (empty: everywhere), ``error``: its calls fail, so it is not called for a while.
provider_left_out = Signal()
provider_back = Signal()  # ``alias``: a probe worked.

#: ``alias``, ``message`` (``sms.message.Inbound``): a user sent this. If its ``word`` is stop or start, that
#: has already taken effect. A vendor may repeat a message.
message_received = Quiet()

#: ``alias``, ``message``: as ``message_received``, but sent before it, and only for texts from an E.164
#: number that are not STOP, START or HELP. If a receiver raises, the callback fails, so that the vendor
#: repeats it.
text_received = Signal()

swept = Signal()  # ``queue``: a worker looked for messages that nobody has taken, as it does every second.

#: ``alias``, ``error``, ``count``: how many receipts were not the provider's own, or could not be read. Each
#: process sends at most one of each kind a minute.
receipt_rejected = Signal()
