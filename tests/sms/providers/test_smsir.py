"""SMS.ir: the contract by a template and by a line, and its own features. Samples follow sms.ir/rest-api."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import SMS, PollContract
from tests.sms.providers.gateway import response
from tests.sms.providers.oracles import Oracle

sms_ir = Oracle("sms_ir")

KEY = "key-of-the-account"
TO = "0012025550123"


def answer(code: int, data: Any = None, status: int = 400) -> tuple[int, str]:
    return status, json.dumps({"status": code, "message": f"{SMS.to} {TO}", "data": data})


#: Each of its codes, by its meaning; with 200 as well as with 400.
CODES: dict[str, list[int]] = {
    "temporary": [0, 20],
    "refused": [103, 104, 107, 108, 114, 115, 117],
    "account": [10, 11, 12, 13, 14, 15, 16, 101, 102, 113, 116, 119, 123, 124],
}


def state(delivery: object) -> tuple[int, str]:
    data = {
        "messageId": 89545112,
        "mobile": 12025550123,
        "messageText": SMS.body,
        "sendDateTime": 1628683626,
        "lineNumber": 30004505000017,
        "cost": 1.0,
        "deliveryState": delivery,
        "deliveryDateTime": 1628683629,
    }
    return answer(1, data, 200)


class Samples:
    accepted_id = "89545112"
    refused_number = answer(104)
    refused_credentials = answer(10, status=401)
    throttled = answer(20, status=429)
    refusals: ClassVar = {
        meaning: [answer(code, status=status) for code in codes for status in (200, 400)]
        for meaning, codes in CODES.items()
    }
    looked_up: ClassVar = [
        (state(1), State.DELIVERED),
        (state(2), State.FAILED),
        (state(3), None),
        (state(4), None),
        (state(5), None),
        (state(6), State.FAILED),
        (state(7), State.FAILED),
        (state(8), None),
        (state(None), None),
    ]


class TestSmsIr(Samples, PollContract):
    """Codes by a template."""

    url = f"smsir://:{KEY}@?template=123456&base_url={{base_url}}&timeout={{timeout}}"
    accepted = answer(1, {"messageId": 89545112, "cost": 1.0}, 200)

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, to="+989123456789"))
        ((path, headers, _),) = gateway.requests
        assert (path, headers["x-api-key"]) == ("/v1/send/verify", KEY)
        assert (headers["content-type"], headers["accept"]) == ("application/json", "application/json")
        assert json.loads(gateway.bodies[0]) == {
            "mobile": "09123456789",
            "templateId": 123456,
            "parameters": [{"name": "Code", "value": "123456"}],
        }

    def test_the_question(self, gateway):
        self.answers(gateway, *state(1)).look_up("ref-1", self.accepted_id)
        assert (gateway.requests[0][0], gateway.bodies) == ("/v1/send/89545112", [b""])
        self.answers(gateway, *state(1)).look_up("ref-1", "../a b?c")
        assert gateway.requests[1][0] == "/v1/send/..%2Fa%20b%3Fc"

    def test_requests_are_what_their_sdk_sends(self, gateway, monkeypatch):
        provider = self.answers(gateway, *self.accepted)
        provider.send(SMS)
        provider.look_up("ref-1", self.accepted_id)
        their = sms_ir.SmsIr
        monkeypatch.setattr(their, "ENDPOINT", gateway.url)
        api = their(KEY)
        api.send_verify_code(TO, 123456, [{"name": "Code", "value": "123456"}])
        api.report_message(89545112)
        # It writes the names with capitals and a / at the end, unlike the documents.
        assert [path for path, _, _ in gateway.requests[:2]] == [
            path.removesuffix("/") for path, _, _ in gateway.requests[2:]
        ]
        assert lowered(gateway.bodies[0]) == lowered(gateway.bodies[2])
        for name in ("x-api-key", "accept", "content-type"):
            assert len({headers[name] for _, headers, _ in gateway.requests}) == 1

    def test_a_parameter_of_another_name(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        url = f"smsir://:{KEY}@?template=1|login=2&parameter=%23OTP%23&base_url={gateway.url}"
        from_url("main", url).send(SMS)
        message = json.loads(gateway.bodies[0])
        assert (message["templateId"], message["parameters"][0]["name"]) == (2, "OTP")

    def test_a_message_without_a_code_needs_a_line(self, gateway):
        provider = self.answers(gateway, *self.accepted)
        assert provider.needs_code
        with pytest.raises(AccountFailure):
            provider.send(replace(SMS, code=""))
        assert gateway.requests == []

    def test_a_code_that_nobody_knows_is_an_unknown_outcome(self, gateway):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, *answer(999, status=200)).send(SMS)

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            ("", "template=1", "needs api_key"),
            (f":{KEY}@", "", "give template=123456"),
            (f":{KEY}@", "template=otp", "template= takes the template's name"),
            (f":{KEY}@", "template=1|login=enter", "template= takes the template's name"),
            (f":{KEY}@", "template=%D9%A1", "template= takes the template's name"),
            (f":{KEY}%0A@", "template=1", "printable ASCII"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"smsir://{user}?{options}")
        assert words in str(caught.value)
        assert KEY not in str(caught.value)


class TestSmsIrLine(Samples, PollContract):
    """Texts by a line."""

    url = f"smsir://:{KEY}@?from=30004505000017&base_url={{base_url}}&timeout={{timeout}}"
    accepted = answer(
        1, {"packId": "2b99e63c-9bf8-4a21-9bfe-3f72dc1b46f1", "messageIds": [89545112], "cost": 2.0}, 200
    )

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        assert gateway.requests[0][0] == "/v1/send/bulk"
        assert json.loads(gateway.bodies[0]) == {
            "lineNumber": 30004505000017,
            "messageText": SMS.body,
            "mobiles": [TO],
        }

    def test_the_request_is_what_their_sdk_sends(self, gateway, monkeypatch):
        self.answers(gateway, *self.accepted).send(SMS)
        their = sms_ir.SmsIr
        monkeypatch.setattr(their, "ENDPOINT", gateway.url)
        their(KEY, 30004505000017).send_sms(TO, SMS.body)
        assert gateway.requests[0][0] == gateway.requests[1][0].removesuffix("/")
        assert lowered(gateway.bodies[0]) == lowered(gateway.bodies[1])

    @pytest.mark.parametrize("id", [0, None])
    def test_a_success_without_an_id_is_a_number_that_was_not_taken(self, gateway, id):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *answer(1, {"packId": "x", "messageIds": [id]}, 200)).send(SMS)
        assert not isinstance(caught.value, AccountFailure)

    def test_a_line_of_the_route(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, sender="10002155613464"))
        assert json.loads(gateway.bodies[0])["lineNumber"] == 10002155613464


def lowered(body: bytes) -> Any:
    """Names of JSON in lower case: SMS.ir does not tell them apart."""
    return json.loads(body, object_pairs_hook=lambda pairs: {name.lower(): v for name, v in pairs})
