"""Callbacks of AWS End User Messaging, which come by SNS: events of our messages, and inbound messages.

Sources: the model of pinpoint-sms-voice-v2 in botocore 1.44.8 (event types);
docs.aws.amazon.com/sms-voice/latest/userguide/: configuration-sets-event-format.html,
configuration-sets-event-types.html, two-way-sms-payload.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt, State
from sms.providers.base import Reply
from sms.providers.sns import SUBSCRIBED, TYPE, UNSUBSCRIBED, Topics
from sms.providers.vendor import VendorProvider, state_table
from sms.providers.wire import at, parse, word_of


class AwsReceipts(VendorProvider):
    """The half of ``AwsProvider`` that authenticates and reads callbacks."""

    receipt_option = "topic"
    set_in_console = True
    inbound_paths = "inboundMessageId", "originationNumber", "destinationNumber", "messageBody"
    states = state_table(
        sent="TEXT_PENDING TEXT_QUEUED TEXT_SENT TEXT_SUCCESSFUL RCS_FALLEN_BACK_TO_SMS RCS_QUEUED RCS_SENT",
        delivered="TEXT_DELIVERED RCS_DELIVERED RCS_READ",
        failed="""TEXT_BLOCKED TEXT_CARRIER_BLOCKED TEXT_CARRIER_UNREACHABLE TEXT_INVALID TEXT_INVALID_MESSAGE
            TEXT_PROTECT_BLOCKED TEXT_SPAM TEXT_TTL_EXPIRED TEXT_UNREACHABLE RCS_FAILED RCS_PROTECT_BLOCKED
            RCS_TTL_EXPIRED""",
    )

    def __init__(self, alias: str, address: str, topic: str, **common: Any) -> None:
        super().__init__(alias, address, **common)
        self._topics = Topics(alias, topic, self._http)
        self.takes_receipts = self.receives = bool(self._topics)

    def read_head(self, headers: Mapping[str, str], url: str) -> str:
        return self._topics.named_in(headers)

    def greet(self, headers: Mapping[str, str], body: bytes, url: str) -> Reply | None:
        kind = headers.get(TYPE)
        if kind not in (SUBSCRIBED, UNSUBSCRIBED):
            return None
        self.check_head(headers, url)
        post = self._topics.opened(self.read_head(headers, url), body)
        if post["Type"] != kind:
            raise ReceiptRejected("the body is of another type than its headers say")
        if kind == SUBSCRIBED:
            self._topics.confirm(post)
        return Reply()

    def read_receipts(self, head: str, body: bytes, url: str) -> list[Receipt]:
        event = self._notification(head, body)
        word, reference = at(event, "eventType"), at(event, "context.reference")
        if not isinstance(word, str):
            raise ReceiptRejected("not an event of a message: is the right topic subscribed?")
        if not isinstance(reference, str):  # other programs may send by this configuration set
            return []
        found = self.receipt(reference, word, id=word_of(at(event, "messageId")))
        if found.state is not State.FAILED:
            return [found]
        if at(event, "isFinal") is False:  # the carrier is still trying
            return [replace(found, state=State.SENT)]
        return [replace(found, error=word_of(at(event, "messageStatus")))]

    def read_inbound(self, head: str, body: bytes, url: str) -> list[Inbound]:
        return [self.inbound(self._notification(head, body))]

    def _notification(self, topic: str, body: bytes) -> Any:
        post = self._topics.opened(topic, body)
        if post["Type"] != "Notification":
            raise ReceiptRejected("a handshake is not a notification")
        return parse(post["Message"].encode())
