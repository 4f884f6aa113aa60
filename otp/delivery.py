"""What whoever waits for a code is told of its SMS.

Only a failure. "Sent" and "delivered" would show, by never coming, which numbers get no SMS: test numbers,
and those that a receiver of ``otp.signals.code_wanted`` refuses. Of these no failure is ever known.
"""

from __future__ import annotations

from typing import Literal

from otp.errors import StoreUnavailable
from sms import services as sms
from sms.errors import Unavailable
from sms.message import State

Delivery = Literal["underway", "failed"]


def of(message_id: str) -> Delivery:
    """``failed``: it could not be sent or did not arrive, and is not tried again.

    Raises ``StoreUnavailable``.
    """
    try:
        message = sms.get(message_id)
    except Unavailable as error:
        raise StoreUnavailable(retry_after=error.retry_after) from error
    return "failed" if message is not None and message.state is State.FAILED else "underway"
