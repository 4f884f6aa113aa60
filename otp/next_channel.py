"""Send codes on by the next channel of their purpose, where the one before does not work.

Whatever sweeps the queue of codes looks for those that are due: see lua/next.lua. The code is the same; the
message counts with limits, guard and budget as one that its user asks for, but no cooldown holds it off.
"""

from __future__ import annotations

from typing import Any

import structlog

from otp import purposes, services, store
from otp.errors import NotAllowed, RateLimited, StoreUnavailable
from sms import services as sms
from sms.message import Channel

log = structlog.get_logger("otp")

#: Codes that one sweep sends on. It runs every second.
MOST = 200


def look(queue: str, **_: Any) -> None:
    """Send on what is due, when the queue of codes is swept."""
    if queue != sms.OTP_QUEUE or sms.channels() == (Channel.SMS,):
        return
    if not any(rules.channels for rules in purposes.all_purposes().values()):
        return
    for id, message_id in store.next_due(MOST):
        try:
            if services.go_on(id, message_id):
                log.info("next_channel", verification_id=id)
                continue
        except StoreUnavailable:  # or there is too much to send just now: it comes back
            continue
        except (NotAllowed, RateLimited) as error:
            log.info("next_channel_refused", verification_id=id, reason=error.code)
        except Exception as error:  # of one code: the others need not wait. It comes back
            log.error("next_channel_failed", verification_id=id, error=type(error).__name__)
            continue
        store.stay(id, message_id)
