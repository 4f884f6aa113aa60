"""One Django signal per fact of a message's life, by the name of its log line. Each carries ``message``.

A receiver that raises is logged and stops nothing. Receivers run in the process where the fact
became known: ``message_queued`` and ``message_cancelled`` mostly in the web process,
``message_delivered`` where the receipt arrived, the others in a worker.

``message_received`` alone is about no message of ours. Its ``message`` has a number and a text in clear: who
puts them into a queue seals them first, with ``sms.services.seal``.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.dispatch import Signal

log = structlog.get_logger("sms")


class Quiet(Signal):
    """One that brings what no log may hold: of a receiver's error only the kind is logged."""

    def _log_robust_failure(self, receiver: Any, err: Exception) -> None:
        name = getattr(receiver, "__qualname__", type(receiver).__name__)
        log.error("receiver_failed", receiver=name, error=type(err).__name__)


message_queued = Signal()  # it is accepted
message_retried = Signal()  # an attempt failed, the message waits for its next round
message_sent = Signal()  # a provider has it
message_delivered = Signal()  # its receipt says that the phone has it
message_failed = Signal()  # no provider took it, or its receipt says that it did not arrive
message_expired = Signal()  # its code died, or its time was up, before it could be sent
message_unknown = Signal()  # a provider may have it, and nobody can say
message_cancelled = Signal()  # it was called back before it was sent

#: ``alias``, ``country`` (empty: everywhere), ``error``: its calls fail, so it is not called for a while.
provider_left_out = Signal()
provider_back = Signal()  # ``alias``: a probe worked

#: ``alias``, ``message`` (``sms.message.Inbound``): a user sent this. If its ``word`` is stop or start, that
#: is done by now. A vendor may repeat a message.
message_received = Quiet()

#: ``alias``, ``message``: the same, but only a text of a number (E.164) that is no word, before anybody else
#: hears of it. What a receiver raises fails the call, so that the vendor repeats it.
text_received = Signal()

swept = Signal()  # ``queue``: a worker has looked what of it nobody takes, as it does every second

#: ``alias``, ``error``, ``count``: so many receipts were not the provider's own, or could not be read. At
#: most one a minute of each kind and process.
receipt_rejected = Signal()
