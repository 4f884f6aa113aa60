"""Calls that follow a successful hand-off: look up the state, report whether the code was typed, or revoke.

None of them is urgent, and each may be lost. A look-up is repeated, feedback is a courtesy to the vendor, and
a message whose code is dead does no harm.

A queue entry is a wake-up that names an alias. The worker that takes it makes the due calls one after the
other, while the rate of the alias has room. Each call is chosen when it begins, and takes its share of the
rate then. So a backlog of one alias does not delay another, and late entries do not cause a burst.
"""

from __future__ import annotations

import time

import structlog

from sms import broker, receipts, registry, store, traces
from sms.delivery import drain
from sms.delivery.handover import place_of, plain
from sms.delivery.slots import Alias
from sms.errors import ProviderError
from sms.message import Receipt
from sms.providers.base import Provider
from sms.records import FollowUp
from sms.store import Kind

log = structlog.get_logger("sms")

#: The most entries per second for each alias and kind. Each may run for SLICE.
MOST = 20

#: Seconds after which a task ends. Others are woken then.
SLICE = 1.0

#: A look-up is as urgent as a code, because one that did not arrive still has time for another provider.
QUEUES: dict[Kind, str] = {
    "look_up": store.OTP_QUEUE,
    "feedback": store.BULK_QUEUE,
    "revoke": store.BULK_QUEUE,
}


def publish_due() -> None:
    """Publish entries for the calls that are due. Raises ``Unavailable``."""
    wanted = [
        (kind, alias)
        for alias in registry.aliases().values()
        for kind in QUEUES
        if _wants(kind, alias.provider)
    ]
    if not wanted:
        return
    counts = store.follow_ups([(kind, alias.name, alias.takes(1)) for kind, alias in wanted], MOST)
    for (kind, alias), count in zip(wanted, counts, strict=True):
        for _ in range(count):
            if not broker.follow_up(kind, alias.name, QUEUES[kind]):
                return  # the broker is away


def run(kind: Kind, name: str) -> None:
    """Make the due calls of one kind to an alias.

    Refusals are logged and forgotten. Raises ``Unavailable``.
    """
    alias, end = registry.aliases()[name], time.monotonic() + SLICE
    going_on = _wants(kind, alias.provider)
    while going_on and time.monotonic() < end:
        going_on = _call(kind, alias) and not drain.another_waits()


def _wants(kind: Kind, provider: Provider) -> bool:
    wants = {"look_up": provider.reports_by_poll, "feedback": provider.takes_feedback}
    return (wants | {"revoke": provider.revokes})[kind]


def _call(kind: Kind, alias: Alias) -> bool:
    """Make the next call. False if none is due, or no slot is free."""
    with alias.slot() as taken:
        found = store.follow_up(kind, alias.name, alias.takes(1)) if taken else None
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
