"""``telegram://:TOKEN@?only=codes``: Telegram Gateway, which brings codes of 4 to 8 digits into Telegram.

Options:

- ``from``: the username of a verified Telegram channel that the account owns. Without it, Telegram's own
  account sends.
- ``temporary`` (the next alias is asked), ``account`` (your account is refused) and ``unreachable`` (the
  number is not on Telegram): error words that mean this, separated by spaces. They override our own table.
  Telegram does not list its words. Ours come from other users' code. Any other word means that the number
  cannot be reached.
- ``timeout``, ``base_url`` (for a mock or a proxy).

Each message takes two requests, which share one ``timeout``. The first checks whether the number can be
reached, and costs the fee if it can. The second sends the message, and is free. So a number that is not on
Telegram moves on to the next channel at once, free of charge.

A message lives as long as its code, but at least 30 s. So if the code has less time left, the message may
arrive after the code has expired. Telegram refunds messages that did not arrive in time; the report then says
``expired, refunded``. If a code is cancelled, replaced or blocked, its message is revoked unless it has
arrived.

There is no ``feedback`` option: Telegram wants the codes themselves (``checkVerificationStatus``), and we
never disclose a code again. Reports are signed with the token and need no other secret.

Sources: core.telegram.org/gateway/api (as of February 26, 2025), …/gateway/verification-tutorial. Error
words: apifonica/tg-gateway-go (errors.go), tgateway 0.1.0 (exceptions.py).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from sms.errors import OutcomeUnknown, ProviderError, ReceiptRejected, TemporaryFailure
from sms.message import Channel, Receipt
from sms.providers.base import Codes, Reply, Sms
from sms.providers.callbacks import require_address_of, require_recent, same, signature_in
from sms.providers.exchange import Answer
from sms.providers.transport import is_temporary
from sms.providers.vendor import Outcome, Request, VendorProvider, one_number, outcome_table, state_table
from sms.providers.wire import at, parse, read_words, word_of

WORDS = outcome_table(
    # Too many requests; the id of a check that is gone, or of another number.
    temporary="FLOOD_WAIT REQUEST_ID_INVALID REQUEST_ID_REQUIRED PHONE_NUMBER_MISMATCH",
    unreachable="PHONE_NUMBER_INVALID PHONE_NUMBER_NOT_FOUND PHONE_NUMBER_NOT_AVAILABLE CODE_INVALID",
    # The token, the funds, the sending channel; fields that are the same in every request.
    account="ACCESS_TOKEN_INVALID ACCESS_TOKEN_REQUIRED BALANCE_NOT_ENOUGH SENDER_USERNAME_INVALID "
    "SENDER_NOT_VERIFIED SENDER_NOT_OWNED CALLBACK_URL_INVALID PAYLOAD_INVALID TTL_INVALID UNKNOWN_METHOD",
    unknown="MESSAGE_ALREADY_SENT",
)

#: HTTP statuses that blame the account even if the word is unlisted.
OURS = frozenset({401, 402, 403})

#: FLOOD_WAIT_30 asks us to wait 30 seconds.
_FLOOD_WAIT = re.compile(r"FLOOD_WAIT_([0-9]{1,9})", re.ASCII)

#: Seconds that a message may live.
SHORTEST, LONGEST = 30, 3600

#: Seconds that the time of a signature may differ from ours. Telegram says that it must be checked, but gives
#: no figure; tgateway uses 300. A report that is replayed in that time changes nothing.
TOLERANCE = 300

#: Headers with the signature of a report, and with the time when it was sent.
SIGNATURE, TIMESTAMP = "x-request-signature", "x-request-timestamp"


class TelegramProvider(VendorProvider):
    scheme = "telegram"
    name = "Telegram Gateway"
    channel = Channel.TELEGRAM
    url_names: ClassVar = {"password": "token", **VendorProvider.url_names}
    needs_code = True
    codes = Codes(r"[0-9]{4,8}", "codes of 4 to 8 digits")
    revokes = True
    tells_prices = True
    takes_receipts = True
    receipt_option = "token"
    receipt_reply = Reply("ok")  # Telegram accepts only 200 as an answer
    id_path = "result.request_id"
    word_paths = ("error",)
    word_form = r"[A-Z][A-Z0-9_]{1,59}"
    states = state_table(sent="sent", delivered="delivered read", failed="expired revoked")

    def __init__(
        self,
        alias: str,
        *,
        token: str,
        temporary: str = "",
        account: str = "",
        unreachable: str = "",
        **common: Any,
    ) -> None:
        super().__init__(alias, "https://gatewayapi.telegram.org", **common)
        listed = {"temporary": temporary, "account": account, "unreachable": unreachable}
        self.outcomes = WORDS | read_words(alias, listed)  # type: ignore[assignment]
        self._key = hashlib.sha256(token.encode()).digest()
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def build(self, sms: Sms) -> Request:
        message: dict[str, Any] = {
            "phone_number": sms.to,
            "request_id": self._check(sms),
            "code": sms.code,
            "payload": sms.id,
        }
        if sender := (sms.sender or self.sender).removeprefix("@"):
            message["sender_username"] = sender
        if sms.callback_url:
            message["callback_url"] = sms.callback_url
        if sms.expires_in:
            message["ttl"] = max(SHORTEST, min(int(sms.expires_in), LONGEST))
        return self._request("sendVerificationMessage", message)

    def _check(self, sms: Sms) -> str:
        """Check whether the number can be reached. Returns the id with which sending is then free.

        Raises ``ProviderError``.
        """
        request = self._request("checkSendAbility", {"phone_number": one_number(sms.to)})
        try:
            return self.id_for(sms, self.ask(request))
        except OutcomeUnknown as error:  # a check sends nothing, so the message was not taken
            raise TemporaryFailure(
                f"{self.name} does not say whether the number can be reached", code=error.code
            ) from None

    def build_revoke(self, provider_message_id: str) -> Request:
        return self._request("revokeVerificationMessage", {"request_id": provider_message_id})

    def _request(self, method: str, content: Mapping[str, Any]) -> Request:
        return Request(f"{self.base_url}/{method}", json.dumps(content), self._headers)

    def outcome(self, status: int, word: str, found: Any) -> Outcome:
        """Telegram also refuses with status 200."""
        name = "FLOOD_WAIT" if _FLOOD_WAIT.fullmatch(word) else word
        if at(found, "ok") is False and not is_temporary(status) and status not in OURS:
            return self.outcomes.get(name, "unreachable")
        return super().outcome(status, name, found)

    def _failure(self, outcome: Outcome, code: str, answer: Answer) -> ProviderError:
        wait = _FLOOD_WAIT.fullmatch(code)
        if outcome == "temporary" and wait:
            return TemporaryFailure(f"{self.name} cannot take it now", code=code, retry_after=float(wait[1]))
        return super()._failure(outcome, code, answer)

    def read_head(self, headers: Mapping[str, str], url: str) -> tuple[str, bytes]:
        """The signature, and the beginning of what was signed."""
        signature, moment = signature_in(headers, SIGNATURE), headers.get(TIMESTAMP, "")
        require_recent(moment, TOLERANCE)
        return signature, f"{moment}\n".encode()

    def read_receipts(self, head: tuple[str, bytes], body: bytes, url: str) -> list[Receipt]:
        signature, beginning = head
        if not same(signature, hmac.digest(self._key, beginning + body, "sha256").hex()):
            raise ReceiptRejected("the signature is wrong")
        report = parse(body)
        reference, word = word_of(at(report, "payload")), word_of(at(report, "delivery_status.status"))
        if not reference:
            raise ReceiptRejected("the report names no message of ours")
        require_address_of(reference, url)
        if not word:  # a report about a code that Telegram has checked
            return []
        receipt = self.receipt(reference, word, id=word_of(at(report, "request_id")))
        told = f"{word}, refunded" if at(report, "is_refunded") is True else word
        # A message expires if the user's device is off.
        return [replace(receipt, raw=told, unreachable=word == "expired")]
