"""What became of an e-mail, as an ESP tells django-anymail, which verifies that it is the ESP that speaks.

Without anymail there are no receipts: SMTP has none. An event names its message by our metadata; without that
it is about other mail of the project. Its recipient and the words of servers are never read.
"""

from __future__ import annotations

from typing import Any

from sms import receipts, registry
from sms.mail.carrier import Carrier
from sms.message import Receipt, State
from sms.providers.email import EmailProvider

#: anymail's words (docs: "Normalized tracking event", EventType). A complaint is about a letter that arrived;
#: the ESP sends no other to that address, of which the number knows nothing. Openings are not asked for.
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
    """Hear what anymail hears, where it is installed."""
    try:
        from anymail.signals import tracking
    except ImportError:
        return
    tracking.connect(hear, dispatch_uid="sms.mail_receipts")


def hear(*, event: Any, esp_name: str, **_: Any) -> None:
    """Record an event of ``anymail.signals.tracking``, of whatever mail of the project.

    Raises ``Unavailable``, which the ESP is answered with 500: it says it again later.
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
    """Whether an alias of ours sends by this ESP. Raises ``ImproperlyConfigured``."""
    provider = registry.providers().get(alias)
    carry = provider.carry if isinstance(provider, EmailProvider) else None
    return isinstance(carry, Carrier) and carry.backend.esp == esp_name
