"""Follow-up calls: ask the vendor what became of a message, tell it whether the code was typed, or have it
take the message back.

None of them is urgent, and each may be lost: we ask again, feedback is a courtesy to the vendor, and a
message with a dead code does no harm.

A queue entry is a wake-up that names an alias. Its task makes the calls that are due, one after the other,
while the alias's rate has room. Each call is chosen when it begins, as another alias may have the message by
then, and counts towards the rate at that moment. So no backlog delays another alias, and late entries make no
burst.
"""

from __future__ import annotations

import time

import structlog

from sms import broker, cells, follow_ups, receipts, registry, steps, traces
from sms.delivery import drain
from sms.delivery.handover import place_of, plain
from sms.delivery.slots import Alias
from sms.errors import ProviderError
from sms.follow_ups import FollowUp, Kind
from sms.message import Receipt
from sms.providers.base import Provider
from sms.scripts import in_each_cell

log = structlog.get_logger("sms")

#: Entries a second for each alias and kind, at most. The task of each may go on for SLICE.
MOST = 20

#: Seconds after which a task ends, and others are woken.
SLICE = 1.0

#: Looks go first: a code that did not arrive still has time for another provider. No code waits for the other
#: two kinds.
QUEUES: dict[Kind, str] = {
    "look_up": steps.OTP_QUEUE,
    "feedback": steps.BULK_QUEUE,
    "revoke": steps.BULK_QUEUE,
}


def publish_due() -> None:
    """Wake workers for follow-up calls that are due now. Raises ``Unavailable``."""
    wanted = [
        (kind, alias)
        for alias in registry.aliases().values()
        for kind in QUEUES
        if _wants(kind, alias.provider)
    ]
    if not wanted:
        return
    asked = [(kind, alias.name, alias.takes(1)) for kind, alias in wanted]

    def due(cell: int) -> list[tuple[Kind, str, tuple[int, ...]]]:
        counts = follow_ups.due(asked, max(MOST // len(cells.every()), 1), cell)
        where = (cell,) if cell else ()
        return [
            (kind, alias, where)
            for (kind, alias, _), count in zip(asked, counts, strict=True)
            for _ in range(count)
        ]

    for kind, alias, where in in_each_cell(due):
        if not broker.follow_up(kind, alias, QUEUES[kind], *where):
            return  # the broker is away


def run(kind: Kind, name: str, cell: int = cells.HUB) -> None:
    """Make the follow-up calls of a kind to an alias that are due in a cell. Raises ``Unavailable``.

    Vendors' refusals are logged and forgotten.
    """
    alias, end = registry.aliases()[name], time.monotonic() + SLICE
    going_on = _wants(kind, alias.provider)
    while going_on and time.monotonic() < end:
        going_on = _call(kind, alias, cell) and not drain.another_waits()


def _wants(kind: Kind, provider: Provider) -> bool:
    wants = {"look_up": provider.reports_by_poll, "feedback": provider.takes_feedback}
    return (wants | {"revoke": provider.revokes})[kind]


def _call(kind: Kind, alias: Alias, cell: int) -> bool:
    """Make the next call. False if none is due, or no slot is free."""
    with alias.slot() as taken:
        found = follow_ups.take(kind, alias.name, alias.takes(1), cell) if taken else None
        if found is None:
            return False
        with traces.follow_up(kind, found.message):
            receipt = _ask(kind, found, alias.provider)
            if receipt:
                receipts.record(alias.name, receipt, about=found.message.provider_message_id)
    return True


def _ask(kind: Kind, about: FollowUp, provider: Provider) -> Receipt | None:
    message = about.message
    told = {"message_id": message.id, "alias": provider.alias}
    try:
        with traces.call(kind, provider, message, message.attempts):
            match kind:
                case "look_up":
                    return provider.look_up(message.id, message.provider_message_id)
                case "feedback":
                    provider.feed_back(message.id, message.provider_message_id, converted=about.converted)
                case "revoke":
                    provider.revoke(message.id, message.provider_message_id)
    except ProviderError as error:
        log.info("follow_up_failed", kind=kind, error=plain(error.code), **told)
    except Exception as error:  # modules have bugs: see sms.delivery.handover
        log.error("provider_raised", error=type(error).__name__, place=place_of(error), **told)
    return None
