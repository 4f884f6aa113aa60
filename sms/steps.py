"""Loads the scripts of this package, with what all of them know."""

from __future__ import annotations

from pathlib import Path

from sms.names import IN_LUA
from sms.scripts import Script
from sms.webhooks import endpoints

#: Seconds that a claim holds: the longest provider call (connecting and answer, see ``providers.transport``),
#: and one more.
LEASE = 25.0

#: Seconds after that in which the caller may still record how its call ended. They begin when the lease is
#: found to have run out, as Redis may have been away. Enough for two tries at 2.5 s, if Redis hangs.
LAST_CHANCE = 5.0

#: The queues of messages. Codes do not wait behind newsletters.
QUEUES = OTP_QUEUE, BULK_QUEUE = "otp", "bulk"

#: The queue that wakes the sender of events; see ``sms.webhooks``.
EVENTS_QUEUE = "events"


def script(name: str, *, accepts: bool = False) -> Script:
    """Load a script of this package. ``accepts``: see ``Script``."""
    path = Path(__file__).parent / "lua" / f"{name}.lua"
    lease, last_chance = int(LEASE * 1000), int(LAST_CHANCE * 1000)
    return Script(
        path,
        keys=IN_LUA,
        accepts=accepts,
        CODES=OTP_QUEUE,
        LEASE=lease,
        LAST_CHANCE=last_chance,
        **endpoints.FOR_LUA,
    )
