"""Meta's webhook for WhatsApp: statuses of our messages, and inbound messages.

An app has one URL for both. It is set in the app's console, or for a single phone number. Meta verifies by a
GET that it is ours.

Sources: developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/: create-webhook-endpoint
(the GET, the signature; what is not answered 200 is sent again for up to 7 days), overview (up to 3 MB),
reference/messages, reference/messages/status, override; …/whatsapp/business-scoped-user-ids (users who hide
their number).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.base import Reply
from sms.providers.callbacks import query_of, same, signature_in
from sms.providers.url import BadProviderURL
from sms.providers.vendor import VendorProvider, state_table
from sms.providers.wire import at, elements, parse, word_of

#: Paths of the text in each kind of inbound message: what was typed, or the label of the button.
TEXTS = ("text.body", "button.text", "interactive.button_reply.title", "interactive.list_reply.title")


class WhatsAppReceipts(VendorProvider):
    """The half of ``WhatsAppProvider`` that authenticates and reads callbacks."""

    receipt_option = "app_secret"
    receipt_reply = inbound_reply = Reply("OK")
    set_in_console = True
    one_address = True
    largest_body = 3 * 1024 * 1024  # Meta puts many statuses into one
    # "played" means that a voice message was heard.
    states = state_table(sent="sent", delivered="delivered read played", failed="failed")

    def __init__(
        self,
        alias: str,
        address: str,
        phone_number_id: str,
        app_secret: str,
        verify_token: str,
        **common: Any,
    ) -> None:
        super().__init__(alias, address, **common)
        if bool(app_secret) != bool(verify_token):
            raise BadProviderURL(
                f"{alias}: give both app_secret=, with which Meta signs, and verify_token=, by which it "
                "verifies your URL, or neither."
            )
        self.takes_receipts = self.receives = bool(app_secret)
        self._phone_number_id = phone_number_id
        self._app_secret = app_secret.encode()
        self._verify_token = verify_token

    def read_head(self, headers: Mapping[str, str], url: str) -> str:
        """The signature; "" for the GET that verifies our URL, which is not signed."""
        fields = query_of(url)
        if "hub.mode" not in fields:
            return signature_in(headers, "x-hub-signature-256")
        if not same(fields.get("hub.verify_token", ""), self._verify_token):
            raise ReceiptRejected("the verify token is wrong")
        return ""

    def greet(self, headers: Mapping[str, str], body: bytes, url: str) -> Reply | None:
        fields = query_of(url)
        if fields.get("hub.mode") != "subscribe":
            return None
        self.check_head(headers, url)
        challenge = fields.get("hub.challenge", "")
        if not re.fullmatch(r"[\w-]{1,256}", challenge, re.ASCII):
            raise ReceiptRejected("there is no challenge to echo")
        return Reply(challenge)

    def read_receipts(self, head: str, body: bytes, url: str) -> list[Receipt]:
        statuses = (one for value in self._values(head, body) for one in elements(at(value, "statuses")))
        # Other programs may send by this number, without a reference or with one of theirs.
        return [self._receipt(one) for one in statuses if _reference(one)]

    def read_inbound(self, head: str, body: bytes, url: str) -> list[Inbound]:
        values = self._values(head, body)
        messages = (self._message(value, one) for value in values for one in elements(at(value, "messages")))
        return [message for message in messages if message.id and message.phone]

    def _values(self, signature: str, body: bytes) -> Iterator[Any]:
        """The parts of a signed webhook that concern our number. Others concern other numbers, templates and
        more.
        """
        expected = "sha256=" + hmac.digest(self._app_secret, body, "sha256").hex()
        if not same(signature, expected):
            raise ReceiptRejected("the signature is wrong")
        webhook = parse(body)
        if not isinstance(at(webhook, "entry"), list):
            raise ReceiptRejected("the webhook cannot be read")
        changes = (change for entry in webhook["entry"] for change in elements(at(entry, "changes")))
        values = (at(change, "value") for change in changes)
        return (v for v in values if at(v, "metadata.phone_number_id") == self._phone_number_id)

    def _receipt(self, status: Any) -> Receipt:
        word, code = word_of(at(status, "status")), word_of(at(status, "errors.0.code"))
        error = code if re.fullmatch(self.word_form, code, re.ASCII) else ""
        to = word_of(at(status, "recipient_id"))
        opted_out = to if self.outcomes.get(error) == "opted_out" and to.isdecimal() else ""
        id = word_of(at(status, "id"))
        return self.receipt(_reference(status), word, id=id, error=error, opted_out=opted_out)

    def _message(self, value: Any, message: Any) -> Inbound:
        """Pictures, reactions and the like have no text. A user who hides the number has an id of Meta's,
        such as US.1349.
        """
        id = word_of(at(message, "id"))
        phone = word_of(at(message, "from") or at(message, "from_user_id"))
        sender = self.sender or word_of(at(value, "metadata.display_phone_number"))
        text = next((text for path in TEXTS if (text := word_of(at(message, path)))), "")
        return Inbound(id, f"+{phone}" if phone.isdecimal() else phone, sender, text)


def _reference(status: Any) -> str:
    """The reference that we gave Meta with a message; "" if we did not send it."""
    found = at(status, "biz_opaque_callback_data")
    return found if isinstance(found, str) else ""
