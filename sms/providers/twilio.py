"""``twilio://SID:TOKEN@?from=%2B15005550006``: Twilio's Programmable Messaging.

Options:

- ``from`` (a number or sender ID) or ``messaging_service`` (MG…).
- ``temporary`` (the next alias is asked) and ``permanent`` (the number or the text is refused): error codes
  that mean this, separated by spaces. They override our own table.
- ``feedback=yes``: report to Twilio which codes were typed.
- ``timeout``, ``base_url`` (for a mock or a proxy).

Inbound messages come by POST. Set their URL at the number or the messaging service, under incoming messages.

Sources: twilio.com/docs/messaging/api/message-resource (parameters, statuses),
…/message-feedback-resource, twilio.com/docs/api/errors (codes),
twilio.com/docs/usage/webhooks/webhooks-security (signature),
twilio.com/docs/messaging/guides/webhook-request (incoming messages),
twilio.com/docs/messaging/tutorials/advanced-opt-out (OptOutType).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.base import Reply, Sms
from sms.providers.callbacks import references_in
from sms.providers.twilio_account import SID, TwilioAccount
from sms.providers.url import BadProviderURL, is_yes
from sms.providers.vendor import Request, outcome_table, state_table

#: Error codes whose HTTP status alone would mislead.
CODES = outcome_table(
    # 20429 too many requests; 20500, 20503 trouble at Twilio; 21611, 30001 queue full.
    temporary="20429 20500 20503 21611 30001",
    # 20003 credentials; 20005, 90010 account not active; 20404 no such account; 30002 account suspended.
    # 21212 invalid sender; 21603 no sender; 21606, 21661 sender cannot send SMS; 21659, 21660 not our sender.
    # 21910 sender of another channel; 21703, 21704 messaging service without senders.
    account="20003 20005 20404 21212 21603 21606 21659 21660 21661 21703 21704 21910 30002 90010",
    # 21408 no permission for the country; 21612 sender cannot reach it.
    country="21408 21612",
    # 21610 the number has sent STOP to this sender.
    opted_out="21610",
)

#: Seconds. Twilio accepts a ValidityPeriod of 1 to 36,000 and drops the message afterwards.
MAX_VALIDITY = 36_000

#: ``OptOutType`` is Twilio's reading of an inbound text, by the keywords of the messaging service.
OPT_OUT_TYPES = {"STOP": "stop", "START": "start", "HELP": "help"}


class TwilioProvider(TwilioAccount):
    """Programmable Messaging: one form posted for each message, signed forms back."""

    scheme = "twilio"
    name = "Twilio"
    resource = "Messages"
    outcomes = CODES
    receives = True
    inbound_reply = Reply("<Response/>", "text/xml")
    states = state_table(
        sent="accepted scheduled queued sending sent",
        delivered="delivered read",
        failed="undelivered failed canceled",
    )

    def __init__(self, alias: str, *, messaging_service: str = "", feedback: str = "", **common: Any) -> None:
        super().__init__(alias, **common)
        if SID.fullmatch(self.sender):
            raise BadProviderURL(
                f"{alias}: from= takes a number or sender ID. Write messaging_service=MG… instead."
            )
        if bool(self.sender) == bool(messaging_service):
            raise BadProviderURL(f"{alias}: give either from= or messaging_service=.")
        self._from = {"From": self.sender} if self.sender else {"MessagingServiceSid": messaging_service}
        self.takes_feedback = is_yes(alias, "feedback", feedback)

    def build(self, sms: Sms) -> Request:
        sender = {"From": sms.sender} if sms.sender else self._from
        fields: dict[str, Any] = {"To": sms.to, "Body": sms.body, **sender}
        if sms.callback_url:
            fields["StatusCallback"] = sms.callback_url
        if sms.expires_in:
            fields["ValidityPeriod"] = max(1, min(int(sms.expires_in), MAX_VALIDITY))
        if self.takes_feedback and sms.code:
            fields["ProvideFeedback"] = "true"
        return self.post(fields)

    def build_feedback(self, reference: str, provider_message_id: str, *, converted: bool) -> Request:
        outcome = {"Outcome": "confirmed" if converted else "unconfirmed"}
        return self.post(outcome, f"/{quote(provider_message_id, safe='')}/Feedback")

    def read_receipts(self, head: str, body: bytes, url: str) -> list[Receipt]:
        fields = self.form(head, body, url)
        reference = next(iter(references_in(url)), "")
        word, id = fields.get("MessageStatus", ""), fields.get("MessageSid", "")
        error = fields.get("ErrorCode", "")
        opted_out = fields.get("To", "") if self.outcomes.get(error) == "opted_out" else ""
        return [self.receipt(reference, word, id=id, error=error, opted_out=opted_out)]

    def read_inbound(self, head: str, body: bytes, url: str) -> list[Inbound]:
        fields = self.form(head, body, url)
        phone, id = fields.get("From", ""), fields.get("MessageSid", "")
        if not phone or not id:
            raise ReceiptRejected("the form is not a message from a user")
        sender, text = fields.get("To", ""), fields.get("Body", "")
        return [Inbound(id, phone, sender, text, OPT_OUT_TYPES.get(fields.get("OptOutType", ""), ""))]
