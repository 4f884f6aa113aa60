"""Vonage's calls: the contract, and their own features. Samples follow developer.vonage.com/en/api/voice."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any, ClassVar

import jwt
import pytest

from sms.errors import AccountFailure, PermanentFailure, ReceiptRejected
from sms.message import Channel, State
from sms.providers import from_url
from sms.providers.spoken import WORDS
from sms.providers.url import BadProviderURL
from sms.providers.vonage_voice import LANGUAGES, VonageVoiceProvider
from tests.sms.providers.contract import SMS, URL, ProviderContract
from tests.sms.providers.gateway import response
from tests.sms.providers.oracles import Oracle
from tests.sms.providers.test_vonage import BASE64, KEY, SECRET, error, signed

requests = Oracle("vonage_voice.models.requests")
ncco = Oracle("vonage_voice.models.ncco")
enums = Oracle("vonage_voice.models.enums")
verify_jwt = Oracle("vonage_jwt.verify_jwt")

BASE = f"vonage-voice://app-1@?key={BASE64}&from=%2B15005550006&signature_secret={SECRET}"

ANSWER_URL = f"{URL}&answer={'gAAAAA-_' * 40}"
KEY_PRESS = replace(SMS, answer_url=ANSWER_URL)

CALL = "63f61863-4a51-4f6b-86e1-46edebcf9356"


def read_out(code: str, tag: str) -> list[dict[str, Any]]:
    words = WORDS[tag.partition("-")[0]]
    return [
        {"action": "talk", "text": f"{before} {', '.join(code)}.", "language": LANGUAGES[tag]}
        for before in (words.code, words.again)
    ]


class TestVonageVoice(ProviderContract):
    url = f"{BASE}&key_press=no&base_url={{base_url}}&timeout={{timeout}}"
    accepted = (
        201,
        json.dumps(
            {"uuid": CALL, "status": "started", "direction": "outbound", "conversation_uuid": "CON-1"}
        ),
    )
    accepted_id = CALL
    refused_number = error(422, "invalid-params", invalid_parameters=[{"name": "to", "reason": SMS.to}])
    refused_credentials = error(401, "unauthorized")
    throttled = (429, json.dumps({"type": "TOO_MANY_REQUESTS", "error_title": "Too Many Requests"}))
    refusals: ClassVar = {
        "account": [
            error(402, "low-balance"),
            error(403, "account-suspended"),
            error(403, "forbidden"),
            (401, '{"type":"UNAUTHORIZED","error_title":"Unauthorized"}'),
            (400, '{"type":"BAD_REQUEST","invalid_parameters":{"event_url":"Is required."}}'),
            error(400, "invalid-params", invalid_parameters=[{"name": "from.number", "reason": "x"}]),
        ],
        "refused": [
            (400, '{"type":"BAD_REQUEST","invalid_parameters":{"to[0].number":"Is invalid."}}'),
            (400, '{"type":"BAD_REQUEST"}'),
        ],
    }
    words: ClassVar = {
        "started": State.SENT,
        "ringing": State.SENT,
        "answered": State.SENT,
        "completed": State.DELIVERED,
        "busy": State.FAILED,
        "timeout": State.FAILED,
        "failed": State.FAILED,
        "rejected": State.FAILED,
        "unanswered": State.FAILED,
        "cancelled": State.FAILED,
        "machine": State.FAILED,
    }

    def event(self, word: str, **changes: Any) -> bytes:
        """As Vonage sends it. In a report about a machine, the call's id has another name."""
        called = "call_uuid" if word in ("human", "machine") else "uuid"
        told = {
            "from": "15005550006",
            "to": SMS.to.removeprefix("+"),
            called: CALL,
            "conversation_uuid": "CON-1",
            "status": word,
            "direction": "outbound",
            "timestamp": "2026-02-03T12:14:25.000Z",
        }
        if word == "completed":
            told |= {"duration": "21", "price": "0.0015", "rate": "0.0045", "network": "US-FIXED"}
        return json.dumps(told | changes).encode()

    def receipt(self, word: str, **changes: Any) -> tuple[dict[str, str], bytes]:
        body = self.event(word, **changes)
        return signed(body), body

    def forgeries(self):
        headers, body = self.receipt("completed")
        return [
            ({}, body, URL),
            (headers, body + b" ", URL),
            (headers, b"\xff", URL),
            (dict.fromkeys(headers, "wrong"), body, URL),
            (signed(body, "another-secret-of-some-other-account-0123"), body, URL),
            (signed(body, iat=time.time() - 700), body, URL),
            (*self.receipt("completed", uuid=None), URL),
        ]

    def sent(self, gateway, sms=SMS, url="") -> Any:
        """The JSON that hands ``sms`` over."""
        gateway.answer = lambda: response(*self.accepted)
        provider = from_url("main", f"{url or BASE + '&key_press=no'}&base_url={gateway.url}")
        assert provider.send(sms) == CALL
        return json.loads(gateway.bodies[-1])

    def test_it_is_a_channel_of_its_own_for_codes(self, gateway):
        provider = self.provider(gateway.url)
        assert (provider.channel, provider.needs_code) == (Channel.VOICE, True)

    def test_the_code_is_read_at_once(self, gateway):
        assert self.sent(gateway) == {
            "to": [{"type": "phone", "number": "12025550123"}],
            "from": {"type": "phone", "number": "15005550006"},
            "ncco": read_out("123456", "en"),
            "ringing_timer": 25,
            "length_timer": 60,
            "event_url": [URL],
            "event_method": "POST",
        }
        path, headers, _ = gateway.requests[0]
        token = headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, KEY.public_key(), algorithms=["RS256"])
        assert (path, claims["application_id"]) == ("/v1/calls", "app-1")

    def test_the_question_is_put_twice_and_holds_no_code(self, gateway):
        call = self.sent(gateway, KEY_PRESS, BASE)
        assert call["ncco"] == [
            {
                "action": "talk",
                "text": WORDS["en"].press,
                "language": "en-US",
                "loop": 2,
                "bargeIn": True,
            },
            {
                "action": "input",
                "type": ["dtmf"],
                "dtmf": {"maxDigits": 1, "timeOut": 10},
                "eventUrl": [ANSWER_URL],
                "eventMethod": "POST",
            },
        ]
        assert SMS.code not in str(call)
        assert ", ".join(SMS.code) not in str(call)

    @pytest.mark.parametrize(
        ("sms", "url"),
        [
            (SMS, f"{BASE}&key_press=no&machine_detection=yes"),
            (KEY_PRESS, f"{BASE}&ring=120&longest=600"),
        ],
    )
    def test_the_request_is_what_their_sdk_takes(self, gateway, sms, url):
        call = self.sent(gateway, sms, url)
        actions = {"talk": ncco.Talk, "input": ncco.Input}
        theirs = requests.CreateCallRequest(
            **{name: value for name, value in call.items() if name not in ("from", "ncco")},
            from_=call["from"],
            ncco=[actions[action["action"]](**action) for action in call["ncco"]],
        )
        assert theirs.model_dump(by_alias=True, exclude_none=True, mode="json") == call

    def test_each_language_is_one_that_they_speak(self, gateway):
        assert set(LANGUAGES.values()) <= {language.value for language in enums.TtsLanguageCode}
        for tag in LANGUAGES:
            assert self.sent(gateway, replace(SMS, locale=tag, code="K7Ж9"))["ncco"] == read_out("K7Ж9", tag)

    @pytest.mark.parametrize("url", [BASE, f"{BASE}&key_press=no"])
    @pytest.mark.parametrize("code", ["<speak>", "1 2", "\0"])
    def test_a_code_that_cannot_be_said_calls_nobody(self, gateway, url, code):
        provider = from_url("main", f"{url}&base_url={gateway.url}")
        with pytest.raises(PermanentFailure):
            provider.send(replace(KEY_PRESS, code=code))
        assert gateway.requests == []

    def test_without_an_address_no_key_is_asked_for(self, gateway):
        provider = from_url("main", f"{BASE}&base_url={gateway.url}")
        with pytest.raises(AccountFailure, match=r"PUBLIC_URL.*key_press=no") as caught:
            provider.send(SMS)
        assert (caught.value.code, gateway.requests) == ("no_answer_url", [])

    def test_without_a_secret_no_events_are_asked_for_and_none_believed(self, gateway):
        url = f"vonage-voice://app-1@?key={BASE64}&from=1500&key_press=no"
        assert "event_url" not in self.sent(gateway, url=url)
        with pytest.raises(ReceiptRejected, match="signature_secret"):
            from_url("main", url).parse_receipts(*self.receipt("completed"), URL)

    def test_the_call_of_a_dead_code_is_ended(self, gateway):
        provider = self.answers(gateway, 204, "")
        provider.revoke("ref-1", CALL)
        path, headers, _ = gateway.requests[-1]
        assert (path, json.loads(gateway.bodies[-1])) == (f"/v1/calls/{CALL}", {"action": "hangup"})
        assert headers["authorization"].startswith("Bearer ")
        assert isinstance(provider, VonageVoiceProvider)
        assert provider.build_revoke(CALL).method == "PUT"

    def test_a_sender_of_the_route(self, gateway):
        assert self.sent(gateway, replace(SMS, sender="+15005550009"))["from"]["number"] == "15005550009"

    def test_a_call_that_lasted_no_second_was_not_heard(self, gateway):
        for duration in ("0", None):
            (found,) = self.provider(gateway.url).parse_receipts(
                *self.receipt("completed", duration=duration), URL
            )
            assert (found.state, found.error) == (State.FAILED, "nobody_heard_it")

    def test_that_nobody_answers_says_nothing_bad_of_the_vendor(self, gateway):
        provider = from_url("main", f"{BASE}&base_url={gateway.url}")
        for word, says_nothing in {
            **dict.fromkeys(("busy", "timeout", "unanswered", "machine", "completed"), True),
            **dict.fromkeys(("failed", "rejected"), False),
        }.items():
            (found,) = provider.parse_receipts(*self.receipt(word), URL)
            assert (found.state, found.unreachable) == (State.FAILED, says_nothing), word

    def test_the_end_of_a_call_that_asks_for_a_key_is_no_proof(self, gateway):
        provider = from_url("main", f"{BASE}&base_url={gateway.url}")
        (found,) = provider.parse_receipts(*self.receipt("completed"), URL)
        assert (found.state, found.raw, found.error) == (State.FAILED, "completed", "nobody_heard_it")

    @pytest.mark.parametrize(
        ("word", "state"),
        [("human", State.DELIVERED), ("machine", State.FAILED), ("completed", State.FAILED)],
    )
    def test_who_has_answered(self, gateway, word, state):
        url = f"{BASE}&key_press=no&machine_detection=yes"
        assert self.sent(gateway, url=url)["machine_detection"] == "hangup"
        (found,) = from_url("main", url).parse_receipts(*self.receipt(word), URL)
        assert (found.state, found.provider_message_id) == (state, CALL)

    @pytest.mark.parametrize(("detail", "kept"), [("cannot_route", "cannot_route"), (SMS.to, ""), (7, "")])
    def test_why_a_call_failed_is_kept(self, gateway, detail, kept):
        (found,) = self.provider(gateway.url).parse_receipts(*self.receipt("failed", detail=detail), URL)
        assert found.error == kept

    def test_an_error_in_our_instructions_is_no_receipt(self, gateway):
        body = json.dumps({"reason": "Syntax error in NCCO.", "conversation_uuid": "CON-1"}).encode()
        assert self.provider(gateway.url).parse_receipts(signed(body), body, URL) == []

    def question(self, digits: str = "1", **changes: Any) -> bytes:
        asked = {
            "speech": {"results": []},
            "dtmf": {"digits": digits, "timed_out": not digits},
            "from": "15005550006",
            "to": SMS.to.removeprefix("+"),
            "uuid": CALL,
            "conversation_uuid": "CON-1",
            "timestamp": "2026-02-03T12:14:25.000Z",
        }
        return json.dumps(asked | changes).encode()

    def test_the_question_what_to_say(self, gateway):
        provider = from_url("main", f"{BASE}&base_url={gateway.url}")
        for digits in ("1", "#", "0", ""):
            body = self.question(digits)
            asked = provider.parse_question(signed(body), body, ANSWER_URL)
            assert (asked.id, asked.has_key) == (CALL, bool(digits))
            assert SMS.to[1:] in asked.phones
            assert SMS.to[1:] not in repr(asked)
        body = self.question("")
        for headers in ({}, signed(b"{}"), signed(body, "another-secret-of-some-other-account-0123")):
            with pytest.raises(ReceiptRejected):
                provider.parse_question(headers, body, ANSWER_URL)

    def test_their_sdk_believes_what_we_take_for_signed(self):
        body = self.question()
        token = signed(body)["authorization"].removeprefix("Bearer ")
        assert verify_jwt.verify_signature(token, SECRET)
        assert not verify_jwt.verify_signature(token, SECRET + "x")

    def test_what_it_says_then(self, gateway):
        provider = self.provider(gateway.url)
        body, kind = provider.read_out("120599", "de-AT")
        assert (json.loads(body), kind) == (read_out("120599", "de"), "application/json")
        assert json.loads(provider.read_out("", "de").body) == []

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (f"signature_secret={SECRET}", "needs sender"),
            ("from=1500", "signature_secret="),
            ("from=1500&key_press=yes", "signature_secret="),
            (f"from=1500&signature_secret={SECRET}&ring=121", "ring= takes 5 to 120"),
            (f"from=1500&signature_secret={SECRET}&machine_detection=yes", "key_press=no"),
        ],
    )
    def test_options_that_cannot_work(self, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"vonage-voice://app-1@?key={BASE64}&{options}")
        assert words in str(caught.value)
        assert SECRET not in str(caught.value)
