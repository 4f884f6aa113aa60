"""Hear what users send to us, by an alias that vouches for the sender: a verification may wait for it."""

from __future__ import annotations

from typing import Any

from otp import inbound, services
from otp.errors import StoreUnavailable
from sms.errors import Unavailable
from sms.message import Inbound


def take(alias: str, message: Inbound, **_: Any) -> None:
    """Receives ``sms.signals.text_received``. Raises ``Unavailable``, so that the vendor says it again."""
    if alias not in inbound.numbers():
        return
    try:
        services.hear(message.phone, message.text)
    except StoreUnavailable as error:
        raise Unavailable(str(error), error.retry_after) from error
