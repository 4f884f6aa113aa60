"""``smsir://:API_KEY@?template=123456&parameter=Code``: SMS.ir.

Options: ``template``, the number of the panel's template by which codes go (``send/verify``), or one by
purpose and locale, ``123456|login=123457|.en=123458``; ``parameter``, what the template calls the code,
without the # around it (``Code``); ``from``, the line of other messages, and of codes without
``template``; ``timeout``; ``base_url`` (a mock or a proxy).

SMS.ir calls nobody: it is asked for the state of each message. A key of its sandbox sends nothing and
knows the template 123456.

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

#: What stands for the id of a text that was not taken: 0 for a blocked number, null for a bad one.
NOT_TAKEN = ([0], [None])


class SmsIrProvider(TemplateOrLine):
    scheme = "smsir"
    name = "SMS.ir"
    url_names: ClassVar = {"password": "api_key", **TemplateOrLine.url_names}
    template_form = r"[0-9]+", "123456"
    reports_by_poll = True
    taken = "1"
    id_path = "id"  # where id_for puts it
    word_paths = ("status",)
    state_path = "data.deliveryState"
    outcomes = outcome_table(
        # 0 trouble at SMS.ir, 20 too many requests.
        temporary="0 20",
        # 103 and 108 no text, 104 and 107 number, 114 a value of over 25 characters, 115 number is blocked,
        # 117 text is not approved.
        refused="103 104 107 108 114 115 117",
        # 10 and 11 key, 12 our address, 13 and 14 account off, 15 and 119 another plan, 16 and 116 parameter,
        # 101 and 123 line, 102 credit, 113 template unknown, 124 template is not one of codes.
        account="10 11 12 13 14 15 16 101 102 113 116 119 123 124",
    )
    # 3 and 5 at the operator, 4 not there; 2 not delivered, 6 error, 7 blocked. SMS.ir does not say that 4 is
    # final: a code that was still on its way there would be sent twice.
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
