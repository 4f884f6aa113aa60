"""Melipayamak: the contract by a template and by a line, and its own features. Samples follow
melipayamak.com/api and the clients of its REST service.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

import pytest

from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, TemporaryFailure
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import SMS, PollContract
from tests.sms.providers.gateway import response
from tests.sms.providers.oracles import Oracle

melipayamak_rest = Oracle("melipayamak.sms.rest")

USERNAME, PASSWORD = "tester", "f00-of-the-account"
TO = "0012025550123"
ID = "4741733543542571234"


def answer(value: object, status: object, words: str = "Ok") -> tuple[int, str]:
    return 200, json.dumps({"Value": value, "RetStatus": status, "StrRetStatus": words})


#: Each of its codes, by its meaning.
CODES: dict[str, list[int]] = {
    "temporary": [6, -6, 11, 19],
    "refused": [7, 14, -10, 16, 17, 18, 35, -2],
    "account": [0, 2, 3, 4, 5, 9, 10, 12, -1, -3, -4, -5, -7, -108, -109, -110, -111, 108, 109, 110, 111],
}


class Samples:
    accepted = answer(ID, 1)
    accepted_id = ID
    refused_number = answer("18", 35, f"InvalidData {SMS.to}")
    refused_credentials = answer("0", 0, "InvalidUser")
    throttled = (429, "")
    # As RetStatus, as the Value of "invalid", and as the Value of what calls itself a success.
    refusals: ClassVar = {
        meaning: [
            found
            for code in codes
            for found in (
                answer("", code, SMS.to),
                answer(str(code), code, SMS.to),
                *([answer(str(code), 35, SMS.to)] if code else []),
                answer(str(code), 1, SMS.to),
            )
        ]
        for meaning, codes in CODES.items()
    }
    looked_up: ClassVar = [
        (answer("0", 1), None),
        (answer("1", 1), State.DELIVERED),
        (answer(1, 1), State.DELIVERED),
        (answer("2", 1), State.FAILED),
        (answer("3", 1), State.FAILED),
        (answer("5", 1), None),
        (answer("8", 1), None),
        (answer("16", 1), State.FAILED),
        (answer("35", 1), State.FAILED),
        (answer("100", 1), None),
        (answer("200", 1), None),
        (answer("300", 1), State.FAILED),
        (answer("400", 1), None),
        (answer("500", 1), State.FAILED),
        (answer("", 1), None),
    ]


class TestMelipayamak(Samples, PollContract):
    """Codes by a template."""

    url = f"melipayamak://{USERNAME}:{PASSWORD}@?template=123456&base_url={{base_url}}&timeout={{timeout}}"

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, to="+989123456789"))
        ((path, headers, fields),) = gateway.requests
        assert path == "/api/SendSMS/BaseServiceNumber"
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        assert fields == {
            "username": USERNAME,
            "password": PASSWORD,
            "text": "123456",
            "to": "09123456789",
            "bodyId": "123456",
        }

    def test_the_question(self, gateway):
        self.answers(gateway, *answer("1", 1)).look_up("ref-1", ID)
        ((path, _, fields),) = gateway.requests
        assert path == "/api/SendSMS/GetDeliveries2"
        assert fields == {"username": USERNAME, "password": PASSWORD, "recId": ID}

    def test_requests_are_what_their_sdk_sends(self, gateway, monkeypatch):
        provider = self.answers(gateway, *self.accepted)
        provider.send(SMS)
        provider.look_up("ref-1", ID)
        their = melipayamak_rest.Rest
        monkeypatch.setattr(their, "PATH", f"{gateway.url}/api/SendSMS/%s")
        api = their(USERNAME, PASSWORD)
        api.send_by_base_number("123456", TO, "123456")
        api.is_delivered(ID)
        sent = [(path, headers["content-type"], fields) for path, headers, fields in gateway.requests]
        assert sent[:2] == sent[2:]

    def test_the_template_by_its_name_there(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        from_url("main", f"melipayamak://a:b@?body_id=1|login=2&base_url={gateway.url}").send(SMS)
        assert gateway.requests[0][2]["bodyId"] == "2"

    def test_a_code_that_would_be_two_variables_is_not_sent(self, gateway):
        with pytest.raises(PermanentFailure):
            self.answers(gateway, *self.accepted).send(replace(SMS, code="12;34"))
        assert gateway.requests == []

    def test_a_message_without_a_code_needs_a_line(self, gateway):
        provider = self.answers(gateway, *self.accepted)
        assert provider.needs_code
        with pytest.raises(AccountFailure):
            provider.send(replace(SMS, code=""))
        assert gateway.requests == []

    @pytest.mark.parametrize(
        "reply", [answer("", 1), answer("1", 1), answer("12345", 1), answer(None, 1), answer("x" * 20, 1)]
    )
    def test_a_success_without_an_id_is_an_unknown_outcome(self, gateway, reply):
        with pytest.raises(OutcomeUnknown) as caught:
            self.answers(gateway, *reply).send(SMS)
        assert caught.value.code in ("no_id", "1", "12345")

    def test_an_id_is_believed_only_with_a_success(self, gateway):
        with pytest.raises(TemporaryFailure):
            self.answers(gateway, *answer(ID, 6)).send(SMS)
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, *answer(ID, None)).send(SMS)

    def test_an_id_may_be_a_number(self, gateway):
        assert self.answers(gateway, *answer(int(ID), 1)).send(SMS) == ID

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            (f":{PASSWORD}@", "template=1", "needs username"),
            ("tester@", "template=1", "needs password"),
            (f"tester:{PASSWORD}@", "", "give template=123456"),
            (f"tester:{PASSWORD}@", "body_id=otp", "template= takes the template's name"),
            (f"tester:{PASSWORD}@", "body_id=1&template=2", "twice"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"melipayamak://{user}?{options}")
        assert words in str(caught.value)
        assert PASSWORD not in str(caught.value)


class TestMelipayamakLine(Samples, PollContract):
    """Texts by a line."""

    url = f"melipayamak://{USERNAME}:{PASSWORD}@?from=50004001&base_url={{base_url}}&timeout={{timeout}}"

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, _, fields),) = gateway.requests
        assert path == "/api/SendSMS/SendSMS"
        assert fields == {
            "username": USERNAME,
            "password": PASSWORD,
            "to": TO,
            "from": "50004001",
            "text": SMS.body,
            "isFlash": "false",
        }

    def test_the_request_is_what_their_sdk_sends(self, gateway, monkeypatch):
        self.answers(gateway, *self.accepted).send(SMS)
        their = melipayamak_rest.Rest
        monkeypatch.setattr(their, "PATH", f"{gateway.url}/api/SendSMS/%s")
        their(USERNAME, PASSWORD).send(TO, "50004001", SMS.body)
        (ours, theirs) = gateway.requests
        assert (ours[0], ours[2]) == (theirs[0], theirs[2] | {"isFlash": "false"})
        assert theirs[2]["isFlash"] == "False"

    def test_a_line_of_the_route(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, sender="30008666"))
        assert gateway.requests[0][2]["from"] == "30008666"
