"""Take the SMS that users send to us, for reverse verifications, from aliases that vouch for the sender."""

from __future__ import annotations

from typing import Any

from otp import inbound, services
from otp.errors import StoreUnavailable
from sms.errors import Unavailable
from sms.message import Inbound


def take(alias: str, message: Inbound, **_: Any) -> None:
    """Receives ``sms.signals.text_received``. Raises ``Unavailable``, so that the vendor sends it again."""
    if alias not in inbound.numbers():
        return
    try:
        services.hear(message.phone, message.text)
    except StoreUnavailable as error:
        raise Unavailable(str(error), error.retry_after) from error
