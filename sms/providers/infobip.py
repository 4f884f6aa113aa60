"""``infobip://:API_KEY@abc123.api.infobip.com?from=Shop&receipt_secret=SECRET``: Infobip's SMS API.

The host is the account's own base URL.

Options:

- ``from``: a number or sender ID.
- ``receipt_secret``: 16 or more random characters. Without it, receipts and inbound messages are refused.
- ``feedback=yes``: report to Infobip which codes were typed.
- ``timeout``, ``base_url`` (for a mock or a proxy).

We choose the message id of each attempt, and Infobip accepts an id only once. It does not document for how
long. Infobip does not sign by default, so its callback URLs hold a token. Set the URL for inbound messages
once in Infobip's portal, at the number.

Sources: infobip.com/docs/api/channels/sms (request, answers, reports, inbound, "Confirm conversion"),
infobip.com/docs/essentials/api-essentials/response-status-and-error-codes (statuses), the models of
infobip-api-python-client 6.0.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from sms.errors import ReceiptRejected
from sms.message import Inbound, Receipt, State
from sms.providers.base import Sms
from sms.providers.url import BadProviderURL, is_yes
from sms.providers.vendor import Outcome, Request, TokenProvider, outcome_table, state_table
from sms.providers.wire import at, elements, parse, word_of

#: The refusal of a repeated hand-off. Infobip has the message; if it refused that one, a receipt will say so.
DUPLICATE = "REJECTED_DUPLICATE_MESSAGE_ID"

#: Statuses of a message whose group alone would mislead.
STATUSES = outcome_table(
    accepted=DUPLICATE,
    # Too many messages to one number in an hour; trouble at Infobip; a network that another vendor may reach.
    temporary="REJECTED_FLOODING_FILTER REJECTED_SYSTEM_ERROR UNDELIVERABLE_REJECTED_PLATFORM "
    "REJECTED_NETWORK",
    # A sender that is not registered or is blocked; no credit.
    account="REJECTED_SOURCE REJECTED_SENDER REJECTED_NOT_ENOUGH_CREDITS REJECTED_PREPAID_PACKAGE_EXPIRED",
    # No route there on this account; a trial account, which sends only to one number.
    country="REJECTED_ROUTE_NOT_AVAILABLE REJECTED_DESTINATION_NOT_REGISTERED",
)

#: Groups of unlisted statuses. UNDELIVERABLE: an operator did not take the message, but another vendor may
#: have another route.
GROUPS = outcome_table(accepted="PENDING DELIVERED", temporary="UNDELIVERABLE", refused="REJECTED")

#: Seconds. Infobip shortens longer periods to 48 hours.
MAX_VALIDITY = 172_800


class InfobipProvider(TokenProvider):
    scheme = "infobip"
    name = "Infobip"
    url_names: ClassVar = {"password": "api_key", **TokenProvider.url_names}
    outcomes = STATUSES
    id_path = "messages.0.messageId"
    # The status of the message, or the error of the request.
    word_paths = "messages.0.status.name", "errorCode", "requestError.serviceException.messageId"
    word_form = r"[A-Z][A-Z0-9_]{1,59}"
    repeats_safely = True
    tells_prices = True
    takes_feedback = True
    receives = True
    inbound_paths = "messageId", "from", "to", "text"
    # Names of statuses and of groups.
    states = state_table(
        sent="PENDING DELIVERED_TO_OPERATOR",
        delivered="DELIVERED",
        failed="UNDELIVERABLE EXPIRED REJECTED",
        unknown="EXPIRED_DLR_UNKNOWN",
    )

    def __init__(self, alias: str, *, api_key: str, host: str, feedback: str = "", **common: Any) -> None:
        super().__init__(alias, f"https://{host}", **common)
        if "." not in host and not common.get("base_url"):
            raise BadProviderURL(f"{alias}: the host is the account's base URL, like abc123.api.infobip.com.")
        if not self.sender:
            raise BadProviderURL(f"{alias}: from= must be a number or a sender ID.")
        self.takes_feedback = is_yes(alias, "feedback", feedback)
        self._url = f"{self.base_url}/sms/3/messages"
        self._credentials = {"Authorization": f"App {api_key}", "Accept": "application/json"}
        self._headers = self._credentials | {"Content-Type": "application/json"}

    def build(self, sms: Sms) -> Request:
        destination = {"to": sms.to.removeprefix("+")}
        if sms.key:
            destination["messageId"] = sms.key
        message: dict[str, Any] = {
            "sender": (sms.sender or self.sender).removeprefix("+"),
            "destinations": [destination],
            "content": {"text": sms.body},
        }
        if sms.expires_in:
            seconds = max(1, min(int(sms.expires_in), MAX_VALIDITY))
            message["options"] = {"validityPeriod": {"amount": seconds, "timeUnit": "SECONDS"}}
        if address := self.receipt_address(sms):
            message["webhooks"] = {
                "delivery": {"url": address},
                "contentType": "application/json",
                "callbackData": sms.id,
            }
        content: dict[str, Any] = {"messages": [message]}
        if self.takes_feedback and sms.code:
            content["options"] = {"conversionTracking": {"useConversionTracking": True}}
        return Request(self._url, json.dumps(content), self._headers)

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        """Infobip also refuses with status 200."""
        meaning = super().outcome(status, word, found)
        if meaning == "accepted" and at(found, "messages"):
            group = word_of(at(found, "messages.0.status.groupName"))
            return STATUSES.get(word) or GROUPS.get(group, "unknown")
        return meaning

    def unlisted(self, found: Any) -> Outcome:
        wrong = (word_of(at(each, "property")) for each in elements(at(found, "violations")))
        return "account" if any(name.endswith("sender") for name in wrong) else "refused"

    def id_for(self, sms: Sms, found: Any) -> str:
        return sms.key if self.word_in(found) == DUPLICATE else super().id_for(sms, found)

    def build_feedback(self, reference: str, provider_message_id: str, *, converted: bool) -> Request | None:
        if not converted:
            return None
        id = quote(provider_message_id, safe="")
        return Request(f"{self.base_url}/ct/1/log/end/{id}", "", self._credentials)

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        reference = head.get("reference", "")
        return [self._receipt(reference, result) for result in _results(body)]

    def _receipt(self, reference: str, result: Any) -> Receipt:
        # The token of the URL is only good for one message.
        if not reference or at(result, "callbackData") not in (None, reference):
            raise ReceiptRejected("the URL names another message than the receipt")
        word, group = word_of(at(result, "status.name")), word_of(at(result, "status.groupName"))
        if not word:
            raise ReceiptRejected("the receipt names no state")
        error = word_of(at(result, "error.name"))
        return Receipt(
            reference=reference,
            state=self.states.get(word) or self.states.get(group, State.UNKNOWN),
            raw=word,
            provider_message_id=word_of(at(result, "messageId")),
            error="" if error == "NO_ERROR" else error,
        )

    def read_inbound(self, head: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        results = _results(body)
        if not all(isinstance(at(result, "text"), str) for result in results):
            raise ReceiptRejected("the body holds no message from a user")
        return [self.inbound(result) for result in results]


def _results(body: bytes) -> list[Any]:
    results = at(parse(body), "results")
    if not isinstance(results, list) or not results:
        raise ReceiptRejected("the body holds no results")
    return results
