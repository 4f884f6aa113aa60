"""46elks: the contract, and its own features. Samples follow 46elks.com/docs."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from sms.errors import OutcomeUnknown, PermanentFailure, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.providers.base import Reply
from sms.providers.url import BadProviderURL
from sms.providers.vendor import TokenProvider
from tests.sms.providers.contract import INBOUND_URL, SMS, TEXT, URL, USER, InboundContract, ProviderContract

SECRET, PASSWORD = "secret-of-the-receipts", "f00-of-the-api"
ID = "s70df59406a1b4643b96f3f91e0bfb7b0"


def token(reference: str, secret: str = SECRET) -> str:
    mac = HMAC(secret.encode(), hashes.SHA256())
    mac.update(f"receipt:{reference}".encode())
    return mac.finalize().hex()


def created(**fields: object) -> str:
    sample = {
        "status": "created",
        "direction": "outgoing",
        "from": "Shop",
        "created": "2024-05-04T13:37:42.314100",
        "parts": 1,
        "to": SMS.to,
        "cost": 5000,
        "dontlog": "message",
        "id": ID,
    }
    return json.dumps(sample | fields)


class TestElks(ProviderContract, InboundContract):
    url = (
        f"elks://u123:{PASSWORD}@?from=Shop&receipt_secret={SECRET}&base_url={{base_url}}&timeout={{timeout}}"
    )
    accepted = (200, created())
    accepted_id = ID
    refused_number = (400, f"Invalid to number {SMS.to}")
    refused_credentials = (401, "API access requires Basic HTTP authentication")
    throttled = (429, "Too many requests")
    refusals: ClassVar = {
        "refused": [(400, json.dumps({"error": f"Invalid to number {SMS.to}"})), (400, "")],
        "account": [
            (403, json.dumps({"error": "Not enough credits"})),
            (403, "Not enough credits"),
            (400, "Missing key from"),
            (400, json.dumps({"error": "Invalid from: Sho p"})),
            (404, "No such resource"),
        ],
        "temporary": [(500, "from us"), (503, "")],
        "unknown": [(200, created(status="failed")), (200, created(status=["created"])), (200, "queued")],
    }
    words: ClassVar = {"sent": State.SENT, "delivered": State.DELIVERED, "failed": State.FAILED}

    def receipt(self, word, **changes):
        fields = {"id": ID, "status": word}
        if word == "delivered":
            fields["delivered"] = "2024-05-04T13:38:15.123000"
        return {"content-type": "application/x-www-form-urlencoded"}, urlencode(fields | changes).encode()

    def receipt_url(self, word):
        return f"{URL}&token={token('ref-1')}"

    def forgeries(self):
        """The form is not signed: whoever has the address of a message may report about it."""
        headers, body = self.receipt("delivered")
        good = self.receipt_url("delivered")
        forged = [
            URL,
            f"{URL}&token=",
            f"{URL}&token=%FF%ED%A0%80",
            f"{URL}&token={token('')}",
            f"{URL}&token={token('ref-1', 'another-secret-of-receipts')}",
            good.replace("reference=ref-1", "reference=ref-2"),
            f"{good}&reference=ref-2",
        ]
        bodies = (b"", b"\xff", b"id=&status=delivered", b"id=s1", b"status=delivered", b"[" * 100_000)
        return [(headers, body, url) for url in forged] + [(headers, each, good) for each in bodies]

    def inbound(self):
        fields = {
            "direction": "incoming",
            "id": "sf8425555e5d8db61dda7a7b3f1b91bdb",
            "from": USER,
            "to": "+46706860000",
            "created": "2018-07-13T13:57:23.741000",
            "message": TEXT,
        }
        return {}, urlencode(fields).encode()

    def inbound_url(self):
        return f"{INBOUND_URL}?token={token('')}"

    def inbound_forgeries(self):
        headers, body = self.inbound()
        message_url = f"{INBOUND_URL}?reference=ref-1&token={token('ref-1')}"
        return [
            *super().inbound_forgeries(),
            (headers, body, message_url),
            (headers, b"\xff", self.inbound_url()),
            (headers, b"id=s1&to=1", self.inbound_url()),
        ]

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, fields),) = gateway.requests
        assert (path, headers["content-type"]) == ("/a1/sms", "application/x-www-form-urlencoded")
        assert (
            base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode() == f"u123:{PASSWORD}"
        )
        assert fields == {
            "from": "Shop",
            "to": SMS.to,
            "message": SMS.body,
            "dontlog": "message",
            "whendelivered": f"{URL}&token={token('ref-1')}",
        }

    def test_options_of_one_message(self, gateway):
        self.answers(gateway, *self.accepted)
        provider = from_url("main", f"elks://u:{PASSWORD}@?from=%2B46706860000&base_url={gateway.url}")
        provider.send(SMS)
        provider.send(replace(SMS, sender="Shop & Co=1", body="Код 123456"))
        first, second = (fields for _, _, fields in gateway.requests)
        assert first["from"] == "+46706860000"
        assert "whendelivered" not in first
        assert (second["from"], second["message"]) == ("Shop & Co=1", "Код 123456")

    def test_an_answer_without_an_id(self, gateway):
        """``dryrun`` answers like this."""
        with pytest.raises(OutcomeUnknown) as caught:
            self.answers(gateway, 200, created(id=None)).send(SMS)
        assert caught.value.code == "no_id"

    def test_a_receipt_keeps_the_id_and_bears_a_bom(self, gateway):
        headers, body = self.receipt("failed")
        (found,) = self.provider(gateway.url).parse_receipts(
            headers, b"\xef\xbb\xbf" + body, self.receipt_url("")
        )
        assert (found.reference, found.provider_message_id, found.state) == ("ref-1", ID, State.FAILED)

    def test_whom_an_inbound_message_went_to_and_what_is_answered(self, gateway):
        provider = self.provider(gateway.url)
        headers, body = self.inbound()
        (found,) = provider.parse_inbound(headers, body, self.inbound_url())
        assert (found.id, found.sender) == ("sf8425555e5d8db61dda7a7b3f1b91bdb", "+46706860000")
        assert provider.inbound_reply == Reply(body="")  # it would be sent to the user

    def test_the_address_for_a_console(self, gateway):
        provider = self.provider(gateway.url)
        assert isinstance(provider, TokenProvider)
        assert provider.panel_address(INBOUND_URL) == self.inbound_url()

    def test_without_a_secret_nothing_is_believed(self, gateway):
        provider = from_url("main", f"elks://u:{PASSWORD}@?from=Shop&base_url={gateway.url}")
        _, receipt = self.receipt("sent")
        _, inbound = self.inbound()
        for secret in ("", SECRET):
            with pytest.raises(ReceiptRejected, match="receipt_secret"):
                provider.parse_receipts({}, receipt, f"{URL}&token={token('ref-1', secret)}")
            with pytest.raises(ReceiptRejected, match="receipt_secret"):
                provider.parse_inbound({}, inbound, f"{INBOUND_URL}?token={token('', secret)}")

    def test_neither_password_nor_number_nor_text_is_logged(self, gateway, caplog):
        caplog.set_level("DEBUG")
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.refused_number).send(SMS)
        texts = f"{caplog.text} {caught.value!r} {caught.value.code}"
        for secret in (PASSWORD, SMS.to, "2025550123", "123456", token("ref-1"), SECRET):
            assert secret not in texts

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            (f":{PASSWORD}@", "from=Shop", "needs username"),
            ("u@", "from=Shop", "needs password"),
            (f"u:{PASSWORD}@", "", "from="),
            (f"u:{PASSWORD}@", "from=+1500", "%2B"),
            (f"u:{PASSWORD}@", "from=Shop&receipt_secret=s3cret", "16"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"elks://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (PASSWORD, "s3cret"))
