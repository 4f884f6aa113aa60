"""Kavenegar: the contract by a template and by a line, and its own features. Samples follow
kavenegar.com/rest.html.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest

from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import (
    INBOUND_URL,
    SMS,
    TEXT,
    URL,
    InboundContract,
    PollContract,
    ReceiptContract,
)
from tests.sms.providers.gateway import form, response
from tests.sms.providers.oracles import Oracle

kavenegar = Oracle("kavenegar")

KEY = "6F7A-key-of-the-account"
SECRET = "secret-of-the-receipts"
PANEL_URL = "https://a.example/v1/receipts/main"

#: As Kavenegar writes a foreign number.
TO = "0012025550123"


def token(reference: str = "", secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"receipt:{reference}".encode(), hashlib.sha256).hexdigest()


def answer(code: int, entries: Any = None, status: int | None = None) -> tuple[int, str]:
    # Its text does repeat the number here and there.
    result = {"return": {"status": code, "message": f"{SMS.to} {TO}"}, "entries": entries}
    return status or code, json.dumps(result)


def sdk(monkeypatch: pytest.MonkeyPatch, url: str) -> Any:
    """Kavenegar's own module, which takes no other address than theirs, made to send to ``url``."""
    post = kavenegar.requests.post

    def here(address: str, **more: Any) -> Any:
        return post(address.replace("https://api.kavenegar.com", url), **more)

    monkeypatch.setattr(kavenegar.requests, "post", here)
    return kavenegar


ENTRY = {
    "messageid": 8792343,
    "message": f"کد شما {SMS.code}",
    "status": 1,
    "statustext": "در صف ارسال",
    "sender": "10004346",
    "receptor": TO,
    "date": 1356619709,
    "cost": 120,
}

#: Each of its codes, by its meaning; as an HTTP status, and with 200.
CODES: dict[str, list[int]] = {
    "temporary": [402, 409, 414, 429, 451],
    "refused": [411, 413, 422, 428, 431],
    "account": [400, 401, 403, 404, 405, 406, 407, 412, 416, 418, 420, 424, 426, 427, 430, 432, 501],
}


class Samples:
    accepted = answer(200, [ENTRY])
    accepted_id = "8792343"
    refused_number = answer(411)
    refused_credentials = answer(403)
    throttled = answer(429)
    refusals: ClassVar = {
        meaning: [answer(code, status=status) for code in codes for status in (None, 200)]
        for meaning, codes in CODES.items()
    }


class TestKavenegar(Samples, ReceiptContract, InboundContract):
    """Codes by a template."""

    url = (
        f"kavenegar://:{KEY}@?template=otp&receipt_secret={SECRET}&base_url={{base_url}}&timeout={{timeout}}"
    )
    words: ClassVar = {
        "1": State.SENT,
        "2": State.SENT,
        "4": State.SENT,
        "5": State.SENT,
        "6": State.FAILED,
        "10": State.DELIVERED,
        "11": State.FAILED,
        "13": State.FAILED,
        "14": State.FAILED,
        "100": State.UNKNOWN,
    }

    def receipt(self, word, **changes):
        fields = {"messageid": self.accepted_id, "status": word, "receptor": TO} | changes
        return {"content-type": "application/x-www-form-urlencoded"}, urlencode(fields).encode()

    def receipt_url(self, word):
        return f"{PANEL_URL}?token={token()}"

    def forgeries(self):
        headers, body = self.receipt("10")
        of_a_message = f"{URL}&token={token('ref-1')}"
        return [
            (headers, body, PANEL_URL),
            (headers, body, f"{PANEL_URL}?token="),
            (headers, body, f"{PANEL_URL}?token={token(secret='another-secret-of-receipts')}"),
            (headers, body, f"{PANEL_URL}?token={hashlib.sha256(b'receipt:').hexdigest()}"),
            (headers, body, f"{URL}&token={token()}"),
            # A token for one message, from another provider with this secret, must not work for other
            # messages.
            (headers, body, of_a_message),
            (headers, body, f"{PANEL_URL}?reference=&token={token()}"),
            (headers, b"status=10", self.receipt_url("10")),
            (headers, b"messageid=&status=10", self.receipt_url("10")),
            (headers, b"\xff", self.receipt_url("10")),
            (headers, b"[" * 200_000, self.receipt_url("10")),
        ]

    def inbound(self):
        fields = {"messageid": "77", "from": TO, "to": "10004346", "message": TEXT}
        return {}, urlencode(fields).encode()

    def inbound_url(self):
        return f"{INBOUND_URL}?token={token()}"

    def inbound_forgeries(self):
        headers, body = self.inbound()
        return [
            *super().inbound_forgeries(),
            (headers, b"from=09123456789&message=x", self.inbound_url()),
            (headers, b"messageid=77&from=Shop&message=x", self.inbound_url()),
            (headers, body, f"{INBOUND_URL}?reference=ref-1&token={token('ref-1')}"),
        ]

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, to="+989123456789"))
        ((path, headers, fields),) = gateway.requests
        assert path == f"/v1/{KEY}/verify/lookup.json"
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        assert fields == {"receptor": "09123456789", "template": "otp", "token": "123456"}

    def test_the_request_is_what_their_sdk_sends(self, gateway, monkeypatch):
        self.answers(gateway, *self.accepted).send(SMS)
        their = sdk(monkeypatch, gateway.url)
        params = {"receptor": TO, "template": "otp", "token": "123456"}
        assert their.KavenegarAPI(KEY).verify_lookup(params)[0]["messageid"] == 8792343
        ours, theirs = gateway.requests
        assert (ours[0], ours[2]) == (theirs[0], theirs[2])
        same = ("content-type", "accept")
        assert [ours[1][name] for name in same] == [theirs[1][name] for name in same]

    @pytest.mark.parametrize("code", ["12 34", "1234\n", "12_34", "\u200912", "12\u00a034"])
    def test_a_code_that_is_no_token_is_not_sent(self, gateway, code):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.accepted).send(replace(SMS, code=code))
        assert (caught.value.code, gateway.requests) == ("token", [])
        assert code not in str(caught.value)

    def test_a_template_for_each_purpose_and_locale(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        url = f"kavenegar://:{KEY}@?template=otp|login=enter|login.fa=vorud&base_url={gateway.url}"
        provider = from_url("main", url)
        for purpose, locale in [("signup", "fa"), ("login", "en"), ("login", "fa-IR")]:
            provider.send(replace(SMS, purpose=purpose, locale=locale))
        assert [fields["template"] for _, _, fields in gateway.requests] == ["otp", "enter", "vorud"]

    def test_other_messages_go_by_the_line(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        provider = from_url("main", f"kavenegar://:{KEY}@?template=otp&from=10004346&base_url={gateway.url}")
        provider.send(SMS)
        provider.send(replace(SMS, code="", body="Hello"))
        assert [path.rpartition("/")[2] for path, _, _ in gateway.requests] == ["lookup.json", "send.json"]
        assert gateway.requests[1][2]["message"] == "Hello"
        # Kavenegar does not notice a repetition of a code by a template.
        assert (provider.needs_code, provider.repeats_safely) == (False, False)

    def test_a_message_without_a_code_needs_a_line(self, gateway):
        provider = self.answers(gateway, *self.accepted)
        assert provider.needs_code
        with pytest.raises(AccountFailure):
            provider.send(replace(SMS, code=""))
        assert gateway.requests == []

    def test_receipts_may_come_in_the_address_or_as_json(self, gateway):
        provider = self.provider(gateway.url)
        url = self.receipt_url("")
        for body, query in [
            (b"", "&messageid=8792343&status=10"),
            (b'\xef\xbb\xbf{"messageid": 8792343, "status": 10}', ""),
            (b"\xef\xbb\xbfmessageid=8792343&status=10", ""),
        ]:
            (found,) = provider.parse_receipts({}, body, url + query)
            assert (found.state, found.raw, found.provider_message_id) == (State.DELIVERED, "10", "8792343")

    @pytest.mark.parametrize("written", ["09123456789", "989123456789", "9123456789"])
    def test_who_has_sent_it(self, gateway, written):
        body = urlencode({"messageid": "77", "from": written, "to": "10004346", "message": "لغو"}).encode()
        (found,) = self.provider(gateway.url).parse_inbound({}, body, self.inbound_url())
        assert (found.phone, found.sender, found.text) == ("+989123456789", "10004346", "لغو")

    def test_without_a_secret_nothing_that_comes_is_believed(self, gateway):
        provider = from_url("main", f"kavenegar://:{KEY}@?template=otp&base_url={gateway.url}")
        assert not provider.receives
        for parse in (provider.parse_receipts, provider.parse_inbound):
            with pytest.raises(ReceiptRejected):
                parse({}, b"messageid=1&status=10", f"{PANEL_URL}?token={token(secret='')}")

    def test_the_key_is_in_no_log_and_no_error(self, gateway, caplog):
        """It is in the address, as Kavenegar knows no other way."""
        caplog.set_level("DEBUG")
        texts = []
        for reply in (self.accepted, self.refused_number, self.refused_credentials, (500, ""), (302, "")):
            provider = self.answers(gateway, *reply)
            try:
                provider.send(SMS)
            except Exception as error:
                texts.append(f"{error!r} {error} {error.__cause__}")
        gateway.answer = lambda: None
        with pytest.raises(OutcomeUnknown) as caught:
            provider.send(SMS)
        texts += [repr(caught.value), repr(provider), caplog.text]
        assert "POST 127.0.0.1" in caplog.text
        for secret in (KEY, SECRET, SMS.to, TO, "2025550123", "123456"):
            assert secret not in " ".join(texts)

    def test_a_key_cannot_change_the_address(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        from_url("main", f"kavenegar://:..%2Fx%3Fa%0D%0AX@?template=otp&base_url={gateway.url}").send(SMS)
        assert gateway.requests[0][0] == "/v1/..%2Fx%3Fa%0D%0AX/verify/lookup.json"

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            ("", "template=otp", "needs api_key"),
            (f":{KEY}@", "", "give template=otp"),
            (f":{KEY}@", "template=", "give template=otp"),
            (f":{KEY}@", "template=login%3D", "template= takes the template's name"),
            (f":{KEY}@", "template=a b", "template= takes the template's name"),
            (f":{KEY}@", "template=otp&poll=no", "poll= takes only yes"),
            (f":{KEY}@", "template=otp&receipt_secret=s3cret", "16"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"kavenegar://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (KEY, "s3cret"))


class TestKavenegarLine(Samples, PollContract):
    """Texts by a line, and their states by asking."""

    url = f"kavenegar://:{KEY}@?from=10004346&poll=yes&base_url={{base_url}}&timeout={{timeout}}"
    looked_up: ClassVar = [
        (answer(200, [{"messageid": 8792343, "status": status, "statustext": TO}]), state)
        for status, state in [
            (1, None),
            (2, None),
            (4, None),
            (5, None),
            (6, State.FAILED),
            (10, State.DELIVERED),
            (11, State.FAILED),
            (13, State.FAILED),
            (14, State.FAILED),
            (50, None),
            (100, None),
        ]
    ]

    def seen_key(self, path, headers, body):
        return form(body)["localid"]

    def test_the_request(self, gateway):
        provider = self.answers(gateway, *self.accepted)
        provider.send(SMS)
        provider.send(replace(SMS, sender="2000500", key=""))
        ((path, _, fields), (_, _, other)) = gateway.requests
        localid = int(fields.pop("localid"))
        assert 0 < localid < 2**63
        assert path == f"/v1/{KEY}/sms/send.json"
        assert fields == {"receptor": TO, "sender": "10004346", "message": SMS.body}
        assert other == fields | {"sender": "2000500"}

    def test_the_question(self, gateway):
        self.answers(gateway, *self.looked_up[0][0]).look_up("ref-1", "8792343")
        ((path, _, fields),) = gateway.requests
        assert (path, fields) == (f"/v1/{KEY}/sms/status.json", {"messageid": "8792343"})

    def test_requests_are_what_their_sdk_sends(self, gateway, monkeypatch):
        provider = self.answers(gateway, *self.accepted)
        provider.send(replace(SMS, key=""))
        provider.look_up("ref-1", "8792343")
        their = sdk(monkeypatch, gateway.url)
        api = their.KavenegarAPI(KEY)
        api.sms_send({"receptor": TO, "sender": "10004346", "message": SMS.body})
        api.sms_status({"messageid": "8792343"})
        sent = [(path, fields) for path, _, fields in gateway.requests]
        assert sent[:2] == sent[2:]

    def test_a_code_that_nobody_knows_is_an_unknown_outcome(self, gateway):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, *answer(999, status=200)).send(SMS)

    def test_its_answer_names_no_message(self, gateway):
        with pytest.raises(OutcomeUnknown) as caught:
            self.answers(gateway, *answer(200, [])).send(SMS)
        assert caught.value.code == "no_messageid"
