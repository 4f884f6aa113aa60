"""``android://USER:PASSWORD@192.168.1.20:8080?receipt_secret=SECRET``: SMS Gateway for Android
(capcom6/android-sms-gateway), a phone of your own.

Host and port are those of the phone's local server. It speaks plain HTTP, so keep it in a network that you
trust. ``android://USER:PASSWORD@api.sms-gate.app`` is the app's cloud server, which can read a message until
the phone has fetched it.

Options:

- ``receipt_secret``: the signing key of the app's webhooks, 8 or more characters. Without it, Otpost polls
  the phone for the state of each message.
- ``device``: the id of a phone. If a server has several phones, messages cannot be repeated safely without
  it.
- ``sim``: 1 to 3.
- ``priority``: of codes, from -128 to 127. The default 100 bypasses the limits and delays of the app. Other
  messages have 0.
- ``from``: the number of the SIM, which inbound messages show as their destination.
- ``timeout``.
- ``base_url``: your own server, such as https://sms.example/api/3rdparty/v1, or a proxy.

Register the webhooks once, by POST {base}/webhooks. ``sms:sent``, ``sms:delivered`` and ``sms:failed`` take
the URL for receipts, and ``sms:received`` the URL for inbound messages. The phone itself calls them.

We make the id of a message from its reference and the idempotency key of the attempt. The phone answers 409
to an id that it already has. A message that has not left the phone when its ``ttl`` ends fails with "TTL
expired".

Sources: capcom6/android-sms-gateway at 0cdc5d8 (localserver/routes/MessagesRoutes.kt, webhooks/plugins/
PayloadSingingPlugin.kt, webhooks/payload/SmsEventPayload.kt), android-sms-gateway/server at 22074dd.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from sms.errors import OutcomeUnknown, PermanentFailure, ReceiptRejected
from sms.message import Inbound, Receipt
from sms.providers.base import Sms
from sms.providers.callbacks import require_address_of, require_recent, same, signature_in
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Request, VendorProvider, outcome_table, state_table
from sms.providers.wire import at, basic, parse

#: The cloud server, and the path of the API on any server between us and the phones.
CLOUD, SERVER = "api.sms-gate.app", "/3rdparty/v1"

#: Seconds that the phone's clock may differ from ours when it signs.
LEEWAY = 300

#: Seconds; the shortest time to live that the server accepts.
MIN_TTL = 5


class AndroidProvider(VendorProvider):
    scheme = "android"
    name = "SMS Gateway for Android"
    set_in_console = True
    url_names: ClassVar = {"user": "username", **VendorProvider.url_names}
    outcomes = outcome_table(account="device")
    id_path = "id"
    # The words of webhooks, and of the state of a message.
    states = state_table(
        sent="sms:sent Processed Sent",
        delivered="sms:delivered Delivered",
        failed="sms:failed sms:cancelled Failed Cancelled",
    )
    receives = True

    def __init__(
        self,
        alias: str,
        *,
        username: str,
        password: str,
        host: str = CLOUD,
        receipt_secret: str = "",
        device: str = "",
        sim: int = 0,
        priority: int = 100,
        **common: Any,
    ) -> None:
        super().__init__(alias, f"https://{CLOUD}{SERVER}" if host == CLOUD else f"http://{host}", **common)
        if 0 < len(receipt_secret) < 8:
            raise BadProviderURL(f"{alias}: receipt_secret= needs 8 characters or more, like the app's key.")
        if not 0 <= sim <= 3 or not -128 <= priority <= 127:
            raise BadProviderURL(f"{alias}: sim= takes 1 to 3, priority= takes -128 to 127.")
        self.takes_receipts = bool(receipt_secret)
        self.reports_by_poll = not receipt_secret
        # A server picks any of its phones, but only the same phone recognises a repetition.
        self.repeats_safely = bool(device) or not self.base_url.endswith(SERVER)
        self._secret = receipt_secret.encode()
        self._priority = priority
        self._fixed = {**({"deviceId": device} if device else {}), **({"simNumber": sim} if sim else {})}
        self._headers = {"Authorization": basic(username, password), "Content-Type": "application/json"}

    def send(self, sms: Sms) -> str:
        try:
            return super().send(sms)
        except PermanentFailure as refusal:
            if refusal.code != "409":
                raise
            return _id(sms)  # the phone already has this hand-off

    def build(self, sms: Sms) -> Request:
        message: dict[str, Any] = {
            "id": _id(sms),
            "textMessage": {"text": sms.body},
            "phoneNumbers": [sms.to],
            "priority": self._priority if sms.code else 0,
            **self._fixed,
        }
        if sms.expires_in:
            message["ttl"] = max(MIN_TTL, int(sms.expires_in))
        return Request(f"{self.base_url}/messages", json.dumps(message), self._headers)

    def build_look_up(self, provider_message_id: str) -> Request:
        url = f"{self.base_url}/messages/{quote(provider_message_id, safe='')}"
        return Request(url, b"", self._headers, "GET")

    def read_look_up(self, reference: str, found: Any) -> Receipt | None:
        state = at(found, "state")
        if not state or not isinstance(state, str):
            raise OutcomeUnknown("the answer names no state", code="no_state")
        if state in ("Pending", "Cancelling"):
            return None
        error = _reason(at(found, "recipients.0.error"))
        return self.receipt(reference, state, error=error)

    def word_in(self, found: Any) -> str:
        """A word for an unknown phone, and none for other errors, whose texts must not be kept."""
        message = at(found, "message")
        return "device" if isinstance(message, str) and re.search(r"\bdevice\b", message) else ""

    def read_head(self, headers: Mapping[str, str], url: str) -> tuple[str, str]:
        """The signature and the time that it covers."""
        signature, signed_at = signature_in(headers, "x-signature"), headers.get("x-timestamp", "")
        require_recent(signed_at, LEEWAY)
        return signature, signed_at

    def read_receipts(self, head: tuple[str, str], body: bytes, url: str) -> list[Receipt]:
        webhook = self._opened(head, body)
        id, reason = at(webhook, "payload.messageId"), at(webhook, "payload.reason")
        if not id or not isinstance(id, str):
            return []  # an event about the phone itself
        reference = id.partition(".")[0]
        require_address_of(reference, url)
        return [self.receipt(reference, webhook["event"], id=id, error=_reason(reason))]

    def read_inbound(self, head: tuple[str, str], body: bytes, url: str) -> list[Inbound]:
        webhook = self._opened(head, body)
        if webhook["event"] != "sms:received":
            return []
        # We take the id of the event, because that of the message is only a checksum.
        id, payload = webhook.get("id"), webhook["payload"]
        phone = payload.get("sender") or payload.get("phoneNumber")
        if not id or not phone:
            raise ReceiptRejected("the message has no id or no sender")
        sender = self.sender or str(payload.get("recipient") or "")
        return [Inbound(id=str(id), phone=str(phone), sender=sender, text=str(payload.get("message", "")))]

    def _opened(self, head: tuple[str, str], body: bytes) -> Any:
        """The content of a webhook that the phone has signed: an ``event`` and its ``payload``."""
        signature, signed_at = head
        expected = hmac.digest(self._secret, body + signed_at.encode(), "sha256").hex()
        if not same(signature.lower(), expected):
            raise ReceiptRejected("the signature is wrong")
        webhook = parse(body)
        if not isinstance(at(webhook, "event"), str) or not isinstance(at(webhook, "payload"), dict):
            raise ReceiptRejected("the webhook cannot be read")
        return webhook


def _id(sms: Sms) -> str:
    """An id of at most 36 characters: the reference, a dot, and a digest of the hand-off's key."""
    return f"{sms.id}.{hashlib.sha256(sms.key.encode()).hexdigest()[:8]}" if sms.key else sms.id


def _reason(text: object) -> str:
    """The word of Android's or the app's own in a text that may otherwise hold anything."""
    found = re.match(r"RESULT_[A-Z_]{1,60}|TTL expired", str(text))
    return found[0] if found else ""
