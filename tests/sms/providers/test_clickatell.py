"""Clickatell: the contract, and its own features. Samples follow docs.clickatell.com/channels/one-api."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from sms.errors import PermanentFailure, ReceiptRejected, TemporaryFailure
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from sms.providers.vendor import TokenProvider
from tests.sms.providers.contract import INBOUND_URL, SMS, TEXT, USER, InboundContract, ProviderContract

SECRET, KEY = "secret-of-the-receipts", "f00OfTheIntegration=="
ID = "77fb29998253415fa5d66971d519d362"
RECEIPTS = "https://a.example/v1/receipts/main"


def token(reference: str, secret: str = SECRET) -> str:
    mac = HMAC(secret.encode(), hashes.SHA256())
    mac.update(f"receipt:{reference}".encode())
    return mac.finalize().hex()


def error(code: int) -> dict[str, Any]:
    return {"code": code, "description": f"Invalid recipient address: ({SMS.to})"}


def of_message(status: int, code: int) -> tuple[int, str]:
    """An error of the one message."""
    message = {"apiMessageId": None, "accepted": False, "to": SMS.to[1:], "error": error(code)}
    return status, json.dumps({"messages": [message], "error": None})


def of_request(status: int, code: int) -> tuple[int, str]:
    """An error of the whole request."""
    return status, json.dumps({"messages": [], "error": error(code)})


def taken(**fields: Any) -> str:
    message = {"apiMessageId": ID, "accepted": True, "to": SMS.to[1:], "error": None}
    return json.dumps({"messages": [message | fields], "error": None})


def callback(**event: Any) -> bytes:
    integration = {"integrationId": "fa8090815f05d5ed015f0b5b56080cd2", "integrationName": "Shop"}
    return json.dumps(integration | {"event": event}).encode()


def update(status: str, **changes: Any) -> dict[str, Any]:
    sample = {
        "channel": "sms",
        "timestamp": 1506607698000,
        "statusCode": 4,
        "status": status,
        "messageId": ID,
        "clientMessageId": "ref-1",
    }
    return sample | changes


class TestClickatell(ProviderContract, InboundContract):
    url = (
        f"clickatell://:{KEY}@?from=%2B12025550100&receipt_secret={SECRET}"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = (202, taken())
    accepted_id = ID
    refused_number = of_message(400, 25)
    refused_credentials = of_request(401, 1)
    throttled = (429, "")
    refusals: ClassVar = {
        "refused": [
            *(of_message(400, code) for code in (24, 25, 27, 40, 100)),
            of_message(202, 25),
        ],
        "opted_out": [of_message(400, 26), of_message(207, 26)],
        "account": [
            *(of_request(400, code) for code in (2, 3, 21, 22, 41, 42)),
            of_request(401, 7),
            of_message(402, 20),
            *(of_message(400, code) for code in (23, 28, 38, 39, 44, 45, 46)),
            of_message(207, 45),
            of_request(202, 2),
            (404, ""),
        ],
        "country": [of_message(400, code) for code in (101, 110, 111)],
        "temporary": [
            of_message(400, 43),
            of_request(400, 43),
            of_message(500, 18),
            of_request(503, 19),
            of_message(207, 19),
            # It does not say whose fault it is.
            of_message(400, 999),
            of_message(202, 999),
            of_request(400, 30),
            (202, taken(accepted=False, apiMessageId=None)),
            (400, f"Bad {SMS.to}"),
        ],
        "unknown": [
            (202, taken(accepted=None)),
            (202, taken(accepted="true")),
            (202, taken(apiMessageId=None)),
            (202, json.dumps({"messages": [], "error": None})),
        ],
    }
    words: ClassVar = {
        "QUEUED": State.SENT,
        "SCHEDULED": State.SENT,
        "SENT_TO_SUPPLIER": State.SENT,
        "DEVICE_ACK": State.DELIVERED,
        "READ": State.DELIVERED,
        "EXPIRED": State.FAILED,
        "STOPPED_BY_USER": State.FAILED,
        "STOPPED_BY_ADMIN": State.FAILED,
        "DELIVERY_FAILURE": State.FAILED,
        "INSUFFICIENT_ACCOUNT_BALANCE": State.FAILED,
        "VOLUME_LIMIT": State.FAILED,
        "VOLUME_LIMIT_DAILY": State.FAILED,
        "VOLUME_LIMIT_MONTHLY": State.FAILED,
        "RECIPIENT_DOES_NOT_EXIST": State.FAILED,
        "ROUTING_ERROR": State.FAILED,
        "UNKNOWN": State.UNKNOWN,
        "EMULATED": State.UNKNOWN,
    }

    def receipt(self, word, **changes):
        return {}, callback(messageStatusUpdate=[update(word, **changes)])

    def receipt_url(self, word):
        return f"{RECEIPTS}?token={token('')}"

    def forgeries(self):
        _, body = self.receipt("READ")
        good = self.receipt_url("READ")
        forged = [
            RECEIPTS,
            f"{RECEIPTS}?token=",
            f"{RECEIPTS}?token={token('', 'another-secret-of-receipts')}",
            f"{RECEIPTS}?reference=ref-1&token={token('')}",
        ]
        bodies = [
            b"",
            b"\xff",
            b"[" * 200_000,
            b'{"event": null}',
            b'{"event": [1]}',
            callback(messageStatusUpdate={"status": "READ"}),
            callback(messageStatusUpdate=[update("READ"), "READ"]),  # all of a batch or nothing
        ]
        return [({}, body, url) for url in forged] + [({}, each, good) for each in bodies]

    def text(self, **changes: Any) -> dict[str, Any]:
        sample = {
            "channel": "sms",
            "messageId": "3a89680503414383af44dcd0e4e5f184",
            "relatedMessageId": ID,
            "relatedClientMessageId": "ref-1",
            "from": USER.removeprefix("+"),
            "to": "12025550100",
            "timestamp": 1506607698000,
            "content": TEXT,
            "charset": "UTF-8",
            "sms": {"network": "Network ID"},
        }
        return sample | changes

    def inbound(self):
        return {}, callback(moText=[self.text()])

    def inbound_url(self):
        return f"{INBOUND_URL}?token={token('')}"

    def inbound_forgeries(self):
        headers, body = self.inbound()
        return [
            *super().inbound_forgeries(),
            (headers, body, f"{INBOUND_URL}?token={token('x')}"),
            (headers, b"\xff", self.inbound_url()),
            (headers, callback(moText="Stop"), self.inbound_url()),
            # All of a batch or nothing.
            (headers, callback(moText=[self.text(), {"channel": "sms"}]), self.inbound_url()),
            (headers, callback(moText=[self.text(messageId=None)]), self.inbound_url()),
        ]

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert (path, headers["authorization"]) == ("/v1/message", KEY)
        assert headers["content-type"] == "application/json"
        assert json.loads(gateway.bodies[0]) == {
            "messages": [
                {
                    "channel": "sms",
                    "to": "12025550123",
                    "content": SMS.body,
                    "clientMessageId": "ref-1",
                    "from": "12025550100",
                }
            ]
        }

    def test_a_one_way_integration_names_no_sender(self, gateway):
        self.answers(gateway, *self.accepted)
        provider = from_url("main", f"clickatell://:{KEY}@?base_url={gateway.url}")
        provider.send(SMS)
        provider.send(replace(SMS, sender="+15005550006"))
        first, second = (json.loads(body)["messages"][0] for body in gateway.bodies)
        assert ("from" in first, second["from"]) == (False, "15005550006")

    @pytest.mark.parametrize(("expires_in", "minutes"), [(0.0, None), (0.5, 1), (60.0, 1), (119.0, 2)])
    def test_the_validity_is_in_minutes_where_it_is_wanted(self, gateway, expires_in, minutes):
        self.answers(gateway, *self.accepted)
        url = f"clickatell://:{KEY}@?validity=yes&base_url={gateway.url}"
        from_url("main", url).send(replace(SMS, expires_in=expires_in))
        assert json.loads(gateway.bodies[0])["messages"][0].get("validityPeriod") == minutes

    def test_codes_may_be_told_to_mean_something_else(self, gateway):
        url = f"clickatell://:{KEY}@?base_url={gateway.url}&temporary=39&permanent=110%2038"
        for code, kind in ((39, TemporaryFailure), (110, PermanentFailure), (38, PermanentFailure)):
            self.answers(gateway, *of_message(400, code))
            with pytest.raises(kind) as caught:
                from_url("main", url).send(SMS)
            assert (type(caught.value), caught.value.code) == (kind, str(code))

    def test_a_batch_of_receipts(self, gateway):
        """Those of others that send by the same integration have no reference, or one of theirs."""
        updates = [
            update("DEVICE_ACK"),
            update("READ", clientMessageId=None),
            update("QUEUED", messageId="2"),
        ]
        found = self.provider(gateway.url).parse_receipts(
            {}, callback(messageStatusUpdate=updates, moText=[self.text()]), self.receipt_url("")
        )
        assert [(each.reference, each.state) for each in found] == [
            ("ref-1", State.DELIVERED),
            ("ref-1", State.SENT),
        ]

    def test_a_receipt_keeps_id_and_number_of_the_state_and_bears_a_bom(self, gateway):
        _, body = self.receipt("DELIVERY_FAILURE", statusCode=23)
        (found,) = self.provider(gateway.url).parse_receipts({}, b"\xef\xbb\xbf" + body, self.receipt_url(""))
        assert (found.provider_message_id, found.error) == (ID, "23")

    def test_a_callback_of_another_kind_holds_no_receipt(self, gateway):
        provider = self.provider(gateway.url)
        for event in ({}, {"moText": [self.text()]}, {"messageStatusUpdate": None}):
            assert provider.parse_receipts({}, callback(**event), self.receipt_url("")) == []

    def test_what_comes_by_another_channel_is_no_sms(self, gateway):
        texts = [self.text(channel="whatsapp"), self.text(channel="sms "), self.text(channel=None)]
        (found,) = self.provider(gateway.url).parse_inbound({}, callback(moText=texts), self.inbound_url())
        assert (found.id, found.sender) == ("3a89680503414383af44dcd0e4e5f184", "12025550100")

    def test_the_address_for_the_portal(self, gateway):
        provider = self.provider(gateway.url)
        assert isinstance(provider, TokenProvider)
        assert provider.panel_address(RECEIPTS) == self.receipt_url("")

    def test_without_a_secret_nothing_is_believed(self, gateway):
        provider = from_url("main", f"clickatell://:{KEY}@?base_url={gateway.url}")
        headers, body = self.receipt("READ")
        for secret in ("", SECRET):
            with pytest.raises(ReceiptRejected, match="receipt_secret"):
                provider.parse_receipts(headers, body, f"{RECEIPTS}?token={token('', secret)}")

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            ("", "", "needs api_key"),
            (":f00%0A@", "", "printable ASCII"),
            (f":{KEY}@", "from=+1500", "%2B"),
            (f":{KEY}@", "receipt_secret=s3cret", "16"),
            (f":{KEY}@", "validity=90", "validity="),
            (f":{KEY}@", "temporary=39,s3cret", "error numbers"),
            (f":{KEY}@", "permanent=busy", "error numbers"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"clickatell://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (KEY, "s3cret", "f00"))
