"""What all products of Twilio's share: credentials, the API's address, errors, the signature of a callback.

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

#: What Twilio calls a thing by: two letters for its kind, AC for an account, and 32 hexadecimal digits.
SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")

#: The header that signs the address and the form of a callback.
SIGNATURE = "x-twilio-signature"


class TwilioAccount(VendorProvider):
    """A product of Twilio's. Its class says in ``outcomes`` what codes mean that their HTTP status does not
    tell; ``temporary=`` and ``permanent=`` change that.
    """

    url_names: ClassVar = {"user": "account_sid", "password": "auth_token", **VendorProvider.url_names}
    id_path = "sid"
    word_paths = ("code",)
    takes_receipts = True
    receipt_option = "auth_token"
    resource: ClassVar[str]  # what is created, as the API's address names it

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
        # Here, as the SDK is an extra and slow to read: a list of providers needs neither.
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
            raise BadProviderURL(f"{alias}: SID and token are swapped; write {example}, AC… first.")
        if SID.fullmatch(account_sid) and not account_sid.startswith("AC"):
            raise BadProviderURL(f"{alias}: this is no SID of an account; write the one that begins with AC.")
        self._validator = RequestValidator(auth_token)
        self.takes_receipts = bool(auth_token)
        codes = self.outcomes
        lasting = {code for code, meaning in codes.items() if meaning != "temporary"}
        self.outcomes = {
            **codes,
            **dict.fromkeys(_codes(alias, temporary), "temporary"),
            **dict.fromkeys(_codes(alias, permanent) - lasting, "refused"),
        }
        # Their SDK knows the host and the headers. A request by it takes twice the CPU of one by ourselves.
        sdk = Client(account_sid, auth_token)
        host = self.base_url or sdk.get_hostname("https://api.twilio.com")
        self.host = urlsplit(host).hostname or ""
        self._url = f"{host}/2010-04-01/Accounts/{account_sid}/{self.resource}"
        self._headers = sdk.get_headers("POST", None) | {"Authorization": basic(account_sid, auth_token)}

    def post(self, fields: Mapping[str, Any], path: str = "") -> Request:
        """The request that posts a form to the resource, or to what stands below it."""
        return Request(f"{self._url}{path}.json", urlencode(fields), self._headers)

    def read_head(self, headers: Mapping[str, str], url: str) -> str:
        return signature_in(headers, SIGNATURE)

    def form(self, head: str, body: bytes, url: str) -> Mapping[str, str]:
        """The fields of a callback, if Twilio has signed it. Raises ``ReceiptRejected``."""
        fields = form(body)
        if not self._validator.validate(url, fields, head):
            raise ReceiptRejected("the signature is wrong")
        return fields


def _codes(alias: str, text: str) -> set[str]:
    try:
        return {str(int(code)) for code in text.replace(",", " ").split()}
    except ValueError:
        raise BadProviderURL(f"{alias}: temporary= and permanent= hold Twilio's error numbers.") from None
