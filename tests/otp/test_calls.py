"""A call asks for a key and then for the code: from the start to the voice that reads it, and the check."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit
from xml.etree.ElementTree import XML, canonicalize

import pytest
from django.test import Client
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from otp import services
from sms import answers, names, store, tally
from sms.message import State
from sms.seal import seal
from sms.testing import code_in, outbox
from tests.conftest import point_cache_at
from tests.readable import everything
from tests.sms.providers.gateway import Gateway, gateway, response
from tests.sms.providers.test_twilio_voice import read_out as twiml
from tests.sms.providers.test_vonage import BASE64, SECRET, signed
from tests.sms.providers.test_vonage_voice import read_out as ncco

PUBLIC = "https://verify.example.com"
PHONE, FROM = "+12025550123", "+15005550006"


def heard(told: str) -> str:
    """The code that a text spells out."""
    found = re.search(r"\d(, \d)+", told)
    return found[0].replace(", ", "") if found else ""


class Calls:
    """A vendor that takes every call."""

    id_field: ClassVar[str]
    count = 0

    @property
    def id(self) -> str:
        """Of the latest call."""
        return f"call-{self.count}"

    def accept(self) -> bytes:
        self.count += 1
        return response(201, json.dumps({self.id_field: self.id}))


class TwilioCalls(Calls):
    """As Twilio does it."""

    id_field: ClassVar = "sid"  # what it calls the id of a call
    secrets: ClassVar = {"call": "token-of-call", "other": "token-of-other"}

    def url(self, alias: str, base_url: str) -> str:
        return f"twilio-voice://AC1:{self.secrets[alias]}@?from=%2B15005550006&base_url={base_url}"

    def asked_at(self, request: tuple[str, dict[str, str], dict[str, str]], body: bytes) -> str:
        """The address for the key press, from the request that the vendor got."""
        (gather,) = XML(request[2]["Twiml"])  # ours
        return str(gather.attrib["action"])

    def post(self, url: str, fields: dict[str, str], alias: str) -> Any:
        signature = RequestValidator(self.secrets[alias]).compute_signature(url, fields)
        return Client().post(
            url.removeprefix(PUBLIC),
            urlencode(fields),
            "application/x-www-form-urlencoded",
            headers={"X-Twilio-Signature": signature},
        )

    def press(self, url: str, digits: str = "5", *, to: str = PHONE, alias: str = "call") -> Any:
        call = {"CallSid": self.id, "CallStatus": "in-progress", "To": to, "From": FROM, "Digits": digits}
        return self.post(url, call, alias)

    def report(self, url: str, word: str) -> Any:
        return self.post(url, {"CallSid": self.id, "CallStatus": word, "CallDuration": "9"}, "call")

    def said(self, answer: Any) -> str:
        """The code that is read, and nothing but that; "" where nothing is."""
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/xml")
        told = answer.content.decode()
        code = heard(told)
        assert canonicalize(told) == (twiml(code, "de") if code else canonicalize("<Response/>"))
        return code


class VonageCalls(Calls):
    """As Vonage does it."""

    id_field: ClassVar = "uuid"
    secrets: ClassVar = {"call": SECRET, "other": SECRET[::-1]}

    def url(self, alias: str, base_url: str) -> str:
        secret = self.secrets[alias]
        return f"vonage-voice://app-1@?key={BASE64}&from=1500&signature_secret={secret}&base_url={base_url}"

    def asked_at(self, request: tuple[str, dict[str, str], dict[str, str]], body: bytes) -> str:
        return str(json.loads(body)["ncco"][1]["eventUrl"][0])

    def post(self, url: str, content: dict[str, Any], alias: str) -> Any:
        body = json.dumps(content | {"uuid": self.id}).encode()
        headers = {"Authorization": signed(body, self.secrets[alias])["authorization"]}
        return Client().post(url.removeprefix(PUBLIC), body, "application/json", headers=headers)

    def press(self, url: str, digits: str = "5", *, to: str = PHONE, alias: str = "call") -> Any:
        key = {"digits": digits, "timed_out": not digits}
        return self.post(url, {"dtmf": key, "to": to[1:], "from": FROM[1:]}, alias)

    def report(self, url: str, word: str) -> Any:
        return self.post(url, {"status": word, "duration": "9"}, "call")

    def said(self, answer: Any) -> str:
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
        code = heard(answer.content.decode())
        assert json.loads(answer.content) == (ncco(code, "de") if code else [])
        return code


@pytest.fixture(params=[TwilioCalls, VonageCalls])
def vendor(request):
    return request.param()


@pytest.fixture
def calls(settings, vendor, redis):
    """The vendor's server."""
    with gateway() as found:
        found.answer = vendor.accept
        settings.PUBLIC_URL = PUBLIC
        settings.SMS_PROVIDERS = {alias: vendor.url(alias, found.url) for alias in vendor.secrets} | {
            "sms": "memory://"
        }
        settings.SMS_ROUTES = {"default": "call"}
        yield found


class Call:
    """A call that rings."""

    def __init__(self, vendor: Any, calls: Gateway, phone: str = PHONE) -> None:
        started = services.start(phone, locale="de-AT")
        self.id, self.message_id = started.id, started.message_id
        self.vendor, self.calls = vendor, calls
        self.url = vendor.asked_at(calls.requests[-1], calls.bodies[-1])
        self.reports = self.url.partition("&")[0]

    def state(self) -> State:
        message = store.get(self.message_id)
        assert message is not None
        return message.state

    def press(self, url: str = "", digits: str = "5", **more: str) -> str:
        """Press a key. Returns the code that is heard."""
        return self.vendor.said(self.vendor.press(url or self.url, digits, **more))

    def refuses(self, url: str = "", **more: str) -> bool:
        answer = self.vendor.press(url or self.url, **more)
        return answer.status_code == 403 and not heard(answer.content.decode())

    def address(self, alias: str = "call", id: str = "", remaining: float = 60.0, **content: str) -> str:
        """The addresses that a call might ask. Nobody waits for its code."""
        told = {"to": PHONE, "code": "817263", "locale": "de"} | content
        return answers.address(alias, id or self.message_id, told, remaining)


@pytest.fixture
def call(vendor, calls):
    return Call(vendor, calls)


def test_whoever_presses_a_key_hears_the_code(call):
    assert call.state() is State.SENT
    code = call.press()
    assert call.state() is State.DELIVERED
    assert services.check(call.id, code).status == "valid"


def test_the_end_of_a_call_that_was_heard_changes_nothing(call):
    call.press()
    assert call.vendor.report(call.reports, "completed").status_code == 204
    assert call.state() is State.DELIVERED
    (counted,) = tally.read("counts")
    assert [name for name in counted if name.startswith("receipts|")] == ["receipts|delivered|call|US"]


@pytest.mark.parametrize("word", ["completed", "busy", "failed"])
def test_what_nobody_heard_goes_to_the_next_alias(settings, vendor, calls, word):
    settings.SMS_ROUTES = {"default": "call>sms"}
    call = Call(vendor, calls)
    assert outbox == []
    assert call.vendor.report(call.reports, word).status_code == 204
    assert (call.state(), [sms.to for sms in outbox]) == (State.SENT, [PHONE])
    assert services.check(call.id, code_in(outbox[0].body)).status == "valid"


def test_that_nobody_presses_a_key_is_not_held_against_the_alias(vendor, calls, settings):
    """Otherwise a user who answers no call could stop all calls to a country."""
    settings.SMS_ROUTES = {"default": "call>sms"}
    for last in range(20):
        call = Call(vendor, calls, f"+120255501{last:02}")
        vendor.report(call.reports, "completed")
    assert (len(calls.requests), len(outbox)) == (20, 20)


def test_the_last_alias_ends_it(call):
    call.vendor.report(call.reports, "completed")
    message = store.get(call.message_id)
    assert (message.state, message.fault, message.error) == (State.FAILED, "undelivered", "nobody_heard_it")


def test_a_mailbox_presses_no_key_and_hears_no_code(call):
    if isinstance(call.vendor, VonageCalls):  # which asks in the end without a key too
        assert call.press(digits="") == ""
    assert call.state() is State.SENT
    assert not heard(str(call.calls.bodies))


def test_a_question_that_is_repeated_is_answered_again(call):
    assert call.press() == call.press() != ""


def test_nothing_can_be_read(call, redis):
    """Neither in what the vendor got, nor in the address, nor in Redis, nor in the log."""
    with capture_logs() as logs:
        code = call.press()
    (sealed,) = parse_qs(urlsplit(call.url).query)["answer"]
    assert re.fullmatch("[A-Za-z0-9_-]{100,600}", sealed)
    kept = str(list(everything(redis)))
    seen = unquote_plus(str(call.calls.bodies)) + str(call.calls.requests) + kept + str(logs)
    seen = re.sub(
        r"\d{10,}(\.\d+)?", "", seen.replace(PHONE, "")
    )  # a time may hold six digits like any other
    assert code not in seen
    assert ", ".join(code) not in seen
    assert PHONE[1:] not in kept + str(logs) + call.url


class TestWhatIsNotAnswered:
    def test_who_is_not_the_vendor(self, call):
        for headers in ({}, {"X-Twilio-Signature": "x", "Authorization": "Bearer x"}):
            for answer in (Client().get(call.url), Client().post(call.url, headers=headers)):
                assert answer.status_code == 403
        assert call.refuses(alias="other")  # whose secret is another one
        assert call.state() is State.SENT

    def test_an_address_that_was_changed(self, call):
        genuine = call.url
        sealed = genuine.partition("answer=")[2]
        swapped = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
        for changed in (swapped, sealed[:-4], "x", "gAAAAA", "é", sealed + "AAAA"):
            assert call.refuses(genuine.replace(sealed, changed)), changed
        assert call.state() is State.SENT

    def test_the_address_of_another_alias(self, call):
        foreign = call.address("other")
        assert call.refuses(foreign.replace("/receipts/other", "/receipts/call"))
        assert call.refuses(call.url.replace("/receipts/call", "/receipts/other"), alias="other")
        assert call.state() is State.SENT

    def test_the_address_of_a_call_to_somebody_else(self, call):
        assert call.refuses(to="+12025550199")
        assert call.refuses(call.address(to="+12025550199"))
        assert call.state() is State.SENT

    def test_what_was_sealed_for_something_else(self, call, redis):
        """Such as the text of a message, under the same key."""
        sealed = seal({"to": PHONE, "code": "817263", "body": "x"}).decode().rstrip("=")
        assert call.refuses(call.url.partition("&answer=")[0] + f"&answer={sealed}")

    def test_a_code_that_has_died(self, call):
        for url in (call.address(remaining=-1.0), call.address(id="never-was")):
            assert call.press(url) == ""
        assert call.state() is State.SENT

    def test_a_code_that_was_cancelled(self, call, vendor):
        services.cancel(call.id)
        assert call.press() == ""

    @pytest.mark.parametrize("state", ["failed", "expired", "cancelled"])
    def test_a_message_that_nobody_wants_any_more(self, call, redis, state):
        redis.hset(names.key(names.RECORD + call.message_id), "state", state)
        assert call.press() == ""
        assert call.state() == state

    def test_an_alias_that_asks_for_no_key_any_more(self, call, settings):
        """It takes the call for a receipt, if that is signed."""
        url = settings.SMS_PROVIDERS["call"]
        settings.SMS_PROVIDERS = settings.SMS_PROVIDERS | {"call": f"{url}&key_press=no"}
        answer = call.vendor.press(call.url)
        assert (answer.status_code, answer.content) == (204, b"")

    def test_while_redis_is_away(self, call, settings):
        """The vendor is told to come back; a code that may be dead is not read."""
        point_cache_at(settings, "redis://127.0.0.1:9/0")
        answer = call.vendor.press(call.url)
        assert answer.status_code == 503
