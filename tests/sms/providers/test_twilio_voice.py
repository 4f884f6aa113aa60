"""Twilio's calls: the contract, and their own features. Samples follow twilio.com/docs/voice/api."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode
from xml.etree.ElementTree import canonicalize

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallInstance
from twilio.twiml.voice_response import Gather, VoiceResponse

from sms.errors import AccountFailure, PermanentFailure, ReceiptRejected, Unreachable
from sms.message import Channel, State
from sms.providers import from_url
from sms.providers.spoken import WORDS
from sms.providers.twilio_voice import VOICES
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import SMS, URL, ProviderContract
from tests.sms.providers.gateway import response
from tests.sms.providers.test_twilio import SID, TOKEN, error

FROM = "+15005550006"
BASE = f"twilio-voice://{SID}:{TOKEN}@?from=%2B15005550006"

ANSWER_URL = f"{URL}&answer={'gAAAAA-_' * 40}"
KEY_PRESS = replace(SMS, answer_url=ANSWER_URL)


def signed(url: str, fields: dict[str, str], token: str = TOKEN) -> tuple[dict[str, str], bytes]:
    signature = RequestValidator(token).compute_signature(url, fields)
    return {"x-twilio-signature": signature}, urlencode(fields).encode()


def canonical(twiml: object) -> str:
    return canonicalize(str(twiml))


def read_out(code: str, tag: str) -> str:
    """The TwiML of Twilio's own SDK for a spoken code."""
    words, voice = WORDS[tag.partition("-")[0]], VOICES[tag]
    twiml = VoiceResponse()
    for before in (words.code, words.again):
        twiml.say(f"{before} {', '.join(code)}.", language=voice.language, voice=voice.name)
        twiml.pause(length=1)
    return canonical(twiml)


class TestTwilioVoice(ProviderContract):
    url = f"{BASE}&key_press=no&base_url={{base_url}}&timeout={{timeout}}"
    accepted = (201, json.dumps({"sid": "CA123", "status": "queued"}))
    accepted_id = "CA123"
    refused_number = error(400, 21211)
    refused_credentials = error(401, 20003)
    throttled = error(429, 20429)
    refusals: ClassVar = {
        "temporary": [error(400, 10004), error(429, 20429), error(503, 20003)],
        "refused": [error(400, code) for code in (21202, 21211, 21217)],
        "unreachable": [error(400, code) for code in (13224, 21214, 21216)],
        "country": [error(400, code) for code in (13227, 21203, 21215, 21219, 32205)],
        "account": [
            (404, "<html>"),
            *(error(400, code) for code in (10001, 10002, 10005, 20005, 21205, 21210, 21212, 21213)),
        ],
    }
    words: ClassVar = {
        "initiated": State.SENT,
        "ringing": State.SENT,
        "in-progress": State.SENT,
        "completed": State.DELIVERED,
        "busy": State.FAILED,
        "no-answer": State.FAILED,
        "failed": State.FAILED,
        "canceled": State.FAILED,
    }

    def receipt(self, word: str, **changes: str) -> tuple[dict[str, str], bytes]:
        call = {"CallSid": "CA123", "CallStatus": word, "To": SMS.to, "From": FROM, "CallDuration": "21"}
        return signed(URL, call | changes)

    def sent(self, gateway, sms=SMS, url="") -> dict[str, str]:
        """The form of the request that hands ``sms`` over."""
        gateway.answer = lambda: response(*self.accepted)
        provider = from_url("main", f"{url or BASE + '&key_press=no'}&base_url={gateway.url}")
        assert provider.send(sms) == "CA123"
        return gateway.requests[-1][2]

    def test_it_is_a_channel_of_its_own_for_codes(self, gateway):
        provider = self.provider(gateway.url)
        assert (provider.channel, provider.needs_code) == (Channel.VOICE, True)

    def test_the_code_is_read_at_once(self, gateway):
        form = self.sent(gateway)
        assert form | {"Twiml": ""} == {
            "To": SMS.to,
            "From": FROM,
            "Twiml": "",
            "Timeout": "25",
            "TimeLimit": "60",
            "StatusCallback": URL,
        }
        assert gateway.requests[0][0] == f"/2010-04-01/Accounts/{SID}/Calls.json"
        assert canonical(form["Twiml"]) == read_out("123456", "en")

    def test_the_question_is_put_twice_and_holds_no_code(self, gateway):
        form = self.sent(gateway, KEY_PRESS, BASE)
        twiml, voice = VoiceResponse(), VOICES["en"]
        gather = Gather(
            input="dtmf", action=ANSWER_URL, method="POST", timeout=10, finish_on_key="", num_digits=1
        )
        gather.say(WORDS["en"].press, loop=2, language=voice.language, voice=voice.name)
        twiml.append(gather)
        assert canonical(form["Twiml"]) == canonical(twiml)
        assert len(form["Twiml"]) < 4_000  # what Twilio takes
        assert SMS.code not in str(form)
        assert ", ".join(SMS.code) not in str(form)

    def test_the_request_is_what_their_sdk_sends(self, gateway):
        form = self.sent(gateway, url=f"{BASE}&key_press=no&machine_detection=yes&ring=30&longest=90")

        class Here(TwilioHttpClient):
            def request(self, *args: Any, **more: Any) -> Any:
                method, url, *rest = args
                return super().request(
                    method, url.replace("https://api.twilio.com", gateway.url), *rest, **more
                )

        Client(SID, TOKEN, http_client=Here()).calls.create(
            to=SMS.to,
            from_=FROM,
            twiml=form["Twiml"],
            timeout=30,
            time_limit=90,
            status_callback=URL,
            machine_detection="Enable",
            async_amd="true",
            async_amd_status_callback=URL,
        )
        (path, _, ours), (their_path, _, theirs) = gateway.requests
        assert (path, ours) == (their_path, theirs)

    @pytest.mark.parametrize("tag", VOICES)
    def test_each_language(self, gateway, tag):
        form = self.sent(gateway, replace(SMS, locale=tag, code="K7Ж9"))
        assert canonical(form["Twiml"]) == read_out("K7Ж9", tag)

    @pytest.mark.parametrize("url", [BASE, f"{BASE}&key_press=no"])
    @pytest.mark.parametrize("code", ["</Say>", "1&2", 'a"b', "1 2", "\0"])
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

    @pytest.mark.parametrize(("lives", "rings"), [(90.0, "25"), (12.9, "12"), (1.0, "5"), (0.0, "25")])
    def test_it_rings_no_longer_than_the_code_lives(self, gateway, lives, rings):
        assert self.sent(gateway, replace(SMS, expires_in=lives))["Timeout"] == rings

    def test_a_sender_of_the_route(self, gateway):
        assert self.sent(gateway, replace(SMS, sender="+15005550009"))["From"] == "+15005550009"

    def test_the_call_of_a_dead_code_is_ended(self, gateway):
        self.answers(gateway, *self.accepted).revoke("ref-1", "CA/1")
        path, _, fields = gateway.requests[-1]
        assert path == f"/2010-04-01/Accounts/{SID}/Calls/CA%2F1.json"
        assert fields == {"Status": str(CallInstance.UpdateStatus.COMPLETED)}

    def test_a_number_that_no_carrier_reaches_has_not_this_channel(self, gateway):
        with pytest.raises(Unreachable):
            self.answers(gateway, *error(400, 21214)).send(SMS)

    @pytest.mark.parametrize("url", ["", "&machine_detection=yes"])
    def test_a_call_that_lasted_no_second_was_not_heard(self, gateway, url):
        provider = from_url("main", f"{BASE}&key_press=no{url}&base_url={gateway.url}")
        (found,) = provider.parse_receipts(*self.receipt("completed", CallDuration="0"), URL)
        assert (found.state, found.error) == (State.FAILED, "nobody_heard_it")

    def test_that_nobody_answers_says_nothing_bad_of_the_vendor(self, gateway):
        provider = from_url("main", f"{BASE}&base_url={gateway.url}")
        for word, says_nothing in {
            **dict.fromkeys(("busy", "no-answer", "completed"), True),
            **dict.fromkeys(("failed", "canceled"), False),
        }.items():
            (found,) = provider.parse_receipts(*self.receipt(word), URL)
            assert (found.state, found.unreachable) == (State.FAILED, says_nothing), word

    def test_the_end_of_a_call_that_asks_for_a_key_is_no_proof(self, gateway):
        provider = from_url("main", f"{BASE}&base_url={gateway.url}")
        (found,) = provider.parse_receipts(*self.receipt("completed"), URL)
        assert (found.state, found.raw, found.error) == (State.FAILED, "completed", "nobody_heard_it")

    @pytest.mark.parametrize(
        ("word", "state"),
        [
            ("human", State.DELIVERED),
            ("unknown", State.DELIVERED),
            ("machine_start", State.FAILED),
            ("fax", State.FAILED),
        ],
    )
    def test_who_has_answered(self, gateway, word, state):
        """As Twilio tells by itself, and where it says so as the call ends."""
        provider = from_url("main", f"{BASE}&key_press=no&machine_detection=yes&base_url={gateway.url}")
        by_itself = signed(URL, {"CallSid": "CA123", "AnsweredBy": word, "MachineDetectionDuration": "3000"})
        for told in (by_itself, self.receipt("completed", AnsweredBy=word)):
            (found,) = provider.parse_receipts(*told, URL)
            assert (found.state, found.raw, found.provider_message_id) == (state, word, "CA123")
        (end,) = provider.parse_receipts(*self.receipt("completed"), URL)
        assert end.state is State.FAILED

    def test_the_question_what_to_say(self, gateway):
        provider = from_url("main", f"{BASE}&base_url={gateway.url}")
        fields = {"CallSid": "CA123", "CallStatus": "in-progress", "To": SMS.to, "From": FROM, "Digits": "#"}
        asked = provider.parse_question(*signed(ANSWER_URL, fields), ANSWER_URL)
        assert (asked.id, asked.has_key, SMS.to[1:] in asked.phones) == ("CA123", True, True)
        assert SMS.to[1:] not in repr(asked)
        assert not provider.parse_question(*signed(ANSWER_URL, fields | {"Digits": ""}), ANSWER_URL).has_key
        headers, body = signed(ANSWER_URL, fields)
        for forged in (
            ({}, body, ANSWER_URL),
            (headers, body + b"&x=1", ANSWER_URL),
            (headers, body, ANSWER_URL + "A"),
            (*signed(ANSWER_URL, fields, "another-token"), ANSWER_URL),
        ):
            with pytest.raises(ReceiptRejected):
                provider.parse_question(*forged)

    def test_what_it_says_then(self, gateway):
        provider = self.provider(gateway.url)
        body, kind = provider.read_out("120599", "de-AT")
        assert (canonical(body), kind) == (read_out("120599", "de"), "text/xml")
        assert canonical(provider.read_out("", "de").body) == canonical(VoiceResponse())

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ("", "from= must be"),
            ("from=+1500", "%2B"),
            ("from=%2B1500&key_press=never", "key_press= takes yes or no"),
            ("from=%2B1500&machine_detection=yes", "key_press=no"),
            ("from=%2B1500&key_press=no&machine_detection=no", "takes only yes"),
            ("from=%2B1500&ring=4", "ring= takes 5 to 600"),
            ("from=%2B1500&ring=601", "ring= takes 5 to 600"),
            ("from=%2B1500&ring=25.5", "ring must be a number"),
            ("from=%2B1500&longest=9", "longest= takes 10 to 600"),
            ("from=%2B1500&messaging_service=MG1", "no option 'messaging_service'"),
        ],
    )
    def test_options_that_cannot_work(self, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"twilio-voice://{SID}:{TOKEN}@?{options}")
        assert words in str(caught.value)
        assert TOKEN not in str(caught.value)
