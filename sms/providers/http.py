"""``https://USER:PASSWORD@HOST/PATH?…``: any gateway that takes JSON or a form, described by options.

Host and path are the gateway's (``http://`` for one in your own network). The query is ours. Percent-encode
each of its values once more: ``%26`` for ``&``, ``%2B`` for ``+``, ``%2C`` for a comma.

The request:

    USER:PASSWORD@  sends Basic credentials, :TOKEN@ alone sends ``Authorization: Bearer TOKEN``
    json=       json={"to":"{to}"%2C"text":"{body}"}   the gateway's sample with placeholders, or
    form=       form=to={to_digits}%26text={body}      the same for a form
    method=     method=PUT                             or PATCH; default POST
    query=      query=key=K%26v=2                      the gateway's own query, without placeholders
    headers=    headers=X-Key: K|Idempotency-Key: {id} separated by |; {id} is their only placeholder
    from=       from=Shop                              the {sender}, unless a route names another
    channel=    channel=whatsapp                       or telegram, voice: what it sends; default sms
    timeout=, base_url=                                as everywhere; base_url= keeps the path

Placeholders: {to} (+12025550123), {to_digits} (no +), {body}, {sender}, {id} (ours), {callback_url},
{expires_in} (seconds). Write a literal brace twice. If a value comes out empty, such as {callback_url} when
no receipts are wanted, it is left out together with its name. The URL takes no placeholders, since servers
log URLs. So gateways that want the number there cannot be used.

The answer must be JSON. A path leads into it by names and, in lists, by indexes from 0:

    id=         id=messages.0.id                       path of the message's id; id=none if there is none
    error=      error=messages.0.status                path of a word for what happened
    accepted=, temporary=, refused=, opted_out=, account=, country=
                temporary=409 QUEUE_FULL               HTTP statuses, and words at error=, separated by spaces

After ``temporary`` the next alias is asked. ``refused`` blames the number or the text. ``opted_out`` is a
number that has sent STOP to this sender. ``account`` blames your account, and ``country`` your account in
that country.

- A listed word overrides the status.
- Unlisted, 408, 429 and 5xx are temporary, 401 to 407, 410, 411, 415, 421 and 426 blame the
  account, and other 4xx are refused.
- A redirect is not followed. It means that the URL is wrong, so it blames the account.
- A 2xx is an unknown outcome if its word is unlisted, if it has no word but accepted= lists words, or if it
  has no id.

``http_receipts.py`` reads receipts and inbound messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from sms.errors import OutcomeUnknown
from sms.providers import wire
from sms.providers.base import Sms
from sms.providers.http_receipts import HttpReceipts
from sms.providers.url import read_channel
from sms.providers.vendor import Outcome, Request
from sms.providers.wire import (
    FIELDS,
    at,
    basic,
    fill,
    placeholders,
    read_headers,
    read_json,
    read_pairs,
    read_words,
    texts,
    word_of,
)

#: An HTTP status in a list of words.
STATUS = re.compile(r"[1-5][0-9][0-9]")


class HttpProvider(HttpReceipts):
    scheme = "http"
    name = "the gateway"
    url_names: ClassVar = {
        **HttpReceipts.url_names,
        "json": "json_body",
        "form": "form_body",
        "id": "id_path",
        "error": "error_path",
    }

    def __init__(
        self,
        alias: str,
        *,
        host: str = "",
        path: str = "",
        user: str = "",
        password: str = "",
        json_body: str = "",
        form_body: str = "",
        method: str = "POST",
        query: str = "",
        headers: str = "",
        channel: str = "",
        id_path: str = "",
        error_path: str = "",
        accepted: str = "",
        temporary: str = "",
        refused: str = "",
        opted_out: str = "",
        account: str = "",
        country: str = "",
        receipt_secret: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, f"{self.scheme}://{host}", receipt_secret=receipt_secret, **common)

        self.channel = read_channel(alias, channel)
        need = partial(wire.need, alias)
        need("{" not in path + query, "the path and query= take no placeholders; json= and form= do.")
        need(method in ("POST", "PUT", "PATCH"), "method must be POST, PUT or PATCH.")
        need(bool(json_body) != bool(form_body), "give either json= or form=.")
        self._method, self._is_json = method, bool(json_body)
        self._url = self.base_url + quote(path, safe="/:@!$&'()*+,;=~")
        if query:
            self._url += "?" + urlencode(read_pairs(alias, "query", query))
        kind, text = ("json", json_body) if json_body else ("form", form_body)
        self._template = read_json(alias, text) if json_body else read_pairs(alias, "form", text)
        used = set[str]().union(*(placeholders(alias, kind, t, FIELDS) for t in texts(self._template)))
        need(
            "body" in used and used & {"to", "to_digits"},
            f"{kind}= needs {{to}} or {{to_digits}}, and {{body}}.",
        )
        self._headers = self._read_headers(headers, user, password)

        need(id_path, "id= must say where the answer has the message's id, such as id=data.id, or id=none.")
        self.id_path, self._error = "" if id_path == "none" else id_path, error_path
        outcomes = {"accepted": accepted, "temporary": temporary, "refused": refused}
        outcomes |= {"opted_out": opted_out, "account": account, "country": country}
        self.outcomes = read_words(alias, outcomes)  # type: ignore[assignment]
        for name, listed in outcomes.items():
            need(
                error_path or all(map(STATUS.fullmatch, listed.split())),
                f"{name}= takes HTTP statuses such as 409; for words, error= must say where they are.",
            )
        self._answers_in_words = not all(map(STATUS.fullmatch, accepted.split()))

    def _read_headers(self, text: str, user: str, password: str) -> Mapping[str, str]:
        found = {"content-type": "application/json" if self._is_json else "application/x-www-form-urlencoded"}
        lines = [part.strip(" ") for part in text.split("|") if part.strip(" ")]
        if user:
            lines.insert(0, f"Authorization: {basic(user, password)}")
        elif password:
            token = password.replace("{", "{{").replace("}", "}}")
            lines.insert(0, f"Authorization: Bearer {token}")
        return found | read_headers(self.alias, lines)

    def build(self, sms: Sms) -> Request:
        values = {
            "to": sms.to,
            "to_digits": sms.to.removeprefix("+"),
            "body": sms.body,
            "sender": sms.sender or self.sender,
            "id": sms.id,
            "callback_url": sms.callback_url,
            "expires_in": max(1, int(sms.expires_in)) if sms.expires_in else "",
        }
        content = fill(self._template, values)
        body = json.dumps(content) if self._is_json else urlencode(content, errors="replace")
        headers = {k: v.format(id=quote(sms.id, safe="")) for k, v in self._headers.items()}
        return Request(self._url, body, headers, self._method)

    def word_in(self, found: Any) -> str:
        word = word_of(at(found, self._error))
        # An unlisted word may be free text that repeats the number.
        return word if word in self.outcomes else ""

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        good = 200 <= status < 300
        listed = self.outcomes.get(word)
        if listed and (good or listed != "accepted"):
            return listed
        listed = self.outcomes.get(str(status))
        if listed and not (good and listed == "accepted"):  # accepted=200 must not hide a word for an error
            return listed
        if good:
            says_another = self._answers_in_words or word_of(at(found, self._error))
            return "unknown" if says_another else "accepted"
        return super().outcome(status, "", found)

    def id_for(self, sms: Sms, found: Any) -> str:
        if self.id_path:
            return super().id_for(sms, found)
        if self._error and found is None:
            raise OutcomeUnknown("the answer cannot be read", code="no_json")
        return ""


class HttpsProvider(HttpProvider):
    scheme = "https"
