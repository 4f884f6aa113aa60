"""``msg91://:AUTHKEY@?template=TEMPLATE_ID&variable=OTP&only=codes&receipt_secret=SECRET``: MSG91.

Options:

- ``template``: MSG91's id of the approved template of codes, or one for each purpose and locale, such as
  ``ID|login=ID|.hi=ID``.
- ``variable``: the name of the code in the template, with the same upper and lower case (``OTP``).
- ``from``: the sender ID, if the template leaves it open.
- ``receipt_secret``: 16 or more random characters, for the URL of receipts. Set that URL in the panel under
  "Webhook", version v2.
- ``temporary`` and ``permanent``: words of such refusals, as our log shows them, separated by
  spaces. They override our own table.
- ``timeout``, ``base_url`` (for a mock or a proxy).

MSG91 signs nothing, so anybody who knows the URL for receipts can forge them. It carries only codes,
because every text in India must be an approved template.

Sources: docs.msg91.com and api.msg91.com/apidoc/textsms/send-sms-flow.php (request), msg91.com/help, "How to
use Webhook to get the delivery report" (receipts). MSG91 lists no codes for its flow API. 201 and 418 were
seen there; the others come from its older API. A refusal without a code is recognised by its text. The states
3 and 5 are missing from MSG91's list, but clients of its API know them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs

from sms.errors import ReceiptRejected
from sms.message import Receipt
from sms.providers.base import Sms
from sms.providers.templates import Templates
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, TokenProvider, one_number, outcome_table, state_table
from sms.providers.wire import at, parse, word_of

CODES = outcome_table(
    # 001, 002, 601 trouble at MSG91; 306 route closed at night; "error": no reason given.
    temporary="001 002 306 601 error",
    # 101, 202 number; 102, 310 text.
    refused="101 102 202 310 number",
    # 103, 203 sender; 106, 201, 207 key; 107, 205, 209, 210 route; 208, 418 our IP address; 301 balance.
    # 302, 303, 505 account.
    account="103 106 107 201 203 205 207 208 209 210 301 302 303 418 505 key address template balance sender",
    # 311 the same message within ten seconds; the first one was most likely sent.
    unknown="311",
)

#: Our words for its texts, tried in this order. We do not keep a text, which may repeat the number.
TEXTS = {
    "key": r"auth ?key|unauthori[sz]ed",
    "address": r"whitelist|\bip\b",
    "template": r"template|flow",
    "balance": r"balance|credit",
    "sender": r"sender",
    "number": r"mobile|number|recipient",
}


class Msg91Provider(TokenProvider):
    scheme = "msg91"
    name = "MSG91"
    set_in_console = True
    url_names: ClassVar = {"password": "authkey", **TokenProvider.url_names}
    needs_code = True
    refers_by_own_id = True
    set_in_console = True
    id_path = "message"
    # 9 on the do-not-disturb list; 16, 25 rejected; 17 blocked.
    states = state_table(sent="5", delivered="1 3", failed="2 9 16 17 25")

    def __init__(
        self,
        alias: str,
        *,
        authkey: str,
        template: str,
        variable: str = "OTP",
        temporary: str = "",
        permanent: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, "https://control.msg91.com", **common)
        if not (authkey.isascii() and authkey.isprintable()):
            raise BadProviderURL(f"{alias}: the authkey must be printable ASCII.")
        self._templates = Templates(alias, template)
        if not self._templates:
            raise BadProviderURL(f"{alias}: template= must be the id of an approved template.")
        self._variable = variable.strip("#")
        if not self._variable or self._variable == "mobiles":
            raise BadProviderURL(f"{alias}: variable= must be the code's name in the template, such as OTP.")
        self.outcomes = CODES | outcome_table(temporary=temporary, refused=permanent)
        self._headers = {"authkey": authkey, "Content-Type": "application/json", "Accept": "application/json"}

    def build(self, sms: Sms) -> Request:
        to = one_number(sms.to)  # the field takes several numbers, separated by commas
        message: dict[str, Any] = {
            "template_id": self._templates.of(sms),
            "short_url": "0",
            "recipients": [{"mobiles": to.removeprefix("+"), self._variable: sms.code}],
        }
        if sender := sms.sender or self.sender:
            message["sender"] = sender
        return Request(f"{self.base_url}/api/v5/flow", json.dumps(message), self._headers)

    def word_in(self, found: Any) -> str:
        if at(found, "type") == "success":
            return ""
        code = word_of(at(found, "code"))
        if re.fullmatch(r"[0-9]{1,5}", code, re.ASCII):
            return code
        if at(found, "type") != "error":
            return ""
        text = word_of(at(found, "message")).lower()
        return next((word for word, pattern in TEXTS.items() if re.search(pattern, text)), "error")

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        kind = at(found, "type")
        if kind == "error" and (word == "error" or word not in self.outcomes):  # a refusal without a reason
            return "account" if status in self.account_statuses else self.outcomes["error"]
        meaning = super().outcome(status, word, found)
        if meaning == "accepted" and kind != "success":
            return self.outcomes.get(word, "unknown")
        return meaning

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        try:
            (data,) = parse_qs(body.decode("utf-8-sig"))["data"]
        except (ValueError, KeyError):
            raise ReceiptRejected("the body is not a form with data") from None
        requests = parse(data.encode(errors="replace"))
        if not isinstance(requests, list) or not requests:
            raise ReceiptRejected("data is not a list")
        return [self._receipt(request, report) for request in requests for report in _reports(request)]

    def _receipt(self, request: Any, report: Any) -> Receipt:
        id, word = word_of(at(request, "requestId")), word_of(at(report, "status"))
        if not id or not word:
            raise ReceiptRejected("a report names no message or no status")
        return self.receipt("", word, id=id)


def _reports(request: Any) -> list[Any]:
    found = at(request, "report")
    if not isinstance(found, list) or not found:
        raise ReceiptRejected("a request has no report")
    return found
