"""MessageBird: the contract, and its own features. Samples follow developers.messagebird.com/api."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import jwt
import pytest
from django.test import Client

from sms import broker, services, store
from sms.errors import PermanentFailure, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import INBOUND_URL, SMS, TEXT, USER, InboundContract, ProviderContract
from tests.sms.providers.oracles import Oracle

messagebird = Oracle("messagebird")
messagebird_error = Oracle("messagebird.error")
messagebird_http_client = Oracle("messagebird.http_client")
messagebird_request_validator = Oracle("messagebird.request_validator")

KEY, SIGNING_KEY = "live_gshuPaZoeEG6ovbc8M79w0QyM", "PlLrKaqvZNRR5zAjm42ZT6q1SQxgbbGd" * 2
ID = "f28bbe526fc14974b3e7e663a6139b53"
RECEIPTS = "https://a.example/v1/receipts/main"


def errors(status: int, *found: tuple[int, str | None]) -> tuple[int, str]:
    listed = [
        {"code": code, "description": f"no (correct) recipients found ({SMS.to})", "parameter": parameter}
        for code, parameter in found
    ]
    return status, json.dumps({"errors": listed})


def signed(
    url: str, body: bytes = b"", key: str = SIGNING_KEY, algorithm: str = "HS256", **changes: Any
) -> dict[str, str]:
    now = int(time.time())
    claims = {
        "iss": "MessageBird",
        "nbf": now - 1,
        "exp": now + 60,
        "jti": "e92d2ce9-9d49-44d3-a4fc-5ee2e4a7b2a4",
        "url_hash": hashlib.sha256(url.encode()).hexdigest(),
        "payload_hash": hashlib.sha256(body).hexdigest() if body else None,
    }
    given = {name: value for name, value in (claims | changes).items() if value is not None}
    secret: Any = key or None  # PyJWT takes no key where nothing is signed
    return {"messagebird-signature-jwt": jwt.encode(given, secret, algorithm=algorithm)}


class TestMessageBird(ProviderContract, InboundContract):
    url = (
        f"messagebird://:{KEY}@?from=%2B15005550006&signing_key={SIGNING_KEY}"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = (201, json.dumps({"id": ID, "direction": "mt", "reference": "ref-1", "gateway": 10}))
    accepted_id = ID
    refused_number = errors(422, (9, "recipient"))
    refused_credentials = errors(401, (2, "access_key"))
    throttled = (429, "")
    refusals: ClassVar = {
        "temporary": [errors(500, (99, None)), errors(422, (99, None)), errors(503, (10, "originator"))],
        "refused": [errors(422, (10, "body")), errors(422, (21, None)), errors(400, (10, "recipients"))],
        "account": [
            errors(422, (2, None)),
            errors(422, (20, None)),
            errors(422, (25, None)),
            errors(422, (10, "originator")),
            errors(422, (9, "recipient"), (10, "originator")),
            errors(404, (98, None)),
            errors(422, (2, "access_key"), (9, "recipient")),
            (405, ""),
        ],
    }
    words: ClassVar = {
        "scheduled": State.SENT,
        "sent": State.SENT,
        "buffered": State.SENT,
        "delivered": State.DELIVERED,
        "expired": State.FAILED,
        "delivery_failed": State.FAILED,
    }

    def receipt_url(self, word: str, **changes: str) -> str:
        fields = {
            "id": ID,
            "mccmnc": "20408",
            "recipient": "12025550123",
            "reference": "ref-1",
            "status": word,
            "statusDatetime": "2026-11-27T09:34:28+00:00",
            "statusErrorCode": "0",
            "statusReason": "successfully delivered",
        }
        return f"{RECEIPTS}?{urlencode(fields | changes)}"

    def receipt(self, word, **changes):
        return signed(self.receipt_url(word)), b""

    def forgeries(self):
        """MessageBird puts everything into the address."""
        url = self.receipt_url("delivered")
        good = signed(url)
        return [
            ({}, b"", url),
            (good, b"x", url),
            (good, b"", self.receipt_url("sent")),
            (good, b"", url.replace("ref-1", "ref-2")),
            (good, b"", url + "&x=1"),
            (signed(url, key="another-key-of-some-other-account"), b"", url),
            (signed(url, key="", algorithm="none"), b"", url),
            (signed(url, url_hash=None), b"", url),
        ]

    def inbound(self):
        form = {"id": "m-1", "recipient": "15005550006", "originator": "12025550123", "body": TEXT}
        body = urlencode(form | {"createdDatetime": "2026-11-27T09:34:28+00:00"}).encode()
        return signed(INBOUND_URL, body), body

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert path == "/messages"
        assert (headers["authorization"], headers["content-type"]) == (f"AccessKey {KEY}", "application/json")
        assert json.loads(gateway.bodies[0]) == {
            "recipients": ["12025550123"],
            "originator": "15005550006",
            "body": SMS.body,
            "datacoding": "auto",
            "reference": "ref-1",
            "reportUrl": RECEIPTS,
            "validity": 90,
        }

    def test_the_request_is_what_their_sdk_sends(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        client = messagebird.Client(KEY, messagebird_http_client.HttpClient(gateway.url, KEY, "x"))
        params = {"datacoding": "auto", "reference": "ref-1", "reportUrl": RECEIPTS, "validity": 90}
        client.message_create("15005550006", "12025550123", SMS.body, params)
        ours, theirs = gateway.requests
        assert ours[0] == theirs[0]
        assert ours[1]["authorization"] == theirs[1]["authorization"]
        first, second = (json.loads(body) for body in gateway.bodies)
        # Theirs joins the numbers by commas.
        assert first | {"recipients": "12025550123"} == second

    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
    @pytest.mark.parametrize("body", [b"", b"a=%C3%A9"])
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"iss": "Other"},
            {"iss": None},
            {"nbf": None},
            {"exp": None},
            {"exp": 1_600_000_000},
            {"nbf": 4_000_000_000},
            {"iat": 4_000_000_000},
            {"url_hash": "0" * 64},
            {"payload_hash": "0" * 64},
            {"payload_hash": ""},
        ],
    )
    def test_the_signature_is_what_their_sdk_believes(self, gateway, algorithm, body, changes):
        provider = self.provider(gateway.url)
        url = self.receipt_url("delivered")
        headers = signed(url, body, algorithm=algorithm, **changes)
        try:
            provider.parse_receipts(headers, body, url)
            ours = True
        except ReceiptRejected:
            ours = False
        try:
            validator = messagebird_request_validator.RequestValidator(SIGNING_KEY)
            validator.validate_signature(headers["messagebird-signature-jwt"], url, body)
            theirs = True
        except messagebird_error.ValidationError:
            theirs = False
        assert ours is theirs

    @pytest.mark.parametrize("changes", [{"url_hash": None}, {"url_hash": 7}, {"exp": "soon"}, {"nbf": []}])
    def test_a_token_that_is_odd(self, gateway, changes):
        url = self.receipt_url("delivered")
        claims = {"iss": "MessageBird", "nbf": 1, "exp": int(time.time()) + 60, "url_hash": "x"} | changes
        raw = jwt.PyJWS().encode(json.dumps(claims).encode(), SIGNING_KEY, algorithm="HS256")
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts({"messagebird-signature-jwt": raw}, b"", url)

    def test_an_old_signature_is_refused(self, gateway):
        url = self.receipt_url("delivered")
        provider = self.provider(gateway.url)
        now = int(time.time())
        assert provider.parse_receipts(signed(url, exp=now - 30), b"", url)
        for headers in (signed(url, exp=now - 90), signed(url, nbf=now + 90)):
            with pytest.raises(ReceiptRejected):
                provider.parse_receipts(headers, b"", url)

    def test_without_a_key_no_receipts_are_asked_for_and_none_believed(self, gateway):
        provider = from_url("main", f"messagebird://:{KEY}@?from=Shop&base_url={gateway.url}")
        self.answers(gateway, *self.accepted)
        provider.send(replace(SMS, expires_in=0.0))
        assert json.loads(gateway.bodies[0]) == {
            "recipients": ["12025550123"],
            "originator": "Shop",
            "body": SMS.body,
            "datacoding": "auto",
        }
        url = self.receipt_url("delivered")
        for headers in ({}, signed(url), signed(url, key="", algorithm="none")):
            with pytest.raises(ReceiptRejected, match="signing_key"):
                provider.parse_receipts(headers, b"", url)

    @pytest.mark.parametrize("changes", [{"reference": ""}, {"status": ""}])
    def test_a_signed_address_that_is_no_receipt(self, gateway, changes):
        url = self.receipt_url("delivered", **changes)
        with pytest.raises(ReceiptRejected, match="not a receipt"):
            self.provider(gateway.url).parse_receipts(signed(url), b"", url)
        url = self.receipt_url("delivered") + "&reference=ref-2"
        with pytest.raises(ReceiptRejected, match="not a receipt"):
            self.provider(gateway.url).parse_receipts(signed(url), b"", url)

    @pytest.mark.parametrize(("code", "kept"), [("103", "103"), ("0", ""), ("", "")])
    def test_the_error_of_a_receipt_is_kept(self, gateway, code, kept):
        url = self.receipt_url("delivery_failed", statusErrorCode=code)
        (found,) = self.provider(gateway.url).parse_receipts(signed(url), b"", url)
        assert (found.error, found.provider_message_id) == (kept, ID)
        assert found.opted_out == (SMS.to if code == "103" else "")

    def test_what_it_wants_to_hear(self, gateway):
        provider = self.provider(gateway.url)
        assert (provider.receipt_reply.body, provider.inbound_reply.body) == ("OK", "OK")

    def test_a_message_to_a_short_code_has_other_names(self, gateway):
        form = {"mid": "7", "shortcode": "1008", "originator": "12025550123", "message": "STOP"}
        body = urlencode(form).encode()
        (found,) = self.provider(gateway.url).parse_inbound(signed(INBOUND_URL, body), body, INBOUND_URL)
        assert (found.id, found.phone, found.sender, found.text) == ("7", USER, "1008", "STOP")

    @pytest.mark.parametrize(
        "body", [b"", b"id=1&body=x", b"originator=1&body=x", b"originator=Shop&id=1", b"\xff"]
    )
    def test_a_signed_body_that_is_no_message(self, gateway, body):
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_inbound(signed(INBOUND_URL, body), body, INBOUND_URL)

    @pytest.mark.parametrize(("expires_in", "validity"), [(0.5, 1), (119.9, 119)])
    def test_the_validity(self, gateway, expires_in, validity):
        self.answers(gateway, *self.accepted).send(replace(SMS, expires_in=expires_in, sender="Otpost"))
        sent = json.loads(gateway.bodies[0])
        assert (sent["validity"], sent["originator"]) == (validity, "Otpost")

    @pytest.mark.parametrize("to", [f"{SMS.to},447400123456", "", "12025550123", "+١٢٣"])
    def test_one_message_goes_to_one_number(self, gateway, to):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.accepted).send(replace(SMS, to=to))
        assert (caught.value.code, gateway.requests) == ("to", [])

    @pytest.mark.parametrize("code", [SMS.to, [SMS.to], True, None, 0, {"x": 1}])
    def test_an_error_keeps_neither_number_nor_text(self, gateway, code):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, 422, json.dumps({"errors": [{"code": code}]})).send(SMS)
        assert (str(caught.value), caught.value.code) == ("MessageBird refuses it", "422")

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            ("", "from=Shop", "needs access_key"),
            (f":{KEY}@", "", "needs sender"),
            (f":{KEY}@", "from=", "from= takes"),
            (f":{KEY}@", "from=TheShopNextDoor", "11 characters"),
            (f":{KEY}@", "from=+1500", "%2B"),
            (f":{quote('s3cret ü')}@", "from=Shop", "printable ASCII"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"messagebird://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (KEY, "s3cret"))


class TestReceiptsOverHttp:
    """MessageBird signs the address as it calls it, so not one character of it may be written otherwise."""

    @pytest.mark.parametrize(
        "query",
        [
            "statusDatetime=2026-11-27T09%3A34%3A28%2B00%3A00&statusReason=successfully+delivered",
            "statusDatetime=2026-11-27T09:34:28+00:00&statusReason=successfully%20delivered&mccmnc=",
            "statusReason=%c3%a9%2f~'()*!&recipient=12025550123",
        ],
    )
    def test_the_query_reaches_the_check_as_it_was_sent(self, settings, monkeypatch, query):
        settings.PUBLIC_URL = "https://a.example"
        settings.SMS_PROVIDERS = {"main": f"messagebird://:{KEY}@?from=Shop&signing_key={SIGNING_KEY}"}
        monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)
        id = services.send(SMS.to, "Hello").id
        store.claim(id)
        store.finish(id, State.SENT, alias="main", provider_message_id=ID)
        target = f"/v1/receipts/main?id={ID}&reference={id}&status=delivered&{query}"
        for url, accepted in (
            (f"https://a.example{target}&x=1", False),
            (f"https://a.example{target}", True),
        ):
            assert (Client().get(target, headers=signed(url)).status_code < 300) is accepted
        assert services.get(id).state is State.DELIVERED
