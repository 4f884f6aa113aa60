"""Receipts for e-mail: events of an ESP, received and verified by django-anymail.

Without anymail there are no receipts: SMTP has none. An event names its message in our metadata. Without
metadata it is about other mail of the project. We never read its recipient or the texts of servers.
"""

from __future__ import annotations

from typing import Any

from sms import receipts, registry
from sms.mail.carrier import Carrier
from sms.message import Receipt, State
from sms.providers.email import EmailProvider

#: By anymail's event types (docs: "Normalized tracking event", EventType). A complaint means that the letter
#: arrived. The ESP then sends no more to that address, but the number has not opted out. We do not track
#: openings.
STATES = {
    "queued": State.SENT,
    "sent": State.SENT,
    "deferred": State.SENT,
    "delivered": State.DELIVERED,
    "complained": State.DELIVERED,
    "bounced": State.FAILED,
    "rejected": State.FAILED,
    "failed": State.FAILED,
}


def listen() -> None:
    """Subscribe to the events of anymail if it is installed."""
    try:
        from anymail.signals import tracking
    except ImportError:
        return
    tracking.connect(hear, dispatch_uid="sms.mail_receipts")


def hear(*, event: Any, esp_name: str, **_: Any) -> None:
    """Record an event of ``anymail.signals.tracking`` if it is about one of our messages.

    Raises ``Unavailable``. Then the ESP gets a 500 and repeats the event later.
    """
    state = STATES.get(event.event_type)
    if state is None:
        return
    metadata = event.metadata or {}
    id, alias = metadata.get("id"), metadata.get("alias")
    if id and alias and _sends_by(str(alias), esp_name):
        receipts.record(
            str(alias),
            Receipt(
                reference=str(id),
                state=state,
                raw=event.event_type,
                provider_message_id=event.message_id or "",
                error=event.reject_reason or "",
            ),
        )


def _sends_by(alias: str, esp_name: str) -> bool:
    """Whether the alias exists and sends by this ESP. Raises ``ImproperlyConfigured``."""
    provider = registry.providers().get(alias)
    carry = provider.carry if isinstance(provider, EmailProvider) else None
    return isinstance(carry, Carrier) and carry.backend.esp == esp_name
