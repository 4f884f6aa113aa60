"""``whatsapp://:TOKEN@PHONE_NUMBER_ID?template=verify_code&app_secret=SECRET&verify_token=VERIFY_TOKEN``:
WhatsApp Cloud API.

Options:

- ``template``: the name of an approved authentication template, or one for each purpose, such as
  ``verify_code|login=enter``.
- ``languages``: those in which it is approved, as Meta writes them, such as ``en_US|de|pt_BR``. A code goes
  in the user's language, or in the first one.
- ``app_secret`` and ``verify_token``: they authenticate Meta's webhook. Without them, no receipts are
  accepted, so no other provider takes over a code that did not arrive.
- ``from``: the business's number, which inbound messages show as their destination.
- ``version``: of the Graph API.
- ``timeout``, ``base_url`` (for a mock or a proxy).

It carries only codes, of at most 15 characters: the text is Meta's. Copy-code, one-tap and zero-tap buttons
are sent in the same way. The time to live belongs to the template (``message_send_ttl_seconds``), not to a
message. If a number has no WhatsApp (131026), the answer says so, or later a status. docs/whatsapp.md says
how to set it up.

Sources: developers.facebook.com/documentation/business-messaging/whatsapp/:
templates/authentication-templates, templates/time-to-live, support/error-codes;
developers.facebook.com/docs/graph-api/changelog (v26.0, of July 2026, is the newest); pywa 4.5.0 on PyPI:
errors.py, client.py. Which errors blame the number and which blame us is our reading of their texts.
"""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from sms.message import Channel
from sms.providers.base import Codes, Sms
from sms.providers.templates import Languages, Templates
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, VendorProvider, one_number, outcome_table
from sms.providers.whatsapp_receipts import WhatsAppReceipts
from sms.providers.wire import at, word_of

#: Error codes. Meta wants clients to read them, not the HTTP status.
CODES = outcome_table(
    # 1, 2, 131000, 131016 trouble at Meta; 131057 maintenance.
    # Too many calls: 4 of the app, 80007 of the account, 130429 of the number, 131056 to this user.
    # 131048 too many messages were marked as spam.
    temporary="1 2 4 80007 130429 131000 131016 131048 131056 131057",
    # 131026 no WhatsApp, or a version that is too old.
    # 130472, 131049 Meta holds it back from this user, for an experiment or because they get too many. Both
    # are documented for marketing only.
    unreachable="130472 131026 131049",
    # 100, 131009 a parameter; 131021 to ourselves; 131030 not on the list of a test number.
    refused="100 131009 131021 131030",
    opted_out="131050",
    # 0, 190 token; 3, 10, 131005, 200 to 299 permissions; 33, 131037, 131045, 133010 our number is gone or
    # not registered; 368, 131031, 131064 our account; 131042 its payment.
    account="0 3 10 33 190 368 131005 131031 131037 131042 131045 131064 133010 "
    + " ".join(str(code) for code in range(200, 300)),
    # 130497 we may not send there. The others: the template is unknown in this language, paused, disabled, or
    # takes other parameters. It may still work in the languages of other countries.
    country="130497 131008 132000 132001 132005 132007 132008 132012 132015 132016",
)


class WhatsAppProvider(WhatsAppReceipts):
    scheme = "whatsapp"
    name = "WhatsApp Cloud API"
    channel = Channel.WHATSAPP
    needs_code = True
    codes = Codes("(?s:.{1,15})", "codes of at most 15 characters")
    url_names: ClassVar = {"password": "token", "host": "phone_number_id", **VendorProvider.url_names}
    outcomes = CODES
    id_path = "messages.0.id"
    word_paths = ("error.code",)
    word_form = "[0-9]{1,6}"

    def __init__(
        self,
        alias: str,
        *,
        token: str,
        phone_number_id: str,
        template: str,
        languages: str = "en_US",
        app_secret: str = "",
        verify_token: str = "",
        version: str = "v26.0",
        **common: Any,
    ) -> None:
        super().__init__(
            alias, "https://graph.facebook.com", phone_number_id, app_secret, verify_token, **common
        )
        if not re.fullmatch(r"[!-~]+", token):
            raise BadProviderURL(f"{alias}: the token must be printable ASCII without spaces.")
        if not re.fullmatch(r"[0-9]{5,20}", phone_number_id):
            raise BadProviderURL(
                f"{alias}: write the phone number ID after the @. Meta shows it beside the number; it is not "
                "the number."
            )
        if not re.fullmatch(r"v[1-9][0-9]{0,2}\.[0-9]", version):
            raise BadProviderURL(f"{alias}: version= must be one of the Graph API, such as v26.0.")
        self._templates = Templates(alias, template)
        if not self._templates:
            raise BadProviderURL(f"{alias}: template= must be the name of an approved template.")
        self._languages = Languages(alias, languages)
        self._url = f"{self.base_url}/{version}/{phone_number_id}/messages"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def build(self, sms: Sms) -> Request:
        code = [{"type": "text", "text": sms.code}]
        message = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": one_number(sms.to).removeprefix("+"),
            "type": "template",
            "template": {
                "name": self._templates.of(sms),
                "language": {"code": self._languages.of(sms)},
                "components": [
                    {"type": "body", "parameters": code},
                    {"type": "button", "sub_type": "url", "index": "0", "parameters": code},
                ],
            },
            "biz_opaque_callback_data": sms.id,
        }
        return Request(self._url, json.dumps(message), self._headers)

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        if status >= 400 and word == "100" and word_of(at(found, "error.error_subcode")) == "33":
            return "account"  # the phone number ID is not ours
        listed = self.outcomes.get(word) if status >= 400 else None
        return listed or super().outcome(status, word, found)
