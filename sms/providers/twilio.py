"""``twilio://SID:TOKEN@?from=%2B15005550006``: Twilio's Programmable Messaging.

Options: ``from`` (number or sender ID) or ``messaging_service`` (MG…); ``timeout``; ``base_url`` (a
mock or a proxy); ``temporary`` and ``permanent``: error codes, separated by blanks, that shall
count as such whatever our table says; ``feedback=yes``: Twilio hears which codes were typed.

What users send comes by POST to the address that a number or a messaging service has for incoming messages.

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

#: What codes mean that their HTTP status does not tell.
CODES = outcome_table(
    # 20429 too many requests, 20500 and 20503 trouble at Twilio, 21611 and 30001 a queue is full.
    temporary="20429 20500 20503 21611 30001",
    # 20003 credentials, 20005 and 90010 account not active, 20404 no such account, 30002 account suspended,
    # 21212 a sender that is none, 21603 no sender, 21606 and 21661 one that sends no SMS, 21659 and 21660 one
    # that is not ours, 21910 one of another channel, 21703 and 21704 a messaging service without senders.
    account="20003 20005 20404 21212 21603 21606 21659 21660 21661 21703 21704 21910 30002 90010",
    # 21408 no permission to send there, 21612 this sender does not reach it.
    country="21408 21612",
    # 21610 the number has sent STOP to this sender.
    opted_out="21610",
)

#: Seconds. Twilio takes a ValidityPeriod of 1 to 36,000 and drops the message after it.
MAX_VALIDITY = 36_000

#: What a messaging service with keywords of its own says that a text means.
OPT_OUT_TYPES = {"STOP": "stop", "START": "start", "HELP": "help"}


class TwilioProvider(TwilioAccount):
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
                f"{alias}: from= is a number or sender ID; write messaging_service=MG… instead."
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
            raise ReceiptRejected("the form names no message of a user")
        sender, text = fields.get("To", ""), fields.get("Body", "")
        return [Inbound(id, phone, sender, text, OPT_OUT_TYPES.get(fields.get("OptOutType", ""), ""))]
