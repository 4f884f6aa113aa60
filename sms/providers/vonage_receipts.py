"""Callbacks of Vonage's Messages API: receipts and inbound messages.

Sources: developer.vonage.com/en/messages/concepts/signed-webhooks (signature),
…/en/messages/concepts/sms-status-callbacks (statuses), …/en/api/messages, "Inbound Message".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.callbacks import require_address_of
from sms.providers.vendor import state_table
from sms.providers.vonage_account import VonageAccount, signed_by
from sms.providers.wire import at


class VonageReceipts(VonageAccount):
    """The half of ``VonageProvider`` that authenticates and reads callbacks."""

    inbound_paths = "message_uuid", "from", "to", "text"
    states = state_table(sent="submitted", delivered="delivered read", failed="rejected undeliverable")

    def read_receipts(self, head: Mapping[str, Any], body: bytes, url: str) -> list[Receipt]:
        receipt = signed_by(head, body)
        reference = at(receipt, "client_ref")
        if not isinstance(reference, str) or not reference:
            raise ReceiptRejected("the receipt names no message of ours")
        require_address_of(reference, url)
        word, id = str(receipt.get("status", "")), str(receipt.get("message_uuid", ""))
        error = self.word_in(receipt.get("error"))  # it has the form of an answer's
        return [self.receipt(reference, word, id=id, error=error)]

    def read_inbound(self, head: Mapping[str, Any], body: bytes, url: str) -> list[Inbound]:
        message = signed_by(head, body)
        found = self.inbound(message)
        # Others are pictures, or came by another channel.
        is_sms = at(message, "channel") == "sms" and isinstance(at(message, "text"), str)
        return [found] if is_sms else []
