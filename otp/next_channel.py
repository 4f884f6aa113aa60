"""Send a code by the next channel of its purpose if the previous one does not work.

Each sweep of the queue of codes also looks for due ones: see lua/next.lua. The code stays the same.
The message counts for limits, guard and budget like one that the user asks for, but has no cooldown.
"""

from __future__ import annotations

from typing import Any

import structlog

from otp import purposes, services, store
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from sms import services as sms
from sms.message import Channel

log = structlog.get_logger("otp")

#: How many codes one sweep sends. It runs every second.
MOST = 200


def look(queue: str, **_: Any) -> None:
    """Send the due codes, when the queue of codes is swept."""
    if queue != sms.OTP_QUEUE or sms.channels() == (Channel.SMS,):
        return
    if not any(rules.channels for rules in purposes.all_purposes().values()):
        return
    for id, message_id in store.next_due(MOST):
        try:
            if services.go_on(id, message_id):
                log.info("next_channel", verification_id=id)
                continue
        except StoreUnavailable:  # or overload; this code is tried again
            continue
        except (NotAllowed, RateLimited) as error:
            log.info("next_channel_refused", verification_id=id, reason=error.code)
        except Exception as error:  # an error of one code must not stop the others; it is tried again
            log.error("next_channel_failed", verification_id=id, error=type(error).__name__)
            continue
        store.stay(id, message_id)
