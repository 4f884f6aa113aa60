"""Settle what a code has cost, where that is not what its start has counted.

A start counts the price of the first channel of its route, and reserves that of the dearest: another takes
over at once where the first does not reach the number, and nobody asks the budget then. When a provider has
taken it, or nobody will any more, the rest is given back. A cheaper channel gives back nothing of the price
of the first, which may have cost something too.

Where a receipt says that the code did not arrive, another provider has it besides: both bill it, so its whole
price is added.

Of a code that another program made there was no start, so nothing of it counts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import structlog

from otp.admission.limits import NO_COUNTRY
from otp.guard import settings
from otp.guard.decision import INCLUDES
from otp.names import IN_LUA
from sms import names, scripts
from sms.errors import Unavailable
from sms.message import Channel, Message, State
from sms.scripts import Script

log = structlog.get_logger("otp")

_PAY = Script(
    Path(__file__).parent / "lua" / "pay.lua",
    includes=(INCLUDES, scripts.INCLUDES),
    keys=IN_LUA | names.IN_LUA,
)

#: Those in which a provider has it, or may have it and will bill it.
_TAKEN = frozenset({State.SENT, State.UNKNOWN})


def settle(message: Message, **_: Any) -> None:
    """A message has reached one of the states that ``otp.apps`` connects this to."""
    setting, country = settings.read(), message.country or NO_COUNTRY
    if setting.mode == "off" or not message.verification_id or message.withheld:
        return

    def cost(channel: str) -> int:
        return setting.cost(country, Channel(channel), message.parts)

    last = cost(message.channel)
    if message.redirected:  # what the first one costs is settled
        more = spent = last if message.state in _TAKEN else 0
        part = "paid_again"
    else:
        first = cost(message.first_channel)
        is_over = message.state in (State.FAILED, State.EXPIRED, State.CANCELLED)
        spent = 0 if is_over and message.fault != "undelivered" else max(last - first, 0)
        part, more = "paid", first + spent - max(map(cost, message.channels), default=first)
    if not more and not spent:
        return
    args = {
        "id": message.id,
        "part": part,
        "counted_at": int(message.created_at * 1000),
        "more": more,
        "spent": spent,
        "country": country,
    }
    try:
        _PAY((), (json.dumps(args),))
    except Unavailable:
        log.error("guard_money_not_counted", message_id=message.id, country=country)
