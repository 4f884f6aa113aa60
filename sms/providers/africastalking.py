"""``africastalking://USERNAME:API_KEY@?from=Shop&receipt_secret=SECRET``: Africa's Talking.

The username ``sandbox`` goes to the sandbox.

Options:

- ``from``: a sender ID or short code. Without it, Africa's Talking uses its own.
- ``receipt_secret``: 16 or more random characters. Without it, receipts and inbound messages are refused.
- ``temporary`` (the next alias is asked) and ``permanent`` (the number or the text is refused): status codes
  that mean this, separated by spaces. They override our own table.
- ``timeout``, ``base_url`` (for a mock or a proxy).

Africa's Talking signs nothing, so its callback URLs hold a token made from ``receipt_secret``. Set them once
in its dashboard, under SMS, SMS Callback URLs. Set the one for inbound messages under Incoming Messages and
also under Bulk SMS Opt Out. Nobody can reply STOP to a sender ID. So Africa's Talking appends another way to
opt out to the first SMS, and reports who takes it.

Receipts name a message only by the vendor's own id. Messages have no time to live.

Sources: developers.africastalking.com/docs/sms/sending/bulk and …/sms/notifications,
docs.africastalking.com/sms/deliveryreports and …/sms/callback; tried with its SDK, africastalking 2.0.3. The
meanings of 407 and 502 are inferred from their names (CouldNotRoute, RejectedByGateway).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from sms.message import Inbound, Receipt
from sms.providers.base import Sms
from sms.providers.callbacks import form
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, TokenProvider, one_number, outcome_table, state_table

#: Status codes of a recipient. The HTTP status is 201 even for a refused one.
CODES = outcome_table(
    # 100 processed; 101 sent; 102 queued.
    accepted="100 101 102",
    # 500 internal error; 501 gateway error; 502 rejected by the gateway.
    temporary="500 501 502",
    # 403 invalid number; 404 type of number that takes no SMS.
    refused="403 404",
    opted_out="406",  # the number is on the vendor's opt-out list
    # 401 held as a risk; 402 sender ID; 405 no balance. InvalidSenderId comes without a recipient.
    account="401 402 405 InvalidSenderId",
    # 407 no route; 409 promotional sender ID outside the hours that Nigeria allows.
    country="407 409",
)

#: The failure reason of a number that has opted out of this sender.
OPTED_OUT = "UserInBlackList"


class AfricasTalkingProvider(TokenProvider):
    scheme = "africastalking"
    name = "Africa's Talking"
    set_in_console = True
    url_names: ClassVar = {"user": "username", "password": "api_key", **TokenProvider.url_names}
    id_path = "SMSMessageData.Recipients.0.messageId"
    # If no recipient is listed, ``Message`` may be a word such as InvalidSenderId.
    word_paths = "SMSMessageData.Recipients.0.statusCode", "SMSMessageData.Message"
    word_form = r"[0-9]{3}|[A-Za-z]{1,40}"
    states = state_table(
        sent="Sent Submitted Buffered", delivered="Success", failed="Rejected Failed Expired AbsentSubscriber"
    )
    refers_by_own_id = True
    tells_prices = True
    receives = True

    def __init__(
        self,
        alias: str,
        *,
        username: str,
        api_key: str,
        temporary: str = "",
        permanent: str = "",
        **common: Any,
    ) -> None:
        host = "api.sandbox.africastalking.com" if username == "sandbox" else "api.africastalking.com"
        super().__init__(alias, f"https://{host}", **common)
        if not re.fullmatch(r"[!-~]+", api_key):
            raise BadProviderURL(f"{alias}: the API key must be printable ASCII.")
        if not re.fullmatch(r"[0-9 ]*", temporary + permanent):
            raise BadProviderURL(f"{alias}: temporary= and permanent= take status codes such as 407.")
        self.outcomes = CODES | outcome_table(temporary=temporary, refused=permanent)
        self._username = username
        self._headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "apiKey": api_key,
        }

    def build(self, sms: Sms) -> Request:
        to = one_number(sms.to)  # the field takes several numbers, separated by commas
        fields = {"username": self._username, "to": to, "message": sms.body, "bulkSMSMode": "1"}
        if sender := sms.sender or self.sender:
            fields["from"] = sender
        return Request(f"{self.base_url}/version1/messaging", urlencode(fields), self._headers)

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        # The codes look like HTTP statuses but are not: 403 is an invalid number.
        meaning = super().outcome(status, word or f"http_{status}", found)
        return self.outcomes.get(word, "unknown") if meaning == "accepted" else meaning

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        fields = form(body, "id", "status")
        error = fields.get("failureReason", "")
        opted_out = fields.get("phoneNumber", "") if error == OPTED_OUT else ""
        return [self.receipt("", fields["status"], id=fields["id"], error=error, opted_out=opted_out)]

    def read_inbound(self, head: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        if sender := form(body).get("senderId"):
            # An opt-out from that sender. It is not a message and has no id.
            phone = form(body, "phoneNumber")["phoneNumber"]
            return [Inbound(id=secrets.token_hex(16), phone=phone, sender=sender, text="", word="stop")]
        fields = form(body, "id", "from", "to")
        text = fields.get("text", "")
        return [Inbound(id=fields["id"], phone=fields["from"], sender=fields["to"], text=text)]
