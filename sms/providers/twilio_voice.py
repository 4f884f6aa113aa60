"""``twilio-voice://SID:TOKEN@?from=%2B15005550006``: Twilio's Programmable Voice, a call that says the code.

Options:

- ``from``: a number of the account or a verified caller ID.
- ``key_press=no``: read the code at once, even to a voicemail, instead of asking for a key first.
- ``machine_detection=yes``, only with ``key_press=no``: Twilio detects who answers, at a price. A call that a
  machine answers counts as undelivered.
- ``ring``: seconds to ring (25).
- ``longest``: seconds of the whole call (60).
- ``temporary`` (the next alias is asked) and ``permanent`` (the number or the text is refused): error codes
  that mean this, separated by spaces. They override our own table.
- ``timeout``, ``base_url`` (for a mock or a proxy).

An account makes one call a second and queues the rest, unless Twilio allows more. Set ``rate=1`` to let them
wait in Redis instead, where a code that expires is not sent.

Sources: twilio.com/docs/voice/api/call-resource (parameters, statuses; CallDuration), …/voice/twiml/gather,
…/voice/twiml/say/text-speech and docs.aws.amazon.com/polly/latest/dg/standard-voices.html (voices),
…/voice/answering-machine-detection (AnsweredBy), twilio.com/docs/api/errors (codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from sms.message import Receipt
from sms.providers.base import Asked, Reply, Sms
from sms.providers.callbacks import references_in
from sms.providers.spoken import found_for, read_out
from sms.providers.twilio_account import TwilioAccount
from sms.providers.vendor import Request, outcome_table, state_table
from sms.providers.voice import VoiceProvider

#: Error codes whose HTTP status alone would mislead.
CODES = outcome_table(
    # 10004 too many calls at once; 20429 too many requests; 20500, 20503 trouble at Twilio.
    temporary="10004 20429 20500 20503",
    # 10001, 20005, 90010 account not active; 10002 trial account may not; 10005 voice disabled.
    # 20003 credentials; 20404 no such account; 21205 a URL of ours; 21210 caller ID not verified.
    # 21212 invalid caller ID; 21213 no caller ID.
    account="10001 10002 10005 20003 20005 20404 21205 21210 21212 21213 90010",
    # 13227, 21203, 21215, 32205 no permission to call there; 21219 trial account, only verified numbers.
    country="13227 21203 21215 21219 32205",
    # 13224, 21214 no carrier reaches it; 21216 blocked by Twilio, as numbers at high risk of fraud are.
    unreachable="13224 21214 21216",
)


class Voice(NamedTuple):
    language: str
    name: str


def _polly(language: str, name: str) -> Voice:
    return Voice(language, f"Polly.{name}")


#: Amazon Polly's standard voices. The account's default voice does not speak all languages.
VOICES: Mapping[str, Voice] = {
    "ar": _polly("arb", "Zeina"),
    "de": _polly("de-DE", "Marlene"),
    "en": _polly("en-US", "Joanna"),
    "en-au": _polly("en-AU", "Nicole"),
    "en-gb": _polly("en-GB", "Amy"),
    "en-in": _polly("en-IN", "Raveena"),
    "es": _polly("es-ES", "Conchita"),
    "es-mx": _polly("es-MX", "Mia"),
    "es-us": _polly("es-US", "Lupe"),
    "fr": _polly("fr-FR", "Mathieu"),
    "fr-ca": _polly("fr-CA", "Chantal"),
    "hi": _polly("hi-IN", "Aditi"),
    "it": _polly("it-IT", "Carla"),
    "ja": _polly("ja-JP", "Mizuki"),
    "nl": _polly("nl-NL", "Lotte"),
    "pl": _polly("pl-PL", "Ewa"),
    "pt": _polly("pt-BR", "Camila"),
    "pt-pt": _polly("pt-PT", "Cristiano"),
    "ru": _polly("ru-RU", "Tatyana"),
    "tr": _polly("tr-TR", "Filiz"),
    "zh": _polly("cmn-CN", "Zhiyu"),
}

#: Seconds to press a key after the question.
FOR_A_KEY = 10

#: Values of AnsweredBy that count as people. Some of the unknown ones are.
PEOPLE = frozenset({"human", "unknown"})


class TwilioVoiceProvider(VoiceProvider, TwilioAccount):
    scheme = "twilio-voice"
    name = "Twilio Voice"
    resource = "Calls"
    outcomes = CODES
    longest_ring: ClassVar[int] = 600
    nobody = frozenset({"busy", "no-answer", "completed", "machine_start", "fax"})
    states = state_table(
        sent="queued initiated ringing in-progress",
        failed="busy no-answer failed canceled completed machine_start fax",
    )

    def build(self, sms: Sms) -> Request:
        fields: dict[str, Any] = {
            "To": sms.to,
            "From": sms.sender or self.sender,
            "Twiml": self._question(sms) if self.asks_for_code else _code(sms.code, sms.locale),
            "Timeout": self.ring(sms),
            "TimeLimit": self.longest,
        }
        if sms.callback_url:
            fields["StatusCallback"] = sms.callback_url
        if self.detects_machines:
            fields |= {"MachineDetection": "Enable", "AsyncAmd": "true"}
            if sms.callback_url:
                fields["AsyncAmdStatusCallback"] = sms.callback_url
        return self.post(fields)

    def build_revoke(self, provider_message_id: str) -> Request:
        """End the call, or stop it from ringing."""
        return self.post({"Status": "completed"}, f"/{quote(provider_message_id, safe='')}")

    def read_receipts(self, head: str, body: bytes, url: str) -> list[Receipt]:
        fields = self.form(head, body, url)
        reference, id = next(iter(references_in(url)), ""), fields.get("CallSid", "")
        answered_by = fields.get("AnsweredBy", "") if self.detects_machines else ""
        word = answered_by or fields.get("CallStatus", "")
        receipt = self.receipt(reference, word, id=id, error=fields.get("ErrorCode", ""))
        lasted = word == "completed" and fields.get("CallDuration", "0") != "0"
        return [self.judged(receipt, is_heard=answered_by in PEOPLE or (lasted and self.end_is_proof))]

    def read_question(self, head: str, body: bytes, url: str) -> Asked:
        fields = self.form(head, body, url)
        phones = frozenset(fields.get(name, "").removeprefix("+") for name in ("To", "From"))
        return Asked(fields.get("CallSid", ""), bool(fields.get("Digits")), phones)

    def read_out(self, code: str, locale: str) -> Reply:
        return Reply(_code(code, locale) if code else _written(Element("Response")), "text/xml")

    def _question(self, sms: Sms) -> str:
        """TwiML that asks for a key, then asks us for the code. Without a key the call ends."""
        words, voice = found_for(sms.locale, VOICES)
        read_out(sms.code, words)  # raises for an unspeakable code, before the phone rings
        response = Element("Response")
        # An empty finishOnKey makes # count as a key, too.
        key = {"input": "dtmf", "numDigits": "1", "finishOnKey": "", "timeout": str(FOR_A_KEY)}
        gather = SubElement(response, "Gather", key | {"action": self.answer_url(sms), "method": "POST"})
        _say(gather, words.press, voice, loop="2")
        return _written(response)


def _code(code: str, locale: str) -> str:
    """TwiML that says the code and ends the call. Raises ``PermanentFailure`` if it cannot be said."""
    words, voice = found_for(locale, VOICES)
    response = Element("Response")
    for text in read_out(code, words):
        _say(response, text, voice)
        SubElement(response, "Pause", length="1")
    return _written(response)


def _say(parent: Element, text: str, voice: Voice, **more: str) -> None:
    SubElement(parent, "Say", {"language": voice.language, "voice": voice.name, **more}).text = text


def _written(response: Element) -> str:
    return tostring(response, encoding="unicode", xml_declaration=False)
