"""``smsir://:API_KEY@?template=123456&parameter=Code&only=codes``: SMS.ir.

Options:

- ``template``: the number of the panel's template for codes (``send/verify``), or one for each purpose and
  locale, such as ``123456|login=123457|.en=123458``.
- ``parameter``: the name of the code in the template, without the # around it (``Code``).
- ``from``: the line of other messages, and of codes without ``template``.
- ``timeout``, ``base_url`` (for a mock or a proxy).

SMS.ir sends no receipts. Otpost polls for the state of each message. A sandbox key sends nothing and knows
the template 123456.

Source: sms.ir/rest-api, as of 2026.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import quote

from sms.providers.base import Sms
from sms.providers.iran import TemplateOrLine
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, outcome_table, state_table
from sms.providers.wire import at

#: In place of the id of a text that was not taken: 0 for a blocked number, null for a bad one.
NOT_TAKEN = ([0], [None])


class SmsIrProvider(TemplateOrLine):
    scheme = "smsir"
    name = "SMS.ir"
    url_names: ClassVar = {"password": "api_key", **TemplateOrLine.url_names}
    template_form = r"[0-9]+", "123456"
    reports_by_poll = True
    taken = "1"
    id_path = "id"  # ``id_for`` puts it there
    word_paths = ("status",)
    state_path = "data.deliveryState"
    outcomes = outcome_table(
        # 0 trouble at SMS.ir; 20 too many requests.
        temporary="0 20",
        # 103, 108 no text; 104, 107 number; 114 value over 25 characters; 115 number blocked.
        # 117 text not approved.
        refused="103 104 107 108 114 115 117",
        # 10, 11 key; 12 our IP address; 13, 14 account off; 15, 119 needs another plan; 16, 116 parameter.
        # 101, 123 line; 102 credit; 113 template unknown; 124 template not for codes.
        account="10 11 12 13 14 15 16 101 102 113 116 119 123 124",
    )
    # 3, 5 at the operator; 4 not at the operator; 2 not delivered; 6 error; 7 blocked. SMS.ir does not say
    # whether 4 is final. If it were counted as a failure, a code that is still on its way would be sent
    # twice.
    states = state_table(sent="3 4 5", delivered="1", failed="2 6 7")

    def __init__(self, alias: str, *, api_key: str, parameter: str = "Code", **common: Any) -> None:
        super().__init__(alias, "https://api.sms.ir", **common)
        if not (api_key.isascii() and api_key.isprintable()):
            raise BadProviderURL(f"{alias}: the API key must be printable ASCII.")
        self._parameter = parameter.strip("#")
        self._headers = {
            "X-API-KEY": api_key,
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def by_template(self, to: str, template: str, code: str) -> Request:
        parameters = [{"name": self._parameter, "value": code}]
        return self._post("verify", {"mobile": to, "templateId": int(template), "parameters": parameters})

    def by_line(self, to: str, line: str, sms: Sms) -> Request:
        number = int(line) if line.isdecimal() else line
        return self._post("bulk", {"lineNumber": number, "messageText": sms.body, "mobiles": [to]})

    def _post(self, method: str, message: dict[str, Any]) -> Request:
        return Request(f"{self.base_url}/v1/send/{method}", json.dumps(message), self._headers)

    def build_look_up(self, provider_message_id: str) -> Request:
        id = quote(provider_message_id, safe="")
        return Request(f"{self.base_url}/v1/send/{id}", "", self._headers, "GET")

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        meaning = super().outcome(status, word, found)
        return "refused" if meaning == "accepted" and at(found, "data.messageIds") in NOT_TAKEN else meaning

    def id_for(self, sms: Sms, found: Any) -> str:
        by_line = at(found, "data.messageIds.0")
        return super().id_for(sms, {"id": by_line or at(found, "data.messageId")})
