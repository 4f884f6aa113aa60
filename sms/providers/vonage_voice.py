"""``vonage-voice://APPLICATION_ID@?key=/run/secrets/vonage.pem&from=447700900000&signature_secret=SECRET``:
Vonage's Voice API, a call that says the code.

Options:

- ``key``: the application's private key, as the path of its PEM file or as the file in base64 (``base64 -w0
  private.key``). The application needs the capability Voice, with signed webhooks.
- ``from``: a number of the account.
- ``signature_secret``: the account's secret that signs receipts and questions.
- ``key_press=no``: read the code at once, even to a voicemail, instead of asking for a key first.
- ``machine_detection=yes``, only with ``key_press=no``: Vonage hangs up on a machine, which counts as
  undelivered.
- ``ring``: seconds to ring (25).
- ``longest``: seconds of the whole call (60).
- ``timeout``.
- ``base_url``: a region such as https://api-eu.nexmo.com, a mock or a proxy.

An account makes three calls a second unless Vonage allows more. Set ``rate=3``.

Sources: developer.vonage.com/en/api/voice (request, answer), …/en/voice/voice-api/ncco-reference,
…/webhook-reference (statuses), …/guides/text-to-speech (languages), …/guides/troubleshooting (three a
second), …/en/api-errors. Only the tests of Vonage's Ruby SDK show that invalid_parameters may be an object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from sms.errors import ReceiptRejected
from sms.message import Receipt
from sms.providers.base import Asked, Reply, Sms
from sms.providers.spoken import found_for, read_out
from sms.providers.url import BadProviderURL
from sms.providers.vendor import Outcome, Request, outcome_table, state_table
from sms.providers.voice import VoiceProvider
from sms.providers.vonage_account import VonageAccount, signed_by
from sms.providers.wire import at, elements, word_of

#: Its voices, for the languages of ``sms.providers.spoken``.
LANGUAGES: Mapping[str, str] = {
    "ar": "ar",
    "de": "de-DE",
    "en": "en-US",
    "en-au": "en-AU",
    "en-gb": "en-GB",
    "en-in": "en-IN",
    "es": "es-ES",
    "es-mx": "es-MX",
    "es-us": "es-US",
    "fr": "fr-FR",
    "fr-ca": "fr-CA",
    "hi": "hi-IN",
    "it": "it-IT",
    "ja": "ja-JP",
    "nl": "nl-NL",
    "pl": "pl-PL",
    "pt": "pt-BR",
    "pt-pt": "pt-PT",
    "ru": "ru-RU",
    "tr": "tr-TR",
    "zh": "cmn-CN",
    "zh-tw": "cmn-TW",
}

#: Seconds to press a key after the question, the most that Vonage allows.
FOR_A_KEY = 10


class VonageVoiceProvider(VoiceProvider, VonageAccount):
    scheme = "vonage-voice"
    name = "Vonage Voice"
    #: The signature covers the body, not the URL, and the body names the call only by Vonage's id.
    refers_by_own_id = True
    outcomes = outcome_table(account="low-balance account-suspended")
    id_path = "uuid"
    longest_ring: ClassVar[int] = 120
    nobody = frozenset({"busy", "timeout", "unanswered", "completed", "machine"})
    states = state_table(
        sent="started ringing answered human",
        failed="busy timeout failed rejected unanswered cancelled machine completed",
    )

    def __init__(self, alias: str, **common: Any) -> None:
        super().__init__(alias, **common)
        if self.asks_for_code and not self.takes_receipts:
            raise BadProviderURL(
                f"{alias}: give the account's signature_secret=, which proves that it is Vonage who asks for "
                "the code, or write key_press=no."
            )
        self._url = f"{self.base_url}/v1/calls"

    def build(self, sms: Sms) -> Request:
        call: dict[str, Any] = {
            "to": [{"type": "phone", "number": sms.to.removeprefix("+")}],
            "from": {"type": "phone", "number": (sms.sender or self.sender).removeprefix("+")},
            "ncco": self._question(sms) if self.asks_for_code else _code(sms.code, sms.locale),
            "ringing_timer": self.ring(sms),
            "length_timer": self.longest,
        }
        if sms.callback_url and self.takes_receipts:
            call |= {"event_url": [sms.callback_url], "event_method": "POST"}
        if self.detects_machines:
            call["machine_detection"] = "hangup"
        return Request(self._url, json.dumps(call), self.signed())

    def build_revoke(self, provider_message_id: str) -> Request:
        """End the call, or stop it from ringing."""
        call = f"{self._url}/{quote(provider_message_id, safe='')}"
        return Request(call, json.dumps({"action": "hangup"}), self.signed(), "PUT")

    def unlisted(self, found: Any) -> Outcome:
        """A refusal blames the account, unless it names the number: all other parameters are ours."""
        wrong = at(found, "invalid_parameters")
        listed = [word_of(at(each, "name")) for each in elements(wrong)]
        names = listed or (list(wrong) if isinstance(wrong, dict) else [])
        return "account" if names and not any(name.startswith("to") for name in names) else "refused"

    def read_receipts(self, head: Mapping[str, Any], body: bytes, url: str) -> list[Receipt]:
        event = signed_by(head, body)
        word, detail = word_of(at(event, "status")), word_of(at(event, "detail"))
        if not word:  # not a status, but an error in our instructions or the answer to a question
            return []
        # In reports of a machine, and only there, the id has another name.
        id = word_of(at(event, "uuid")) or word_of(at(event, "call_uuid"))
        if not id:
            raise ReceiptRejected("the receipt names no call")
        receipt = self.receipt("", word, id=id, error=detail if re.fullmatch("[a-z_]{1,40}", detail) else "")
        is_human = word == "human" and self.detects_machines
        lasted = word == "completed" and word_of(at(event, "duration")) not in ("", "0")
        return [self.judged(receipt, is_heard=is_human or (lasted and self.end_is_proof))]

    def read_question(self, head: Mapping[str, Any], body: bytes, url: str) -> Asked:
        asked = signed_by(head, body)
        phones = frozenset(word_of(at(asked, name)).removeprefix("+") for name in ("to", "from"))
        return Asked(word_of(at(asked, "uuid")), bool(word_of(at(asked, "dtmf.digits"))), phones)

    def read_out(self, code: str, locale: str) -> Reply:
        return Reply(json.dumps(_code(code, locale) if code else []), "application/json")

    def _question(self, sms: Sms) -> list[dict[str, Any]]:
        """Instructions that ask for a key, then ask us for the code. Vonage asks us even without a key."""
        words, language = found_for(sms.locale, LANGUAGES)
        read_out(sms.code, words)  # raises for an unspeakable code, before the phone rings
        key = {"type": ["dtmf"], "dtmf": {"maxDigits": 1, "timeOut": FOR_A_KEY}}
        return [
            {"action": "talk", "text": words.press, "language": language, "loop": 2, "bargeIn": True},
            {"action": "input", **key, "eventUrl": [self.answer_url(sms)], "eventMethod": "POST"},
        ]


def _code(code: str, locale: str) -> list[dict[str, Any]]:
    """Instructions that say the code. Raises ``PermanentFailure`` if it cannot be said."""
    words, language = found_for(locale, LANGUAGES)
    return [{"action": "talk", "text": text, "language": language} for text in read_out(code, words)]
