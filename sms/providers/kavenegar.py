"""``kavenegar://:API_KEY@?template=otp&only=codes``: Kavenegar.

Options:

- ``template``: the template of codes (``verify/lookup``), whose only variable is ``%token``. Give a name, or
  one for each purpose and locale, such as ``otp|login=enter|.en=otp-en``.
- ``from``: the line of other messages, and of codes without ``template``.
- ``receipt_secret``: 16 or more random characters, for the URLs of receipts and inbound messages that you set
  in the panel.
- ``poll=yes``: poll for the state of each message instead.
- ``timeout``, ``base_url`` (for a mock or a proxy).

Kavenegar accepts the API key only in the path of each request. Keep it out of the logs of proxies. Kavenegar
signs nothing, so anybody who knows the URL for receipts can forge them. It de-duplicates texts by
``localid``, but it cannot de-duplicate codes that go by a template.

Sources: kavenegar.com/rest.html (methods, codes) and Kavenegar's own clients (github.com/kavenegar). The
content of the panel's callbacks and the effect of ``localid`` were read in the code of their users.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from sms.errors import PermanentFailure, ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.base import Sms
from sms.providers.callbacks import form
from sms.providers.iran import TemplateOrLine, e164
from sms.providers.url import is_yes
from sms.providers.vendor import Outcome, Request, TokenProvider, outcome_table, state_table
from sms.providers.wire import parse, word_of

HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class KavenegarProvider(TemplateOrLine, TokenProvider):
    scheme = "kavenegar"
    name = "Kavenegar"
    set_in_console = True
    url_names: ClassVar = {"password": "api_key", **TemplateOrLine.url_names}
    refers_by_own_id = True
    set_in_console = True
    taken = "200"
    id_path = "entries.0.messageid"
    word_paths = ("return.status",)
    state_path = "entries.0.status"
    outcomes = outcome_table(
        # 402 it failed; 409 server busy; 414 too many at once; 429, 451 too often.
        temporary="402 409 414 429 451",
        # 411 number; 413 text empty or too long; 422 characters; 428 a call; 431 the token.
        refused="411 413 422 428 431",
        # 401 account off; 403 key; 407, 416 our IP address; 412, 427 line; 418 credit; 420 no links.
        # 424 template unknown; 426 needs another plan; 430 account not verified; 432 template without token.
        # 501 test account; 400, 404 to 406 a request that Kavenegar does not know.
        account="400 401 403 404 405 406 407 412 416 418 420 424 426 427 430 432 501",
    )
    # 1 queued; 2 scheduled; 4, 5 at the operator; 6 failed; 11 not delivered; 13 cancelled; 14 blocked.
    states = state_table(sent="1 2 4 5", delivered="10", failed="6 11 13 14")

    def __init__(self, alias: str, *, api_key: str, poll: str = "", **common: Any) -> None:
        super().__init__(alias, "https://api.kavenegar.com", **common)
        self._url = f"{self.base_url}/v1/{quote(api_key, safe='')}"
        self.reports_by_poll = is_yes(alias, "poll", poll)
        self.receives = self.takes_receipts
        self.repeats_safely = not self.templates

    def by_template(self, to: str, template: str, code: str) -> Request:
        if re.search(r"[\s_]", code):
            raise PermanentFailure("a token must not hold spaces or _", code="token")
        return self._request("verify/lookup", receptor=to, template=template, token=code)

    def by_line(self, to: str, line: str, sms: Sms) -> Request:
        # A unique integer of 63 bits, which stays the same as long as the key does.
        digest = hashlib.sha256(sms.key.encode()).digest()
        once = {"localid": str(int.from_bytes(digest[:8]) >> 1)} if sms.key else {}
        return self._request("sms/send", receptor=to, sender=line, message=sms.body, **once)

    def build_look_up(self, provider_message_id: str) -> Request:
        return self._request("sms/status", messageid=provider_message_id)

    def _request(self, method: str, **fields: str) -> Request:
        return Request(f"{self._url}/{method}.json", urlencode(fields), HEADERS)

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        # Its codes also come as HTTP statuses, such as 501, with meanings of their own.
        own = self.outcomes.get(word) if word == str(status) else None
        return own or super().outcome(status, word, found)

    def read_receipts(self, head: Mapping[str, str], body: bytes, url: str) -> list[Receipt]:
        fields = _fields(head, body)
        if not (id := fields.get("messageid")):
            raise ReceiptRejected("the receipt names no message")
        return [self.receipt("", fields.get("status", ""), id=id)]

    def read_inbound(self, head: Mapping[str, str], body: bytes, url: str) -> list[Inbound]:
        fields = _fields(head, body)
        id, phone = fields.get("messageid"), e164(fields.get("from", ""))
        if not id or not phone:
            raise ReceiptRejected("not a message from a user")
        return [Inbound(id, phone, fields.get("to", ""), fields.get("message", ""))]


def _fields(head: Mapping[str, str], body: bytes) -> dict[str, str]:
    """The fields of a callback, which come in the URL, in a form or in JSON."""
    found = parse(body)
    is_json = isinstance(found, dict)
    return {**head, **({name: word_of(value) for name, value in found.items()} if is_json else form(body))}
