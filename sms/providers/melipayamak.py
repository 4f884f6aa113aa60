"""``melipayamak://USERNAME:PASSWORD@?template=123456&only=codes``: Melipayamak, and resellers of its panel.

The password is the API key if the account demands that, which it says by the error -110.

Options:

- ``template`` or ``body_id``: the number of the approved text of codes (``BaseServiceNumber``), whose only
  variable is the code. Give one number, or one for each purpose and locale, such as
  ``123456|login=123457|.en=123458``.
- ``from``: the line of other messages, and of codes without ``template``.
- ``timeout``.
- ``base_url``: the default is https://rest.payamak-panel.com. Resellers may have their own.

Melipayamak sends no receipts. Otpost polls for the state of each message.

Sources: melipayamak.com/api (methods, codes), melipayamak.com/help, the guide to the service "Send" (states).
The codes of ``BaseServiceNumber`` over REST were read in the code of its users.
"""

from __future__ import annotations

import re
from email.message import Message
from typing import Any, ClassVar
from urllib.parse import urlencode

from sms.errors import PermanentFailure
from sms.providers.base import Sms
from sms.providers.exchange import Answer
from sms.providers.iran import TemplateOrLine, code_in
from sms.providers.vendor import Request, outcome_table, state_table
from sms.providers.wire import at, word_of

HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

#: An id has over 15 digits, an error code at most three.
_ID = re.compile(r"[0-9]{8,20}", re.ASCII)


class MelipayamakProvider(TemplateOrLine):
    scheme = "melipayamak"
    name = "Melipayamak"
    url_names: ClassVar = {"user": "username", "body_id": "template", **TemplateOrLine.url_names}
    template_form = r"[0-9]+", "123456"
    reports_by_poll = True
    taken = "1"
    state_path = "Value"
    outcomes = outcome_table(
        # 6 under maintenance; -6 internal error; 11 not sent; 19 too many in an hour.
        temporary="6 -6 11 19",
        # 7 filtered word; 14, -10 a link; 16, 18 number; 17 no text; 35 blocked; -2 several numbers.
        refused="7 14 -10 16 17 18 35 -2",
        # 0 login; 2 credit; 3, 4 daily limits; 5, 9, -7 sender; 10 account off; 12 documents missing. 108 to
        # 111 our IP or key; -1 no access; -3 line; -4 template unknown; -5 template has other variables.
        account="0 2 3 4 5 9 10 12 -1 -3 -4 -5 -7 -108 -109 -110 -111 108 109 110 111",
    )
    # 0, 200, 400 under way; 8 at the operator; 2 not delivered; 3 operator error; 16 number unknown.
    # 35 blocked; 300 filtered; 500 refused.
    states = state_table(sent="0 8 200 400", delivered="1", failed="2 3 16 35 300 500")

    def __init__(self, alias: str, *, username: str, password: str, **common: Any) -> None:
        super().__init__(alias, "https://rest.payamak-panel.com", **common)
        self._login = {"username": username, "password": password}

    def by_template(self, to: str, template: str, code: str) -> Request:
        if ";" in code:
            raise PermanentFailure("a variable must not hold ;", code="text")
        return self._post("BaseServiceNumber", text=code, to=to, bodyId=template)

    def by_line(self, to: str, line: str, sms: Sms) -> Request:
        return self._post("SendSMS", to=to, text=sms.body, isFlash="false", **{"from": line})

    def build_look_up(self, provider_message_id: str) -> Request:
        return self._post("GetDeliveries2", recId=provider_message_id)

    def _post(self, method: str, **fields: str) -> Request:
        form = urlencode(self._login | fields)
        return Request(f"{self.base_url}/api/SendSMS/{method}", form, HEADERS)

    def word_in(self, found: Any) -> str:
        """``RetStatus``, or the more precise code in ``Value`` if that only says "invalid"."""
        status, value = code_in(at(found, "RetStatus")), code_in(at(found, "Value"))
        return value if status != self.taken and value not in ("", "0") else status

    def id_for(self, sms: Sms, found: Any) -> str:
        """Only a value of an id's form. Some refusals look like a success, with their code in its place."""
        value = word_of(at(found, "Value"))
        if _ID.fullmatch(value):
            return value
        code = code_in(value) or "no_id"
        raise self._failure(self.outcomes.get(code, "unknown"), code, Answer(200, Message(), b""))
