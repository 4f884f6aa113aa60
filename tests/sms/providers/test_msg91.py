"""MSG91: the contract, and its own features. Samples follow api.msg91.com/apidoc and msg91.com/help."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest

from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    ReceiptRejected,
    TemporaryFailure,
)
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import SMS, URL, ReceiptContract
from tests.sms.providers.gateway import response

AUTHKEY = "123456A-key-of-the-account"
SECRET = "secret-of-the-receipts"
PANEL_URL = "https://a.example/v1/receipts/main"
ID = "346578726974313233343536"


def token(reference: str = "", secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"receipt:{reference}".encode(), hashlib.sha256).hexdigest()


def error(message: str, status: int = 200, **fields: object) -> tuple[int, str]:
    return status, json.dumps({"message": f"{message} 12025550123 {SMS.to}", "type": "error"} | fields)


#: Each of its codes, by its meaning.
CODES = {
    "temporary": "001 002 306 601",
    "refused": "101 102 202 310",
    "account": "103 106 107 201 203 205 207 208 209 210 301 302 303 418 505",
    "unknown": "311",
}

#: Refusals without a code, or with an unlisted one.
TEXTS: dict[str, list[str]] = {
    "temporary": ["Something went wrong", ""],
    "refused": ["Invalid mobile number", "Recipients missing"],
    "account": [
        "Invalid authkey",
        "Template ID Missing or Invalid Template",
        "flow not found",
        "IP is not whitelisted",
        "Insufficient balance",
        "Invalid sender ID",
    ],
    "unknown": [],
}


def report(*entries: dict[str, Any]) -> bytes:
    return urlencode({"data": json.dumps(list(entries))}).encode()


def entry(word: object, **changes: object) -> dict[str, Any]:
    detail = {
        "date": "2024-05-22 10:06:20",
        "number": "12025550123",
        "credit": "1",
        "status": word,
        "desc": "DELIVERED",
        "failedReason": "",
    }
    return {"senderId": "OTPOST", "requestId": ID, "report": [detail], "userId": "27"} | changes


class TestMsg91(ReceiptContract):
    url = (
        f"msg91://:{AUTHKEY}@?template=tmpl-1&receipt_secret={SECRET}"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = (200, json.dumps({"message": ID, "type": "success"}))
    accepted_id = ID
    refused_number = error("Invalid mobile number", code="202")
    refused_credentials = error("Invalid authkey", code="201")
    throttled = error("Too many requests", 429)
    refusals: ClassVar = {
        meaning: [
            *(error("no", status, code=code) for code in codes.split() for status in (200, 400)),
            *(error(text, status) for text in TEXTS[meaning] for status in (200, 400)),
        ]
        for meaning, codes in CODES.items()
    }
    words: ClassVar = {
        "1": State.DELIVERED,
        "2": State.FAILED,
        "3": State.DELIVERED,
        "5": State.SENT,
        "9": State.FAILED,
        "16": State.FAILED,
        "17": State.FAILED,
        "25": State.FAILED,
    }

    def receipt(self, word, **changes):
        return {"content-type": "application/x-www-form-urlencoded"}, report(entry(word) | changes)

    def receipt_url(self, word):
        return f"{PANEL_URL}?token={token()}"

    def forgeries(self):
        headers, body = self.receipt("1")
        return [
            (headers, body, PANEL_URL),
            (headers, body, f"{PANEL_URL}?token="),
            (headers, body, f"{PANEL_URL}?token={token(secret='another-secret-of-receipts')}"),
            (headers, body, f"{URL}&token={token()}"),
            # A token for one message, from another provider with this secret, must not work for other
            # messages.
            (headers, body, f"{URL}&token={token('ref-1')}"),
            (headers, body, f"{PANEL_URL}?reference=&token={token()}"),
        ]

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert (path, headers["authkey"]) == ("/api/v5/flow", AUTHKEY)
        assert headers["content-type"] == "application/json"
        assert json.loads(gateway.bodies[0]) == {
            "template_id": "tmpl-1",
            "short_url": "0",
            "recipients": [{"mobiles": "12025550123", "OTP": "123456"}],
        }

    def test_options_of_the_request(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        url = f"msg91://:{AUTHKEY}@?template=a|login=b|.hi=c&variable=%23%23var1%23%23&from=OTPOST"
        provider = from_url("main", f"{url}&base_url={gateway.url}")
        provider.send(SMS)
        provider.send(replace(SMS, purpose="signup", locale="hi-IN", sender="SHOPIN"))
        first, second = (json.loads(body) for body in gateway.bodies)
        assert (first["template_id"], first["sender"], first["recipients"][0]["var1"]) == (
            "b",
            "OTPOST",
            "123456",
        )
        assert (second["template_id"], second["sender"]) == ("c", "SHOPIN")

    @pytest.mark.parametrize("to", ["+12025550123,447400123456", "12025550123", "", "+12025550123\n"])
    def test_one_message_goes_to_one_number(self, gateway, to):
        with pytest.raises(PermanentFailure):
            self.answers(gateway, *self.accepted).send(replace(SMS, to=to))
        assert gateway.requests == []

    def test_only_codes_go_by_it(self, gateway):
        assert self.provider(gateway.url).needs_code

    @pytest.mark.parametrize(
        ("reply", "kind", "code"),
        [
            (error("Unauthorized thing", 401, code="999"), AccountFailure, "999"),
            (error("no", 401), AccountFailure, "error"),
            (error("no", code="999"), TemporaryFailure, "999"),
            (error("no", 400, code=400), TemporaryFailure, "400"),
            (error("no", 503), TemporaryFailure, "error"),
            ((401, '{"status":"fail","hasError":true,"code":"401","apiError":"418"}'), AccountFailure, "401"),
            ((200, '{"status":"fail","hasError":true}'), OutcomeUnknown, ""),
            ((200, '{"type":"success","message":""}'), OutcomeUnknown, "no_message"),
            ((200, '{"type":"success"}'), OutcomeUnknown, "no_message"),
            ((400, "<html>"), PermanentFailure, "400"),
        ],
    )
    def test_other_answers(self, gateway, reply, kind, code):
        with pytest.raises(kind) as caught:
            self.answers(gateway, *reply).send(SMS)
        assert (type(caught.value), caught.value.code) == (kind, code or "200")

    def test_the_words_of_refusals_repeat_nothing(self, gateway):
        for text in ("Invalid mobile 12025550123", "12025550123", "template 123456"):
            with pytest.raises((TemporaryFailure, PermanentFailure)) as caught:
                self.answers(gateway, *error(text)).send(SMS)
            assert caught.value.code in ("number", "template", "error")

    def test_the_table_can_be_overridden(self, gateway):
        url = (
            f"msg91://:{AUTHKEY}@?template=t&temporary=201+number&permanent=error+601&base_url={gateway.url}"
        )
        table: list[tuple[tuple[int, str], type[ProviderError]]] = [
            (error("no", code="201"), TemporaryFailure),
            (error("Invalid mobile"), TemporaryFailure),
            (error("Something went wrong"), PermanentFailure),
            (error("no", code="999"), PermanentFailure),
            (error("no", code="601"), PermanentFailure),
        ]
        for reply, kind in table:
            gateway.answer = lambda reply=reply: response(*reply)
            with pytest.raises(kind) as caught:
                from_url("main", url).send(SMS)
            assert type(caught.value) is kind

    def test_several_receipts_at_once(self, gateway):
        body = report(entry("1"), entry(2, requestId="another"), entry("1", requestId=77))
        found = self.provider(gateway.url).parse_receipts({}, body, self.receipt_url(""))
        assert [(receipt.provider_message_id, receipt.state) for receipt in found] == [
            (ID, State.DELIVERED),
            ("another", State.FAILED),
            ("77", State.DELIVERED),
        ]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"x=1",
            b"\xff",
            b"data=",
            b"data=%7B",
            b"data=[]&data=[]",
            report(),
            b"data=" + b"[" * 200_000,
            report(entry("1"), {}),
            report(entry("1"), entry("1", requestId="")),
            report(entry("1"), entry("1", requestId=None)),
            report(entry("1"), entry("1", report=[])),
            report(entry("1"), entry("1", report=None)),
            report(entry("1"), entry("1", report=["x"])),
            report(entry("1"), entry(None)),
        ],
    )
    def test_a_batch_with_what_cannot_be_read_is_refused_whole(self, gateway, body):
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts({}, body, self.receipt_url(""))

    def test_a_mark_at_the_beginning_does_no_harm(self, gateway):
        body = b"\xef\xbb\xbf" + report(entry("1"))
        (found,) = self.provider(gateway.url).parse_receipts({}, body, self.receipt_url(""))
        assert found.state is State.DELIVERED

    def test_without_a_secret_no_receipt_is_believed(self, gateway):
        provider = from_url("main", f"msg91://:{AUTHKEY}@?template=t&base_url={gateway.url}")
        with pytest.raises(ReceiptRejected, match="receipt_secret"):
            provider.parse_receipts({}, report(entry("1")), f"{PANEL_URL}?token={token(secret='')}")

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            ("", "template=1", "needs authkey"),
            (f":{AUTHKEY}@", "", "needs template"),
            (f":{AUTHKEY}@", "template=", "template= must be the id"),
            (f":{AUTHKEY}@", "template=login%3D", "template= must look like"),
            (f":{AUTHKEY}@", "template=t&variable=%23%23", "variable="),
            (f":{AUTHKEY}@", "template=t&variable=mobiles", "variable="),
            (f":{AUTHKEY}%0A@", "template=t", "printable ASCII"),
            (f":{AUTHKEY}@", "template=t&receipt_secret=s3cret", "16"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"msg91://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (AUTHKEY, "s3cret"))
