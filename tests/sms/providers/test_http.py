"""A gateway that only options describe: the contract for JSON and for a form, and its own features."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    ReceiptRejected,
    TemporaryFailure,
)
from sms.message import Channel, State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import (
    INBOUND_URL,
    SMS,
    TEXT,
    URL,
    USER,
    InboundContract,
    ProviderContract,
)
from tests.sms.providers.gateway import gateway, response

SECRET = "shared-with-the-gateway"
NASTY = 'He said "no"\r\nX-Evil: 1\n{to} {{id}} \\u0041 %41 &to=+1900&x=1 a=b;c,d 😀</script>'

JSON = {
    "recipients": [{"msisdn": "{to}"}],
    "text": "{body}",
    "from": "{sender}",
    "ref": "{id}",
    "callback": "{callback_url}",
    "ttl": "{expires_in}",
    "flash": False,
}
FORM = "to={to_digits}&text={body}&from={sender}&ref={id}&dlr={callback_url}&ttl={expires_in}&type=text"


def made(start: str, **options: object) -> str:
    return start + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in options.items())


def signed(body: bytes) -> dict[str, str]:
    return {"x-sign": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


RECEIPTS = {
    "receipt_secret": SECRET,
    "receipt_signature": "X-Sign",
    "sent": "QUEUED ACCEPTD",
    "delivered": "DELIVRD READ",
    "failed": "UNDELIV EXPIRED",
}
WORDS = {
    "QUEUED": State.SENT,
    "ACCEPTD": State.SENT,
    "DELIVRD": State.DELIVERED,
    "READ": State.DELIVERED,
    "UNDELIV": State.FAILED,
    "EXPIRED": State.FAILED,
}


class Described(ProviderContract, InboundContract):
    """The contract's cases for a provider of the given ``start`` and ``options``."""

    start: str
    options: ClassVar[dict[str, str]]
    words: ClassVar = WORDS

    def provider(self, base_url, timeout=5.0, **changes):
        options = {k: v for k, v in (self.options | changes).items() if v is not None}
        return from_url("main", made(self.start, **options, base_url=base_url, timeout=timeout))


class TestJson(Described):
    start = "https://user:pass%20word@gateway.example/api/v1/send?"
    options: ClassVar = {
        "json": json.dumps(JSON),
        "from": "Shop",
        "query": "key=K 1&v=2",
        "headers": "X-Key: k;1 | Idempotency-Key: {id}",
        "id": "data.messages.0.id",
        "error": "error.code",
        "temporary": "409 QUEUE_FULL",
        "refused": "BAD_NUMBER 1601",
        "account": "NO_FUNDS",
        "country": "NO_ROUTE",
        **RECEIPTS,
        "receipt_reference": "status.ref",
        "receipt_state": "status.word",
        "receipt_id": "id",
        "receipt_error": "status.code",
        "opted_out": "STOPPED",
        "inbound_from": "message.msisdn",
        "inbound_text": "message.text",
        "inbound_id": "message.id",
        "inbound_to": "message.line",
    }
    accepted = (200, json.dumps({"data": {"messages": [{"id": "G-1", "to": SMS.to}]}}))
    accepted_id = "G-1"
    refused_number = (400, json.dumps({"error": {"code": "BAD_NUMBER", "text": f"{SMS.to} is bad"}}))
    refused_credentials = (401, "no")
    throttled = (429, "slow down")
    refusals: ClassVar = {
        "opted_out": [(400, '{"error": {"code": "STOPPED"}}'), (200, '{"error": {"code": "STOPPED"}}')]
    }

    def inbound(self, **changes):
        message = {"id": 9, "msisdn": USER, "line": "30001", "text": TEXT}
        body = json.dumps({"message": message | changes}).encode()
        return signed(body), body

    def inbound_forgeries(self):
        headers, body = self.inbound()
        return [
            *super().inbound_forgeries(),
            (headers, body + b" ", INBOUND_URL),
            (*self.inbound(msisdn=""), INBOUND_URL),
            (signed(b"[]"), b"[]", INBOUND_URL),
        ]

    def test_the_sender_a_user_wrote_to(self, gateway):
        (found,) = self.provider(gateway.url).parse_inbound(*self.inbound(), INBOUND_URL)
        assert (found.id, found.sender) == ("9", "30001")
        provider = self.provider(gateway.url, inbound_to=None)
        (found,) = provider.parse_inbound(*self.inbound(), INBOUND_URL)
        assert found.sender == "Shop"

    def test_several_messages_of_users_in_one_call(self, gateway):
        paths = {"from": "list.*.msisdn", "text": "list.*.text", "id": "list.*.id", "to": "line"}
        options = {f"inbound_{name}": path for name, path in paths.items()}
        several = [{"id": n, "msisdn": f"1202555010{n}", "text": f"t{n}"} for n in range(3)]
        body = json.dumps({"line": "30001", "list": [*several, {"id": 4}]}).encode()
        found = self.provider(gateway.url, **options).parse_inbound(signed(body), body, INBOUND_URL)
        assert [(one.phone, one.text, one.sender) for one in found] == [
            (f"1202555010{n}", f"t{n}", "30001") for n in range(3)
        ]

    def receipt(self, word, **changes):
        found = {"id": "G-1", "to": SMS.to, "status": {"ref": "ref-1", "word": word, "code": 7} | changes}
        body = json.dumps(found).encode()
        return signed(body), body

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert path == "/api/v1/send?key=K+1&v=2"
        assert headers["authorization"] == "Basic " + base64.b64encode(b"user:pass word").decode()
        assert (headers["x-key"], headers["idempotency-key"]) == ("k;1", "ref-1")
        assert headers["content-type"] == "application/json"
        assert json.loads(gateway.bodies[0]) == {
            "recipients": [{"msisdn": SMS.to}],
            "text": SMS.body,
            "from": "Shop",
            "ref": "ref-1",
            "callback": SMS.callback_url,
            "ttl": 90,
            "flash": False,
        }

    def test_no_value_can_become_syntax(self, gateway):
        sms = replace(SMS, body=NASTY, sender=NASTY, callback_url=NASTY)
        self.answers(gateway, *self.accepted).send(sms)
        found = json.loads(gateway.bodies[0])
        assert (found["text"], found["from"], found["callback"]) == (NASTY, NASTY, NASTY)
        assert set(found) == set(JSON)
        assert "x-evil" not in gateway.requests[0][1]

    def test_no_value_can_become_a_header(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, id="a\r\nX-Evil: 1"))
        headers = gateway.requests[0][1]
        assert "x-evil" not in headers
        assert headers["idempotency-key"] == "a%0D%0AX-Evil%3A%201"

    def test_what_is_empty_is_left_out(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, callback_url="", expires_in=0.0))
        assert set(json.loads(gateway.bodies[0])) == set(JSON) - {"callback", "ttl"}

    def test_a_sender_of_the_route(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, sender="Otpost"))
        assert json.loads(gateway.bodies[0])["from"] == "Otpost"

    def test_a_token_and_another_method(self, gateway):
        self.start = "https://:t0k%7Cen{1}@gateway.example/?"
        provider = self.provider(gateway.url, method="PUT", headers="Content-Type: application/x+json")
        gateway.answer = lambda: response(*self.accepted)
        provider.send(SMS)
        headers = gateway.requests[0][1]
        assert (headers["authorization"], headers["content-type"]) == (
            "Bearer t0k|en{1}",
            "application/x+json",
        )

    @pytest.mark.parametrize(
        ("status", "word", "expected", "code"),
        [
            (400, "QUEUE_FULL", TemporaryFailure, "QUEUE_FULL"),
            (200, "QUEUE_FULL", TemporaryFailure, "QUEUE_FULL"),
            (200, 1601, PermanentFailure, "1601"),
            (500, "BAD_NUMBER", PermanentFailure, "BAD_NUMBER"),
            (200, "NO_FUNDS", AccountFailure, "NO_FUNDS"),
            (409, "", TemporaryFailure, "409"),
            (402, "", AccountFailure, "402"),
            (403, None, AccountFailure, "403"),
            (404, f"{SMS.to} 123456", AccountFailure, "404"),
            (200, f"{SMS.to} 123456", OutcomeUnknown, "200"),
            (302, "", AccountFailure, "redirect_302"),
            (302, "QUEUE_FULL", TemporaryFailure, "QUEUE_FULL"),
        ],
    )
    def test_what_statuses_and_words_mean(self, gateway, status, word, expected, code):
        body = json.loads(self.accepted[1]) | {"error": {"code": word}}
        with pytest.raises(expected) as caught:
            self.answers(gateway, status, json.dumps(body)).send(SMS)
        assert type(caught.value) is expected
        assert caught.value.code == code

    def test_a_country(self, gateway):
        with pytest.raises(AccountFailure) as caught:
            self.answers(gateway, 400, '{"error": {"code": "NO_ROUTE"}}').send(SMS)
        assert caught.value.here

    @pytest.mark.parametrize("id", [None, "", 0, False, True, [], {"id": 1}, 1.5])
    def test_an_id_that_is_none(self, gateway, id):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, 200, json.dumps({"data": {"messages": [{"id": id}]}})).send(SMS)

    def test_an_id_that_is_a_number(self, gateway):
        assert self.answers(gateway, 200, '{"data": {"messages": [{"id": 42}]}}').send(SMS) == "42"

    def test_the_details_of_a_receipt_are_kept(self, gateway):
        (found,) = self.provider(gateway.url).parse_receipts(*self.receipt("UNDELIV"), URL)
        assert (found.error, found.provider_message_id) == ("7", "G-1")

    def test_a_receipt_for_a_fixed_address(self, gateway):
        url = URL.partition("?")[0]
        (found,) = self.provider(gateway.url).parse_receipts(*self.receipt("READ"), url)
        assert found.reference == "ref-1"

    @pytest.mark.parametrize("content", [b"", b"[]", b"{", b"{}", b"\xff", b"[" * 100_000, b'{"status": 1}'])
    def test_a_signed_receipt_that_says_nothing(self, gateway, content):
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(signed(content), content, URL)

    def test_an_empty_secret_refuses_every_receipt(self, gateway):
        provider = self.provider(gateway.url, receipt_secret=None)
        assert not provider.takes_receipts
        _, body = self.receipt("DELIVRD")
        empty = hmac.new(b"", body, hashlib.sha256).hexdigest()
        with pytest.raises(ReceiptRejected, match="receipt_secret"):
            provider.parse_receipts({"x-sign": empty, "authorization": "Bearer "}, body, URL)
        assert self.provider(gateway.url).takes_receipts

    @pytest.mark.parametrize("header", [None, "X-Token"])
    def test_a_secret_in_a_header(self, gateway, header):
        """Who sends it may speak of any message, so the URL may name it."""
        provider = self.provider(
            gateway.url, receipt_signature=None, receipt_reference=None, receipt_header=header
        )
        name = (header or "Authorization").lower()
        _, body = self.receipt("DELIVRD")
        for value in (SECRET, f"Bearer {SECRET}"):
            (found,) = provider.parse_receipts({name: value}, body, URL)
            assert (found.reference, found.state) == ("ref-1", State.DELIVERED)
        for value in ("", "Bearer", SECRET[:-1], SECRET + "x", "ключ\udc80"):
            with pytest.raises(ReceiptRejected):
                provider.parse_receipts({name: value}, body, URL)
        for url in (URL.partition("?")[0], URL + "&reference=ref-2"):
            with pytest.raises(ReceiptRejected):
                provider.parse_receipts({name: SECRET}, body, url)

    @pytest.mark.parametrize(
        "answer", [(400, "{}"), (500, ""), (200, "<html>"), (302, ""), (401, ""), (429, "")]
    )
    def test_no_error_repeats_what_was_sent(self, gateway, answer):
        with pytest.raises(ProviderError) as caught:
            self.answers(gateway, answer[0], answer[1] + f" {SMS.to} 123456").send(SMS)
        shown = f"{caught.value!r} {caught.value.code} {caught.value.__cause__}"
        assert SMS.to[1:] not in shown
        assert "123456" not in shown


class TestBatches:
    """A call may hold several reports: each is recorded, or none is, loudly."""

    def provider(self, **paths):
        options = GOOD | {"receipt_secret": SECRET, "delivered": "DELIVRD", "failed": "UNDELIV"}
        return from_url("main", made("https://gateway.example/?", **options, **paths))

    def read(self, content, url="https://a.example/v1/receipts/main", **paths):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        found = self.provider(**paths).parse_receipts({"authorization": SECRET}, body, url)
        return [(receipt.reference, receipt.state.value, receipt.error) for receipt in found]

    RESULTS: ClassVar = [
        {"ref": "ref-1", "status": {"name": "DELIVRD"}},
        {"ref": "ref-2", "status": {"name": "UNDELIV", "code": 7}},
        {"ref": "ref-3", "status": {"name": "DELIVRD", "code": 0}},
    ]
    ALL: ClassVar = [("ref-1", "delivered", ""), ("ref-2", "failed", "7"), ("ref-3", "delivered", "0")]

    @pytest.mark.parametrize("index", ["*", "0"])
    @pytest.mark.parametrize("url", ["https://a.example/v1/receipts/main", URL])
    def test_every_element_of_the_list_is_read(self, index, url):
        """A configuration that names the first element means every one. The URL can name only one."""
        paths = {
            "receipt_reference": f"results.{index}.ref",
            "receipt_state": f"results.{index}.status.name",
            "receipt_error": f"results.{index}.status.code",
        }
        assert self.read({"results": self.RESULTS}, url, **paths) == self.ALL
        assert self.read({"results": self.RESULTS[:1]}, url, **paths) == self.ALL[:1]

    def test_lists_within_lists(self):
        content = [{"batch": self.RESULTS[:1]}, {"batch": self.RESULTS[1:]}]
        paths = {"receipt_reference": "*.batch.*.ref", "receipt_state": "*.batch.*.status.name"}
        assert [found[0] for found in self.read(content, **paths)] == ["ref-1", "ref-2", "ref-3"]

    def test_a_list_within_one_report_is_none_of_reports(self):
        paths = {"receipt_reference": "ref", "receipt_state": "word", "receipt_error": "errors.0.code"}
        report = {"ref": "ref-1", "word": "UNDELIV"}
        for errors, code in (([], ""), ([{"code": 1}, {"code": 2}], "1")):
            assert self.read(report | {"errors": errors}, **paths) == [("ref-1", "failed", code)]

    def test_one_state_for_several_messages(self):
        found = self.read(
            {"refs": ["a", "b"], "word": "DELIVRD"}, receipt_reference="refs.*", receipt_state="word"
        )
        assert found == [("a", "delivered", ""), ("b", "delivered", "")]

    def test_those_of_others_are_left_out(self):
        """An account may send more than we do. A call that names none of ours is refused."""
        paths = {"receipt_reference": "results.*.ref", "receipt_state": "results.*.status.name"}
        others = [{"status": {"name": "DELIVRD"}}, {"ref": "ref-9"}, "x"]
        assert self.read({"results": [*others, self.RESULTS[0]]}, **paths) == self.ALL[:1]
        for results in (others, [], None, {"ref": "ref-1"}):
            with pytest.raises(ReceiptRejected):
                self.read({"results": results}, **paths)

    def test_several_of_which_the_address_names_one_are_refused(self):
        """It is not clear which of them is meant."""
        with pytest.raises(ReceiptRejected, match="receipt_reference="):
            self.read({"results": self.RESULTS}, URL, receipt_state="results.0.status.name")
        one = self.read({"results": self.RESULTS[:1]}, URL, receipt_state="results.0.status.name")
        assert one == self.ALL[:1]

    @pytest.mark.parametrize("form", [b"ref=a&stat=DELIVRD&ref=b&stat=UNDELIV", b"ref=a&ref=b&stat=DELIVRD"])
    def test_a_form_that_names_several_is_refused(self, form):
        with pytest.raises(ReceiptRejected, match="twice"):
            self.read(form, receipt_reference="ref", receipt_state="stat")

    @pytest.mark.parametrize(
        "paths",
        [
            {"receipt_state": "results.*.word"},
            {"receipt_reference": "ref", "receipt_state": "results.*.word"},
            {"receipt_reference": "results.*.ref", "receipt_state": "others.*.word"},
            {"receipt_reference": "*.ref", "receipt_state": "*.words.*"},
        ],
    )
    def test_lists_that_do_not_belong_together(self, paths):
        with pytest.raises(BadProviderURL, match="same list"):
            self.provider(**paths)


class TestCall(TestJson):
    """A gateway that calls: it is asked as any other, and its channel is voice."""

    options: ClassVar = TestJson.options | {"channel": "voice"}

    def test_its_channel(self, gateway):
        assert self.provider(gateway.url).channel is Channel.VOICE
        assert self.provider(gateway.url, channel=None).channel is Channel.SMS


class TestForm(Described):
    start = "http://gateway.example/sms.php?"
    options: ClassVar = {
        "form": FORM,
        "from": "+15005550006",
        "id": "id",
        "error": "status",
        "accepted": "0 OK",
        "refused": "21",
        **RECEIPTS,
        "receipt_reference": "ref",
        "receipt_state": "stat",
        "receipt_id": "id",
        "inbound_from": "msisdn",
        "inbound_text": "text",
        "inbound_id": "id",
    }
    accepted = (200, '{"status": 0, "id": 77}')
    accepted_id = "77"
    refused_number = (200, '{"status": "21"}')
    refused_credentials = (403, "")
    throttled = (503, "")

    user: ClassVar = USER.removeprefix("+")

    def inbound(self, **changes):
        body = urlencode({"id": "9", "msisdn": USER.removeprefix("+"), "text": TEXT} | changes).encode()
        return signed(body), body

    def inbound_forgeries(self):
        twice = self.inbound()[1] + b"&msisdn=12025550199"
        return [*super().inbound_forgeries(), (signed(twice), twice, INBOUND_URL)]

    def receipt(self, word, **changes):
        body = urlencode({"id": "77", "ref": "ref-1", "stat": word, "to": SMS.to} | changes).encode()
        return signed(body), body

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, fields),) = gateway.requests
        assert path == "/sms.php"
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        assert fields == {
            "to": SMS.to[1:],
            "text": SMS.body,
            "from": "+15005550006",
            "ref": "ref-1",
            "dlr": SMS.callback_url,
            "ttl": "90",
            "type": "text",
        }

    def test_no_value_can_become_syntax(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, body=NASTY, sender=NASTY))
        fields = dict(parse_qsl(gateway.bodies[0].decode(), strict_parsing=True))
        assert (fields["text"], fields["from"], fields["to"]) == (NASTY, NASTY, SMS.to[1:])
        assert len(fields) == len(parse_qsl(FORM))

    @pytest.mark.parametrize("body", ['{"status": 5, "id": 77}', '{"id": 77}', '{"status": false, "id": 77}'])
    def test_only_its_word_says_accepted(self, gateway, body):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, 200, body).send(SMS)
        gateway.answer = lambda: response(200, body)
        with pytest.raises(OutcomeUnknown):
            self.provider(gateway.url, accepted="200 0").send(SMS)

    @pytest.mark.parametrize(
        ("status", "expected"), [(500, TemporaryFailure), (401, AccountFailure), (400, PermanentFailure)]
    )
    def test_the_word_for_accepted_in_an_error_counts_for_nothing(self, gateway, status, expected):
        with pytest.raises(expected):
            self.answers(gateway, status, self.accepted[1]).send(SMS)

    def test_a_gateway_without_ids(self, gateway):
        gateway.answer = lambda: response(200, "thank you")
        plain = self.provider(gateway.url, id="none", error=None, accepted=None, refused=None)
        assert plain.send(SMS) == ""
        with pytest.raises(OutcomeUnknown):
            self.provider(gateway.url, id="none", accepted=None).send(SMS)

    def test_a_status_may_mean_that_it_has_the_message(self, gateway):
        gateway.answer = lambda: response(409, '{"id": 77}')
        assert self.provider(gateway.url, accepted="409").send(SMS) == "77"


GOOD = {"json": '{"to":"{to}","text":"{body}"}', "id": "id"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"json": '{"to":"{to}","k":"s3cret"'}, "json= must be JSON"),
        ({"json": '"{to} {body}"'}, "json= must be JSON"),
        ({"json": '{"to":"{to}"}'}, "json= needs"),
        ({"json": '{"to":"{to}","text":"{body}","k":"{s3cret}"}'}, "json= takes only the placeholders"),
        ({"json": '{"to":"{to}","text":"{body.s3cret}"}'}, "json= takes only the placeholders"),
        ({"json": '{"to":"{to!r}","text":"{body}"}'}, "json= takes only the placeholders"),
        ({"json": '{"to":"{to}","text":"{body} s3cret}"}'}, "json= takes only the placeholders"),
        ({"json": ""}, "either json= or form="),
        ({"form": "to={to}&text={body}"}, "either json= or form="),
        ({"json": "", "form": "s3cret"}, "form= must look like"),
        ({"id": ""}, "id= must say"),
        ({"method": "GET"}, "method must be"),
        ({"channel": "email"}, "channel= takes one of sms, whatsapp, telegram, voice."),
        ({"channel": "s3cret"}, "channel= takes one of"),
        ({"from": " 1500"}, "%2B"),
        ({"query": "to={to}"}, "no placeholders"),
        ({"query": "s3cret"}, "query= must look like"),
        ({"headers": "s3cret"}, "headers= must look like"),
        ({"headers": "X-Key: s3cret\r\nX-Evil: 1"}, "headers= must look like"),
        ({"headers": "X-Key: s3cret\n"}, "headers= must look like"),
        ({"headers": "Content-Length: 3"}, "headers= must look like"),
        ({"headers": "X-To: {to}"}, "headers= takes only the placeholders {id}"),
        ({"temporary": "s3cret"}, "temporary= takes HTTP statuses"),
        ({"temporary": "999"}, "temporary= takes HTTP statuses"),
        ({"temporary": "409", "refused": "409"}, "temporary= and refused= list the same"),
        ({"receipt_secret": "s3cret"}, "16 characters"),
        ({"receipt_secret": "s3cret" * 3}, "receipt_state= and delivered="),
        ({"receipt_secret": "s3cret" * 3, "receipt_signature": "X-Sign"}, "receipt_reference="),
        (
            {"receipt_secret": "s3cret" * 3, "receipt_signature": "X-Sign", "receipt_header": "X"},
            "or receipt_signature=",
        ),
        ({"inbound_text": "text"}, "inbound_from= must say"),
        ({"inbound_from": "from", "receipt_secret": "s3cret" * 3}, "needs inbound_text= and inbound_id="),
        (
            {
                "inbound_from": "a.from",
                "inbound_text": "b.*.text",
                "inbound_id": "a.id",
                "receipt_secret": "s3cret" * 3,
            },
            "may have a *",
        ),
        ({"sent": "A", "failed": "A"}, "sent= and failed= list the same"),
        ({"colour": "s3cret"}, "no option 'colour'"),
        ({"query": "key=s3cret&key=other"}, "query= gives a name twice"),
        ({"headers": "X-Key:s3cret|x-key:other"}, "headers= names x-key twice"),
    ],
)
def test_options_that_cannot_work(changes, words):
    with pytest.raises(BadProviderURL) as caught:
        from_url("main", made("https://gateway.example/?", **(GOOD | changes)))
    assert str(caught.value).startswith("main: ")
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "start",
    ["https:///send?", "https://:443/send?", "https://gate way/send?", "https://gateway.example/{to}?"],
)
def test_addresses_that_cannot_work(start):
    with pytest.raises(BadProviderURL):
        from_url("main", made(start, **GOOD))


def test_a_token_cannot_hold_a_line_break():
    with pytest.raises(BadProviderURL) as caught:
        from_url("main", made("https://:s3cret%0D%0AX-Evil:1@gateway.example/?", **GOOD))
    assert "s3cret" not in str(caught.value)


def test_the_examples_of_the_docs():
    text = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text()
    examples = re.findall(r"^SMS_PROVIDERS=main=(https://\S+\n(?:  \S+\n)+)", text, re.MULTILINE)
    answers = ['{"messages": [{"id": "G-1"}]}', '{"status": 0, "message_id": "G-1"}']
    with gateway() as vendor:
        for example, answer in zip(examples, answers, strict=True):
            url = "".join(example.split())
            assert "," not in url  # it would end the entry in SMS_PROVIDERS
            vendor.answer = partial(response, 200, answer)
            provider = from_url("main", f"{url}&base_url={vendor.url}")
            assert (provider.send(SMS), provider.takes_receipts) == ("G-1", True)


def test_a_gateway_that_hands_over_messages_and_no_receipts():
    """By the secret in its header, or by a signature; its address names no message, so the body need not."""
    paths = {"inbound_from": "from", "inbound_text": "text", "inbound_id": "id"}
    body = json.dumps({"from": USER, "text": "STOP", "id": "1"}).encode()
    for more, headers in (
        ({}, {"authorization": f"Bearer {SECRET}"}),
        ({"receipt_signature": "X-Sign"}, signed(body)),
    ):
        options = GOOD | paths | {"receipt_secret": SECRET} | more
        provider = from_url("main", made("https://gateway.example/?", **options))
        (found,) = provider.parse_inbound(headers, body, INBOUND_URL)
        assert (found.phone, found.text) == (USER, "STOP")
        with pytest.raises(ReceiptRejected):
            provider.parse_receipts(headers, body, URL)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   ", "", " Bearer "])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf \r\n"])
def test_nothing_is_lost_for_the_case_of_a_word_or_a_byte_order_mark(scheme, mark):
    options = GOOD | {"receipt_secret": SECRET, "receipt_state": "word", "delivered": "DELIVRD"}
    options |= {"inbound_from": "from", "inbound_text": "text", "inbound_id": "id"}
    provider = from_url("main", made("https://gateway.example/?", **options))
    headers = {"authorization": scheme + SECRET}
    (found,) = provider.parse_receipts(headers, mark + b'{"word": "DELIVRD"}', URL)
    assert found.state is State.DELIVERED
    message = json.dumps({"from": USER, "text": TEXT, "id": "1"}).encode()
    (sent,) = provider.parse_inbound(headers, mark + message, INBOUND_URL)
    assert sent.text == TEXT
    for wrong in ("Bearer", f"Basic {SECRET}", f"Bearer {SECRET}x", f"xBearer {SECRET}"):
        with pytest.raises(ReceiptRejected):
            provider.parse_receipts({"authorization": wrong}, b'{"word": "DELIVRD"}', URL)
