"""Kannel: the contract, and its own features. Samples were taken from Kannel 1.4.5."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import ClassVar

import pytest
from django.test import Client

from sms import broker, services, store
from sms.errors import AccountFailure, OutcomeUnknown, PermanentFailure, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from sms.providers.vendor import TokenProvider
from tests.sms.providers.contract import INBOUND_URL, SMS, TEXT, URL, USER, InboundContract, ProviderContract

SECRET = "secret-of-the-receipts"
PASSWORD = "f00-of-the-user"


def token(reference: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"receipt:{reference}".encode(), hashlib.sha256).hexdigest()


class TestKannel(ProviderContract, InboundContract):
    url = (
        f"kannel://tester:{PASSWORD}@?from=Otpost&receipt_secret={SECRET}"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = (202, "0: Accepted for delivery")
    accepted_id = "ref-1"
    refused_number = (400, f"Number(s) has/have been denied by white- and/or black-lists. {SMS.to}")
    refused_credentials = (403, "Authorization failed for sendsms")
    throttled = (503, "Temporal failure, try again later.")
    words: ClassVar = {
        "1": State.DELIVERED,
        "2": State.FAILED,
        "4": State.SENT,
        "8": State.SENT,
        "16": State.FAILED,
    }

    def receipt(self, word, **changes):
        return {}, b""

    def receipt_url(self, word):
        return f"{URL}&token={token('ref-1')}&state={word}"

    def forgeries(self):
        """Kannel puts everything into the address."""
        good = self.receipt_url("1")
        return [
            ({}, b"", forged)
            for forged in [
                URL,
                f"{URL}&state=1",
                f"{URL}&token=&state=1",
                f"{URL}&token=%FF&state=1",
                f"{URL}&token={token('ref-1', 'another-secret-of-receipts')}&state=1",
                f"{URL}&token={hashlib.sha256(b'receipt:ref-1').hexdigest()}&state=1",
                good.replace("reference=ref-1", "reference=ref-2"),
                good + "&reference=ref-2",
                good.replace("reference=ref-1", "reference="),
                f"{URL.partition('?')[0]}?token={token('')}&state=1",
                f"{URL.partition('?')[0]}?reference=&token={token('')}&state=1",
            ]
        ]

    def inbound(self):
        headers = {
            "user-agent": "Kannel/1.4.5",
            "content-type": 'text/plain; charset="UTF-8"',
            "x-kannel-from": USER,
            "x-kannel-to": "73737",
            "x-kannel-time": "2026-11-28 00:26:11",
            "date": "2026-11-28 00:26:11",
            "x-kannel-smsc": "phone",
            "x-kannel-coding": "0",
            "x-kannel-service": "default",
        }
        return headers, TEXT.encode()

    def inbound_url(self):
        return f"{INBOUND_URL}?token={token('')}&id=5fd1b558-10a6-47dc-b091-7b44d2fdcb7e"

    def inbound_forgeries(self):
        headers, body = self.inbound()
        return [
            *super().inbound_forgeries(),
            (headers, body, self.inbound_url().replace(token(""), token("ref-1"))),
            (headers, body, self.inbound_url().replace(token(""), token("", "another-secret-of-receipts"))),
        ]

    @pytest.mark.parametrize(
        ("kind", "sent", "text"),
        [
            ('text/plain; charset="UTF-16BE"', "Стоп 🙂".encode("utf-16-be"), "Стоп 🙂"),
            ('text/plain; charset="UTF-16BE"', b"\0S\xd8", "S\ufffd"),
            ('text/plain; charset="UTF-8"', b"Stop \xff", "Stop \ufffd"),
            ('text/plain; charset="UTF-8"', b"", ""),
            ("application/octet-stream", b"\x01\x02\xff", "\x01\x02\ufffd"),
        ],
    )
    def test_texts(self, gateway, kind, sent, text):
        headers, _ = self.inbound()
        provider = self.provider(gateway.url)
        (found,) = provider.parse_inbound(headers | {"content-type": kind}, sent, self.inbound_url())
        assert (found.text, found.sender, found.id) == (text, "73737", "5fd1b558-10a6-47dc-b091-7b44d2fdcb7e")

    @pytest.mark.parametrize(
        ("lacks", "named"),
        [("x-kannel-from", "send-sender"), ("x-kannel-to", "post-url"), ("&id=5fd1b558", "&id=%I")],
    )
    def test_a_service_that_does_not_tell_enough_is_named(self, gateway, lacks, named):
        """Its operator sees it by the first message, and not by the first STOP that ended nowhere."""
        headers, body = self.inbound()
        headers.pop(lacks, None)
        with pytest.raises(ReceiptRejected, match=named):
            self.provider(gateway.url).parse_inbound(headers, body, self.inbound_url().partition(lacks)[0])

    def test_the_address_for_its_configuration(self, gateway):
        """In which Kannel reads each % as an escape."""
        provider = self.provider(gateway.url)
        assert isinstance(provider, TokenProvider)
        address = provider.panel_address("https://a.example/v1/inbound/m%C3%A4in")
        assert address == f"https://a.example/v1/inbound/m%%C3%%A4in?token={token('')}&id=%I"

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert path == "/cgi-bin/sendsms"
        assert {name: v for name, v in headers.items() if name.startswith(("x-", "content-type"))} == {
            "content-type": "text/plain; charset=UTF-8",
            "x-kannel-username": "tester",
            "x-kannel-password": PASSWORD,
            "x-kannel-to": SMS.to,
            "x-kannel-from": "Otpost",
            "x-kannel-coding": "0",
            "x-kannel-validity": "2",
            "x-kannel-dlr-mask": "31",
            "x-kannel-dlr-url": f"{URL}&token={token('ref-1')}&state=%d",
        }
        assert gateway.bodies == [SMS.body.encode()]

    def test_options_of_one_message(self, gateway):
        self.answers(gateway, *self.accepted)
        url = f"kannel://tester:{PASSWORD}@?smsc=local&base_url={gateway.url}"
        from_url("main", url).send(replace(SMS, sender="+15005550006", expires_in=0.0, body="Код 123456"))
        headers = gateway.requests[0][1]
        assert (headers["x-kannel-from"], headers["x-kannel-smsc"]) == ("+15005550006", "local")
        assert headers["x-kannel-coding"] == "2"
        assert gateway.bodies == ["Код 123456".encode()]
        assert not {"x-kannel-validity", "x-kannel-dlr-url", "x-kannel-dlr-mask"} & set(headers)
        from_url("main", url).send(SMS)
        assert "x-kannel-from" not in gateway.requests[1][1]

    @pytest.mark.parametrize(("expires_in", "minutes"), [(0.5, "1"), (60.0, "1"), (119.0, "2")])
    def test_the_validity_is_in_minutes(self, gateway, expires_in, minutes):
        self.answers(gateway, *self.accepted).send(replace(SMS, expires_in=expires_in))
        assert gateway.requests[0][1]["x-kannel-validity"] == minutes

    def test_queued_is_accepted(self, gateway):
        assert self.answers(gateway, 202, "3: Queued for later delivery").send(SMS) == "ref-1"

    def test_another_code_is_an_unknown_outcome(self, gateway):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, 202, "4: Something new").send(SMS)

    @pytest.mark.parametrize(
        ("status", "text", "code", "here"),
        [
            (403, "Not routable. Do not try again.", "not_routable", True),
            (400, "Sender missing and no global set, rejected", "400", False),
            (404, "Unknown request", "404", False),
        ],
    )
    def test_some_refusals_are_about_us(self, gateway, status, text, code, here):
        with pytest.raises(AccountFailure) as caught:
            self.answers(gateway, status, text).send(SMS)
        assert (caught.value.code, caught.value.here) == (code, here)

    @pytest.mark.parametrize("sender", ["Shop\r\nX-Kannel-To: +447400123456", "Shop\n", "Käse", " "])
    def test_a_sender_cannot_add_headers(self, gateway, sender):
        with pytest.raises(AccountFailure) as caught:
            self.answers(gateway, *self.accepted).send(replace(SMS, sender=sender))
        assert (caught.value.code, gateway.requests) == ("X-Kannel-From", [])

    @pytest.mark.parametrize("to", [f"{SMS.to} +447400123456", f"{SMS.to}\r\nX-Kannel-SMSC: x", "", "+١٢٣"])
    def test_one_message_goes_to_one_number(self, gateway, to):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.accepted).send(replace(SMS, to=to))
        assert SMS.to not in f"{caught.value} {caught.value.code}"
        assert gateway.requests == []

    def test_a_text_stays_a_text(self, gateway):
        odd = "x\r\n\r\nPOST /cgi-bin/sendsms&to=+447400123456&password=%d"
        self.answers(gateway, *self.accepted).send(replace(SMS, body=odd))
        assert (gateway.bodies, len(gateway.requests)) == ([odd.encode()], 1)
        assert gateway.requests[0][1]["x-kannel-to"] == SMS.to

    def test_the_address_for_reports_holds_neither_number_nor_text_and_only_our_escape(self, gateway):
        callback_url = "https://a.example/v1/receipts/m%C3%A4in?reference=ref-1"
        self.answers(gateway, *self.accepted).send(replace(SMS, callback_url=callback_url))
        found = gateway.requests[0][1]["x-kannel-dlr-url"]
        assert found.replace("%%", "").count("%") == 1
        assert found.replace("%%", "%").startswith(callback_url)
        assert "2025550123" not in found
        assert "123456" not in found.replace(token("ref-1"), "")

    def test_without_a_secret_no_receipt_is_believed(self, gateway):
        provider = from_url("main", f"kannel://tester:{PASSWORD}@?from=Shop&base_url={gateway.url}")
        for secret in ("", SECRET):
            with pytest.raises(ReceiptRejected, match="receipt_secret"):
                provider.parse_receipts({}, b"", f"{URL}&token={token('ref-1', secret)}&state=1")

    def test_neither_password_nor_number_nor_text_is_logged(self, gateway, caplog):
        caplog.set_level("DEBUG")
        self.answers(gateway, *self.accepted).send(SMS)
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.refused_number).send(SMS)
        texts = f"{caplog.text} {caught.value!r} {caught.value.code}"
        assert "POST 127.0.0.1" in caplog.text
        for secret in (PASSWORD, SMS.to, "2025550123", "123456", token("ref-1"), SECRET):
            assert secret not in texts

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            (f":{PASSWORD}@", "", "needs username"),
            (f"tester:{PASSWORD}@", "from=+1500", "%2B"),
            (f"tester:{PASSWORD}@", "receipt_secret=s3cret", "16"),
            (f"tester:{PASSWORD}@", "smsc=a%0D%0AX-Y:%20z", "smsc must be printable"),
            (f"tester:{PASSWORD}%0A@", "", "password must be printable"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"kannel://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (PASSWORD, "s3cret"))


class TestReceiptsOverHttp:
    """Kannel calls the address that it was given, by GET."""

    @pytest.fixture(autouse=True)
    def kannel(self, settings, monkeypatch):
        settings.PUBLIC_URL = "https://verify.example.com"
        settings.SMS_PROVIDERS = {"main": f"kannel://tester:{PASSWORD}@?receipt_secret={SECRET}"}
        monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)

    @pytest.fixture
    def reference(self) -> str:
        id = services.send(SMS.to, "Hello").id
        store.claim(id)
        store.finish(id, State.SENT, alias="main")
        return id

    def report(self, reference, state, token_of=None):
        query = {"reference": reference, "token": token(token_of or reference), "state": state}
        return Client().get("/v1/receipts/main", query)

    def test_states_may_arrive_in_any_order(self, reference):
        for state, expected in [("8", State.SENT), ("1", State.DELIVERED), ("4", State.DELIVERED)]:
            response = self.report(reference, state)
            assert (response.status_code, response.content) == (200, b"OK")  # by 204 it would call again
            assert services.get(reference).state is expected
        assert services.get(reference).reported == "1"

    def test_the_token_of_another_message_is_refused(self, reference):
        response = self.report(reference, "1", token_of="another")
        assert (response.status_code, response.json()["code"]) == (403, "receipt_rejected")
        assert services.get(reference).state is State.SENT

    @pytest.mark.parametrize("url", ["twilio://AC1:token@?from=x", "memory://"])
    def test_others_are_not_opened_by_it(self, settings, reference, url):
        settings.SMS_PROVIDERS = {"main": url}
        assert self.report(reference, "1").status_code == 403
        assert services.get(reference).state is State.SENT

    def test_an_unknown_alias(self):
        assert Client().get("/v1/receipts/other").json()["code"] == "alias_unknown"

    def test_both_ways_are_described_under_names_of_their_own(self, api):
        document = api.client.get("/v1/openapi.json").json()
        found = document["paths"]["/v1/receipts/{alias}"]
        assert {method: found[method]["operationId"] for method in found} == {
            "post": "take_receipts",
            "get": "take_receipts_by_get",
        }
