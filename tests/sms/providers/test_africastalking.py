"""Africa's Talking: the contract, and its own features. Samples follow developers.africastalking.com."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from sms.errors import PermanentFailure, ReceiptRejected, TemporaryFailure
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from sms.providers.vendor import TokenProvider
from tests.sms.providers.contract import INBOUND_URL, SMS, TEXT, USER, InboundContract, ProviderContract
from tests.sms.providers.oracles import Oracle

africastalking_sms = Oracle("africastalking.SMS")

SECRET, KEY = "secret-of-the-receipts", "atsk_f00-of-the-app"
ID = "ATXid_07b8f5a4e7f1d8d3f4a2c1b0e9d8c7b6"
RECEIPTS = "https://a.example/v1/receipts/main"

#: Of developers.africastalking.com/docs/sms/notifications.
OPT_OUT = urlencode({"senderId": "Shop", "phoneNumber": USER}).encode()
SUBSCRIPTION = urlencode(
    {"phoneNumber": USER, "shortCode": "22384", "keyword": "news", "updateType": "deletion"}
).encode()


def token(reference: str, secret: str = SECRET) -> str:
    mac = HMAC(secret.encode(), hashes.SHA256())
    mac.update(f"receipt:{reference}".encode())
    return mac.finalize().hex()


def answer(code: Any, status: str, message: str = "Sent to 1/1 Total Cost: KES 0.8000") -> tuple[int, str]:
    recipient = {
        "statusCode": code,
        "number": SMS.to,
        "cost": "KES 0.8000" if status == "Success" else "0",
        "status": status,
        "messageId": ID if status == "Success" else "None",
    }
    return 201, json.dumps({"SMSMessageData": {"Message": message, "Recipients": [recipient]}})


def nobody(message: object) -> tuple[int, str]:
    return 201, json.dumps({"SMSMessageData": {"Message": message, "Recipients": []}})


class TestAfricasTalking(ProviderContract, InboundContract):
    url = (
        f"africastalking://shop:{KEY}@?from=Shop&receipt_secret={SECRET}"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = answer(101, "Success")
    accepted_id = ID
    refused_number = answer(403, "InvalidPhoneNumber")
    refused_credentials = (401, "The supplied authentication is invalid")
    throttled = (429, "Too many requests")
    refusals: ClassVar = {
        "refused": [
            answer(404, "UnsupportedNumberType"),
            answer("403", "InvalidPhoneNumber"),
            (400, f"Bad number {SMS.to}"),
        ],
        "opted_out": [answer(406, "UserInBlacklist"), answer("406", "UserInBlacklist")],
        "account": [
            answer(401, "RiskHold"),
            answer(402, "InvalidSenderId"),
            answer(405, "InsufficientBalance"),
            nobody("InvalidSenderId"),
            (402, ""),
            (403, f"Forbidden {SMS.to}"),
        ],
        "country": [answer(407, "CouldNotRoute"), answer(409, "DoNotDisturbRejection")],
        "temporary": [
            answer(500, "InternalServerError"),
            answer(501, "GatewayError"),
            answer(502, "RejectedByGateway"),
            (500, ""),
            (502, ""),
        ],
        "unknown": [
            answer(499, "New"),
            answer(None, "Success"),
            answer([101], "Success"),
            nobody(f"Sent to 0/1 {SMS.to}"),
            nobody(None),
            nobody("Word"),
        ],
    }
    words: ClassVar = {
        "Sent": State.SENT,
        "Submitted": State.SENT,
        "Buffered": State.SENT,
        "Success": State.DELIVERED,
        "Rejected": State.FAILED,
        "Failed": State.FAILED,
        "Expired": State.FAILED,
        "AbsentSubscriber": State.FAILED,
    }

    def receipt(self, word, **changes):
        fields = {"id": ID, "status": word, "phoneNumber": SMS.to, "networkCode": "63902", "retryCount": "0"}
        return {"content-type": "application/x-www-form-urlencoded"}, urlencode(fields | changes).encode()

    def receipt_url(self, word):
        return f"{RECEIPTS}?token={token('')}"

    def forgeries(self):
        headers, body = self.receipt("Success")
        forged = [
            RECEIPTS,
            f"{RECEIPTS}?token=",
            f"{RECEIPTS}?token={token('', 'another-secret-of-receipts')}",
            f"{RECEIPTS}?reference=ref-1&token={token('')}",
        ]
        good = self.receipt_url("Success")
        bodies = (b"", b"\xff", b"id=&status=Success", b"id=1", b"status=Success")
        return [(headers, body, url) for url in forged] + [(headers, each, good) for each in bodies]

    def inbound(self):
        fields = {
            "linkId": "SampleLinkId123",
            "text": TEXT,
            "to": "22384",
            "id": "28a92cdf-2d63-4ee3-93df-4233d3de0356",
            "date": "2017-05-03T06:04:45Z",
            "from": USER,
        }
        return {}, urlencode(fields).encode()

    def inbound_url(self):
        return f"{INBOUND_URL}?token={token('')}"

    def inbound_forgeries(self):
        headers, body = self.inbound()
        return [
            *super().inbound_forgeries(),
            (headers, body, f"{INBOUND_URL}?token={token('x')}"),
            (headers, b"\xff", self.inbound_url()),
            (headers, b"id=1&from=%2B1", self.inbound_url()),
            (headers, b"senderId=Shop", self.inbound_url()),
            (headers, b"senderId=Shop&phoneNumber=", self.inbound_url()),
            (headers, b"senderId=&phoneNumber=%2B12025550123", self.inbound_url()),
            (headers, OPT_OUT, INBOUND_URL),
            (headers, OPT_OUT, f"{INBOUND_URL}?token={token('x')}"),
            # Its other callbacks: a receipt, and the end of a subscription.
            (*self.receipt("Failed"), self.inbound_url()),
            (headers, SUBSCRIPTION, self.inbound_url()),
        ]

    def test_an_opt_out_from_a_sender(self, gateway):
        """It has no id of its own."""
        found = [
            told
            for _ in range(2)
            for told in self.provider(gateway.url).parse_inbound({}, OPT_OUT, self.inbound_url())
        ]
        assert [(told.phone, told.sender, told.text, told.word) for told in found] == [
            (USER, "Shop", "", "stop")
        ] * 2
        assert len({told.id for told in found} - {""}) == 2

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, fields),) = gateway.requests
        assert path == "/version1/messaging"
        assert (headers["apikey"], headers["accept"]) == (KEY, "application/json")
        assert fields == {
            "username": "shop",
            "to": SMS.to,
            "message": SMS.body,
            "bulkSMSMode": "1",
            "from": "Shop",
        }

    @pytest.mark.parametrize("sender", ["Shop", None])
    def test_the_request_is_that_of_their_sdk(self, gateway, sender):
        self.answers(gateway, *self.accepted)
        service = africastalking_sms.SMSService("shop", KEY)
        service._baseUrl = f"{gateway.url}/version1"
        service.send(SMS.body, [SMS.to], sender_id=sender)
        option = f"&from={sender}" if sender else ""
        from_url("main", f"africastalking://shop:{KEY}@?base_url={gateway.url}{option}").send(SMS)
        theirs, ours = gateway.requests
        assert theirs[0] == ours[0]
        assert theirs[2] == ours[2]
        for name in ("apikey", "accept", "content-type"):
            assert theirs[1][name] == ours[1][name]

    @pytest.mark.parametrize("username", ["sandbox", "shop"])
    def test_the_host_is_that_of_their_sdk(self, username):
        service = africastalking_sms.SMSService(username, KEY)
        provider = from_url("main", f"africastalking://{username}:{KEY}@")
        assert f"{provider.base_url}/version1" == service._baseUrl

    @pytest.mark.parametrize("code", [100, 101, 102])
    def test_what_is_accepted(self, gateway, code):
        assert self.answers(gateway, *answer(code, "Success")).send(SMS) == ID

    def test_one_message_goes_to_one_number(self, gateway):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.accepted).send(replace(SMS, to=f"{SMS.to},+447400123456"))
        assert (SMS.to in str(caught.value), gateway.requests) == (False, [])

    def test_codes_may_be_told_to_mean_something_else(self, gateway):
        url = f"africastalking://shop:{KEY}@?base_url={gateway.url}&temporary=407%20409&permanent=502"
        for code, kind in ((407, TemporaryFailure), (409, TemporaryFailure), (502, PermanentFailure)):
            self.answers(gateway, *answer(code, "X"))
            with pytest.raises(kind) as caught:
                from_url("main", url).send(SMS)
            assert type(caught.value) is kind

    def test_the_reason_of_a_failure_is_kept(self, gateway):
        headers, body = self.receipt("Failed", failureReason="UserInBlackList")
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, self.receipt_url(""))
        assert (found.reference, found.provider_message_id, found.error) == ("", ID, "UserInBlackList")

    @pytest.mark.parametrize(
        ("reason", "number", "opted_out"),
        [
            ("UserInBlackList", SMS.to, SMS.to),
            ("UserInBlackList", "", ""),
            ("UserAccountSuspended", SMS.to, ""),
            ("", SMS.to, ""),
        ],
    )
    def test_a_number_that_has_opted_out(self, gateway, reason, number, opted_out):
        headers, body = self.receipt("Failed", failureReason=reason, phoneNumber=number)
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, self.receipt_url(""))
        assert (found.state, found.error, found.opted_out) == (State.FAILED, reason, opted_out)

    def test_a_bom_before_a_receipt(self, gateway):
        headers, body = self.receipt("Success")
        (found,) = self.provider(gateway.url).parse_receipts(
            headers, b"\xef\xbb\xbf" + body, self.receipt_url("")
        )
        assert found.provider_message_id == ID

    def test_whom_an_inbound_message_went_to(self, gateway):
        headers, body = self.inbound()
        (found,) = self.provider(gateway.url).parse_inbound(headers, body, self.inbound_url())
        assert (found.id, found.sender) == ("28a92cdf-2d63-4ee3-93df-4233d3de0356", "22384")

    def test_the_address_for_the_dashboard(self, gateway):
        provider = self.provider(gateway.url)
        assert isinstance(provider, TokenProvider)
        assert provider.panel_address(RECEIPTS) == self.receipt_url("")
        assert provider.refers_by_own_id

    def test_without_a_secret_nothing_is_believed(self, gateway):
        provider = from_url("main", f"africastalking://shop:{KEY}@?base_url={gateway.url}")
        headers, body = self.receipt("Sent")
        for secret in ("", SECRET):
            with pytest.raises(ReceiptRejected, match="receipt_secret"):
                provider.parse_receipts(headers, body, f"{RECEIPTS}?token={token('', secret)}")

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            (f":{KEY}@", "", "needs username"),
            ("shop@", "", "needs api_key"),
            ("shop:f00%0A@", "", "printable ASCII"),
            (f"shop:{KEY}@", "from=+1500", "%2B"),
            (f"shop:{KEY}@", "receipt_secret=s3cret", "16"),
            (f"shop:{KEY}@", "temporary=407,s3cret", "status codes"),
            (f"shop:{KEY}@", "permanent=busy", "status codes"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"africastalking://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (KEY, "s3cret", "f00"))
