"""Correct the cost of a code when it differs from what its start has counted.

A start counts the price of the first channel of its route, and reserves the price of the dearest. If the
first channel does not reach the number, the next takes over without another look at the budget. The rest of
the reservation is given back as soon as a provider takes the message, or none can take it any more. If a
cheaper channel took it, the price of the first is kept: the first may have cost something too.

After a receipt "not delivered" another provider gets the message as well. Both bill it, so its whole price is
added.

Codes made by other programs had no start here, so nothing of them is counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from otp.admission.limits import NO_COUNTRY
from otp.guard import settings
from otp.guard.decision import INCLUDES
from otp.names import IN_LUA
from sms import cells, names, scripts
from sms.cells import HUB
from sms.errors import Unavailable
from sms.message import Channel, Message, State
from sms.scripts import Script

log = structlog.get_logger("otp")

_PAY = Script(
    Path(__file__).parent / "lua" / "pay.lua",
    includes=(INCLUDES, scripts.INCLUDES),
    keys=IN_LUA | names.IN_LUA,
)

#: States in which a provider has the message, or may have it, and bills it.
_TAKEN = frozenset({State.SENT, State.UNKNOWN})


def settle(message: Message, **_: Any) -> None:
    """Receiver for final states, connected in ``otp.apps``: correct the money of a message."""
    setting, country = settings.read(), message.country or NO_COUNTRY
    if setting.mode == "off" or not message.verification_id or message.withheld:
        return

    def cost(channel: str) -> int:
        return setting.cost(country, Channel(channel), message.parts)

    last = cost(message.channel)
    if message.redirected:  # the cost of the first provider is settled
        more = spent = last if message.state in _TAKEN else 0
        part = "paid_again"
    else:
        first = cost(message.first_channel)
        is_over = message.state in (State.FAILED, State.EXPIRED, State.CANCELLED)
        spent = 0 if is_over and message.fault != "undelivered" else max(last - first, 0)
        part, more = "paid", first + spent - max(map(cost, message.channels), default=first)
    if not more and not spent:
        return
    mark = {"id": message.id, "part": part}
    money = {
        "counted_at": int(message.created_at * 1000),
        "more": more,
        "spent": spent,
        "country": country,
    }
    try:
        _pay(mark, money, cells.of_id(message.id))
    except Unavailable:
        log.error("guard_money_not_counted", message_id=message.id, country=country)


def _pay(mark: Mapping[str, str], money: Mapping[str, Any], cell: int) -> None:
    """Count the money of a message, unless its mark says that this is done.

    The mark is in the cell of the message, the budget in the hub. The mark is made first: if the second step
    fails, the money is missing, but never counted twice.
    """
    if cell == HUB:
        _PAY((), (json.dumps({**mark, **money}),))
    elif _PAY((), (json.dumps(mark),), cell):
        _PAY((), (json.dumps(money),))
