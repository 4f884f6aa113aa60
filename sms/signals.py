"""One Django signal per fact of a message's life, by the name of its log line. Each carries ``message``.

A receiver that raises is logged and stops nothing. Receivers run in the process where the fact
became known: ``message_queued`` and ``message_cancelled`` mostly in the web process,
``message_delivered`` where the receipt arrived, the others in a worker.
"""

from __future__ import annotations

from django.dispatch import Signal

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

#: ``alias``, ``error``, ``count``: so many receipts were not the provider's own, or could not be read. At
#: most one a minute of each kind and process.
receipt_rejected = Signal()
