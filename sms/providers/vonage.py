"""``vonage://APPLICATION_ID@?key=/run/secrets/vonage.pem&from=Shop&signature_secret=SECRET``: Vonage's
Messages API.

Options:

- ``key``: the application's private key, as the path of its PEM file or as the file in base64 (``base64 -w0
  private.key``).
- ``from``: a number or sender ID.
- ``signature_secret``: the account's secret that signs receipts. Without it, no receipts are requested or
  accepted.
- ``feedback=yes``, with ``api_key`` and ``api_secret`` of the account: report to Vonage's Conversion API
  which codes were typed. Vonage's support must enable it.
- ``timeout``.
- ``base_url``: a region such as https://api-eu.nexmo.com, a mock or a proxy.

Inbound messages come to the application's Inbound URL, if the account's SMS setting is the Messages API.
``vonage_receipts.py`` reads them, and the receipts.

Sources: developer.vonage.com/en/api/messages (request, answers), …/en/api-errors and
…/en/api-errors/messages (codes), …/en/api/conversion. The latter describes ids of the SMS API. It is not
confirmed that it accepts those of the Messages API.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

from sms.providers.base import Sms
from sms.providers.url import BadProviderURL, is_yes
from sms.providers.vendor import Outcome, Request, outcome_table
from sms.providers.vonage_receipts import VonageReceipts
from sms.providers.wire import at, basic, elements

#: Error codes whose HTTP status alone would mislead.
CODES = outcome_table(
    # 1000 too many requests; 1030 trouble at Vonage; 1100 message could not be submitted.
    temporary="1000 1030 1100",
    # 1060 account barred; 1070 no credit; 1080 not enabled for this API; 1110 signature.
    # 1140 facility not enabled; 1420 not a sender for SMS.
    account="1060 1070 1080 1110 1140 1420 low-balance account-suspended",
    # 1120, 1481 sender ID not allowed by local rules; 1160 trial account, only listed numbers.
    # 1470 blocked prefix.
    country="1120 1160 1470 1481",
)

#: Seconds that Vonage tries to deliver: the range that its SMS service accepts.
MIN_TTL, MAX_TTL = 20, 604_800


class VonageProvider(VonageReceipts):
    scheme = "vonage"
    name = "Vonage"
    outcomes = CODES
    id_path = "message_uuid"

    def __init__(
        self,
        alias: str,
        *,
        feedback: str = "",
        api_key: str = "",
        api_secret: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, **common)
        self.receives = self.takes_receipts
        self._url = f"{self.base_url}/v1/messages"
        self.takes_feedback = is_yes(alias, "feedback", feedback)
        if self.takes_feedback and not (api_key and api_secret):
            raise BadProviderURL(f"{alias}: feedback=yes needs api_key= and api_secret= of the account.")
        self._account = {"Authorization": basic(api_key, api_secret)}

    def build(self, sms: Sms) -> Request:
        message: dict[str, Any] = {
            "channel": "sms",
            "message_type": "text",
            "to": sms.to.removeprefix("+"),
            "from": (sms.sender or self.sender).removeprefix("+"),
            "text": sms.body,
            "client_ref": sms.id,
        }
        if sms.callback_url and self.takes_receipts:
            message |= {"webhook_url": sms.callback_url, "webhook_version": "v1"}
        if sms.expires_in:
            message["ttl"] = max(MIN_TTL, min(int(sms.expires_in), MAX_TTL))
        return Request(self._url, json.dumps(message), self.signed())

    def build_feedback(self, reference: str, provider_message_id: str, *, converted: bool) -> Request:
        query = {
            "message-id": provider_message_id,
            "delivered": "true" if converted else "false",
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        }
        return Request(f"{self.base_url}/conversions/sms?{urlencode(query)}", "", self._account)

    def unlisted(self, found: Any) -> Outcome:
        blames_sender = any(at(each, "name") == "from" for each in elements(at(found, "invalid_parameters")))
        return "account" if blames_sender else "refused"
