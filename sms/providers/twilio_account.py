"""Shared by Twilio's products: credentials, the URL of the API, error codes, the signature of callbacks.

Sources: twilio.com/docs/usage/api (address, credentials), twilio.com/docs/api/errors (codes),
twilio.com/docs/usage/webhooks/webhooks-security (signature).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from sms.errors import ReceiptRejected
from sms.providers.callbacks import form, signature_in
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Request, VendorProvider
from sms.providers.wire import basic

#: Twilio's ids: two letters for the kind, such as AC for an account, and 32 hexadecimal digits.
SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")

#: The header with the signature of a callback's URL and form.
SIGNATURE = "x-twilio-signature"


class TwilioAccount(VendorProvider):
    """A product of Twilio's.

    ``outcomes`` lists error codes whose HTTP status alone would mislead. The options ``temporary=`` and
    ``permanent=`` override it.
    """

    url_names: ClassVar = {"user": "account_sid", "password": "auth_token", **VendorProvider.url_names}
    id_path = "sid"
    word_paths = ("code",)
    takes_receipts = True
    receipt_option = "auth_token"
    resource: ClassVar[str]  # what a message is in the URLs of the API: Messages, Calls

    def __init__(
        self,
        alias: str,
        *,
        account_sid: str,
        auth_token: str,
        temporary: str = "",
        permanent: str = "",
        **common: Any,
    ) -> None:
        # Imported here because the SDK is an extra and slow to import. `manage.py providers` needs neither.
        try:
            from twilio.request_validator import RequestValidator
            from twilio.rest import Client
        except ImportError:
            raise BadProviderURL(
                f"{alias}: {self.scheme}:// needs Twilio's SDK. Install it: pip install 'otpost[twilio]'."
            ) from None
        super().__init__(alias, **common)
        if auth_token.startswith("AC") and not account_sid.startswith("AC"):
            example = f"{self.scheme}://SID:TOKEN@"
            raise BadProviderURL(f"{alias}: SID and token are swapped. Write {example} with AC… first.")
        if SID.fullmatch(account_sid) and not account_sid.startswith("AC"):
            raise BadProviderURL(f"{alias}: this is not an account SID. Write the one that begins with AC.")
        self._validator = RequestValidator(auth_token)
        self.takes_receipts = bool(auth_token)
        codes = self.outcomes
        lasting = {code for code, meaning in codes.items() if meaning != "temporary"}
        self.outcomes = {
            **codes,
            **dict.fromkeys(_codes(alias, temporary), "temporary"),
            **dict.fromkeys(_codes(alias, permanent) - lasting, "refused"),
        }
        # The SDK gives us the host and the headers. We send ourselves, which takes half the CPU.
        sdk = Client(account_sid, auth_token)
        host = self.base_url or sdk.get_hostname("https://api.twilio.com")
        self.host = urlsplit(host).hostname or ""
        self._url = f"{host}/2010-04-01/Accounts/{account_sid}/{self.resource}"
        self._headers = sdk.get_headers("POST", None) | {"Authorization": basic(account_sid, auth_token)}

    def post(self, fields: Mapping[str, Any], path: str = "") -> Request:
        """The request that posts a form to the resource, or to ``path`` below it."""
        return Request(f"{self._url}{path}.json", urlencode(fields), self._headers)

    def read_head(self, headers: Mapping[str, str], url: str) -> str:
        return signature_in(headers, SIGNATURE)

    def form(self, head: str, body: bytes, url: str) -> Mapping[str, str]:
        """The form of a callback that Twilio signed. Raises ``ReceiptRejected`` for any other."""
        fields = form(body)
        if not self._validator.validate(url, fields, head):
            raise ReceiptRejected("the signature is wrong")
        return fields


def _codes(alias: str, text: str) -> set[str]:
    try:
        return {str(int(code)) for code in text.replace(",", " ").split()}
    except ValueError:
        raise BadProviderURL(f"{alias}: temporary= and permanent= take Twilio's error numbers.") from None
