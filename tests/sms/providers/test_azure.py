"""Azure Communication Services: the contract, and its own features. Samples follow azure-rest-api-specs and
learn.microsoft.com; requests are compared with those of azure-communication-sms.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from sms.errors import AccountFailure, OutcomeUnknown, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.providers.azure import AzureProvider
from sms.providers.base import Reply
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import (
    INBOUND_URL,
    SMS,
    TEXT,
    USER,
    InboundContract,
    ProviderContract,
)
from tests.sms.providers.gateway import response
from tests.sms.providers.oracles import Oracle

azure_sms = Oracle("azure.communication.sms")
azure_policy = Oracle("azure.communication.sms._shared.policy")
azure_credentials = Oracle("azure.core.credentials")
azure_pipeline = Oracle("azure.core.pipeline")
azure_rest = Oracle("azure.core.rest")

SECRET = "secret-of-the-receipts"
ACCESS_KEY = base64.b64encode(hashlib.sha512(b"a key of the resource").digest()).decode()
RECEIPTS_URL = "https://a.example/v1/receipts/main"
REPORT, MESSAGE = "Microsoft.Communication.SMSDeliveryReportReceived", "Microsoft.Communication.SMSReceived"
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
CODE = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"


def token(secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), b"receipt:", hashlib.sha256).hexdigest()


def event(kind: Any, data: Any, **changes: Any) -> dict[str, Any]:
    return {
        "id": "Outgoing_202009180022138813a09b",
        "topic": "/subscriptions/1/resourceGroups/a/providers/microsoft.communication/b",
        "subject": "/phonenumber/15555555555",
        "data": data,
        "eventType": kind,
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "eventTime": "2020-09-18T00:22:20Z",
    } | changes


def report(word: str, **changes: Any) -> dict[str, Any]:
    return {
        "messageId": "Outgoing_2020-1",
        "from": "15555555555",
        "to": SMS.to,
        "deliveryStatus": word,
        "deliveryStatusDetails": f"4005: {SMS.to} has blocked you.",
        "receivedTimestamp": "2020-09-18T00:22:20.2855749Z",
        "deliveryAttempts": [
            {"timestamp": "2020-09-18T00:22:14.9315918Z", "segmentsSucceeded": 1, "segmentsFailed": 0}
        ],
        "tag": "ref-1",
    } | changes


def posted(*events: Any) -> tuple[dict[str, str], bytes]:
    return {"aeg-event-type": "Notification"}, json.dumps(events).encode()


def answer(status: Any, successful: Any = False, **changes: Any) -> tuple[int, str]:
    """Azure's words about the one recipient, always with HTTP 202."""
    item = {
        "to": SMS.to,
        "httpStatusCode": status,
        "successful": successful,
        "repeatabilityResult": "accepted",
    }
    more = (
        {"errorMessage": f"{SMS.to} is wrong"} if successful is not True else {"messageId": "Outgoing_2020-1"}
    )
    return 202, json.dumps({"value": [item | more | changes]})


def error(status: int, code: str) -> tuple[int, str]:
    return status, json.dumps({"error": {"code": code, "message": f"About {SMS.to}"}})


class TestAzure(ProviderContract, InboundContract):
    url = (
        f"azure://:{quote(ACCESS_KEY, safe='')}@my-resource.communication.azure.com?from=%2B18445550123"
        f"&receipt_secret={SECRET}&base_url={{base_url}}&timeout={{timeout}}"
    )
    accepted = answer(202, True)
    accepted_id = "Outgoing_2020-1"
    refused_number = answer(400)
    refused_credentials = error(401, "Denied")
    throttled = error(429, "TooManyRequests")
    refusals: ClassVar = {
        "temporary": [answer(429), answer(500), answer(503), answer(408), error(500, "InternalServerError")],
        "refused": [
            answer(422),
            answer(400, None),
            error(400, "BadRequest"),
            error(400, SMS.to),
            error(422, "x" * 99),
            (400, json.dumps({"SmsRecipients[0].To": [f"Invalid To phone number format from {SMS.to}"]})),
            (400, json.dumps({"errors": ["From"], "title": "From"})),
            (400, "{"),
        ],
        "account": [
            answer(401),
            answer(403),
            answer(404),
            error(403, "Forbidden"),
            error(404, "NotFound"),
            (400, json.dumps({"From": ["Invalid From phone number format"]})),
            (400, json.dumps({"status": 400, "errors": {"from": ["Invalid From phone number format"]}})),
        ],
        "unknown": [
            answer(409),
            answer(412, repeatabilityResult="Rejected"),
            answer(400, repeatabilityResult="rejected"),
            answer(202, False),
            answer(400, True),
            answer(202, "true"),
            answer(True, True),
            answer("202", True),
            answer(7, False),
            answer(None),
            error(409, "Conflict"),
            error(412, "PreconditionFailed"),
            (202, '{"value": []}'),
            (202, '{"value": [7]}'),
        ],
    }
    words: ClassVar = {"Delivered": State.DELIVERED, "Failed": State.FAILED}

    def receipt(self, word: str, **changes: Any) -> tuple[dict[str, str], bytes]:
        return posted(event(REPORT, report(word, **changes)))

    def receipt_url(self, word):
        return f"{RECEIPTS_URL}?token={token()}"

    def forgeries(self):
        headers, body = self.receipt("Delivered")
        good = self.receipt_url("Delivered")
        return [
            (headers, body, RECEIPTS_URL),
            (headers, body, f"{RECEIPTS_URL}?token="),
            (headers, body, f"{RECEIPTS_URL}?token=%FF"),
            (headers, body, f"{RECEIPTS_URL}?token={token('another-secret-of-receipts')}"),
            (headers, body, f"{good}&reference=ref-1"),
            (headers, b"", good),
            (headers, b"[]", good),
            (headers, b"{}", good),
            (headers, b"\xff", good),
            (headers, b"[" * 200_000, good),
            (headers, json.dumps(event(REPORT, report("Delivered"))).encode(), good),
            (*self.inbound(), good),
            *(
                (*posted(event(REPORT, report("Delivered")), odd), good)
                for odd in (
                    7,
                    {},
                    event(MESSAGE, report("Delivered")),
                    event(VALIDATION, {"validationCode": CODE}),
                    event(REPORT, "text"),
                    event(REPORT, None),
                    event([REPORT], report("Delivered")),
                    event(REPORT, report("Delivered", messageId=7)),
                    event(REPORT, report("Delivered", deliveryStatus=["Delivered"])),
                    event(REPORT, report("Delivered", deliveryStatus=None)),
                )
            ),
        ]

    def inbound(self) -> tuple[dict[str, str], bytes]:
        return posted(event(MESSAGE, self.message()))

    def message(self, **changes: Any) -> dict[str, Any]:
        return {
            "messageId": "Incoming_20200918002745d29ebbea",
            "from": USER.removeprefix("+"),
            "to": "+18445550123",
            "message": TEXT,
            "receivedTimestamp": "2020-09-18T00:27:45.32Z",
        } | changes

    def inbound_url(self):
        return f"{INBOUND_URL}?token={token()}"

    def inbound_forgeries(self):
        headers, body = self.inbound()
        good = self.inbound_url()
        return [
            (headers, body, INBOUND_URL),
            (headers, body, f"{INBOUND_URL}?token={token('another-secret-of-receipts')}"),
            (headers, b"\xff", good),
            (*self.receipt("Delivered"), good),
            *(
                (*posted(event(MESSAGE, self.message(**{name: 7}))), good)
                for name in ("from", "to", "message")
            ),
            (*posted(event(MESSAGE, self.message(messageId=None))), good),
        ]

    def seen_key(self, path, headers, body):
        recipient = json.loads(body)["smsRecipients"][0]
        assert str(uuid.UUID(recipient["repeatabilityRequestId"])) == recipient["repeatabilityRequestId"]
        return recipient["repeatabilityRequestId"]

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert (path, headers["content-type"]) == ("/sms?api-version=2021-03-07", "application/json")
        sent = json.loads(gateway.bodies[0])
        (recipient,) = sent.pop("smsRecipients")
        assert sent == {
            "from": "+18445550123",
            "message": SMS.body,
            "smsSendOptions": {"enableDeliveryReport": True, "tag": "ref-1"},
        }
        assert set(recipient) == {"to", "repeatabilityRequestId", "repeatabilityFirstSent"}
        assert recipient["to"] == SMS.to

    def test_a_repetition_is_the_same_to_the_byte(self, gateway, monkeypatch):
        provider = self.answers(gateway, *self.accepted)
        dates = iter(f"Tue, 26 Mar 2019 16:06:{second} GMT" for second in range(10, 60))
        monkeypatch.setattr("sms.providers.azure.formatdate", lambda usegmt: next(dates))
        for sms in (SMS, SMS, replace(SMS, key="ref-1.2")):
            provider.send(sms)
        first, again, other = gateway.bodies
        assert first == again != other
        assert len({headers["x-ms-date"] for _, headers, _ in gateway.requests}) == 3

    def test_without_a_key_no_two_are_the_same(self, gateway):
        provider = self.answers(gateway, *self.accepted)
        for _ in range(2):
            provider.send(replace(SMS, key=""))
        first, second = (self.seen_key("", {}, body) for body in gateway.bodies)
        assert first != second

    def test_a_message_as_the_client_of_azure_hands_it_over(self, gateway, monkeypatch):
        self.answers(gateway, *self.accepted).send(SMS)
        client: Any = azure_sms.SmsClient(
            gateway.url, azure_credentials.AzureKeyCredential(ACCESS_KEY), retry_total=0
        )
        (found,) = client.send("+18445550123", SMS.to, SMS.body, enable_delivery_report=True, tag="ref-1")
        assert (found.successful, found.message_id) == (True, self.accepted_id)
        (path, headers, _), (their_path, theirs, _) = gateway.requests
        ours, azures = (json.loads(body) for body in gateway.bodies)
        for sent in (ours, azures):
            recipient = sent["smsRecipients"][0]
            assert len(recipient.pop("repeatabilityRequestId")) == 36
            moment = recipient.pop("repeatabilityFirstSent")
            assert abs(parsedate_to_datetime(moment).timestamp() - time.time()) < 60
            assert moment.endswith(" GMT")
        assert (path, ours) == (their_path, azures)
        assert headers["content-type"] == theirs["content-type"]
        assert names(headers["authorization"]) == names(theirs["authorization"])

    def test_it_is_signed_as_the_client_of_azure_signs(self, gateway, monkeypatch):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        request = azure_rest.HttpRequest("POST", gateway.url + path, content=gateway.bodies[0].decode())
        monkeypatch.setattr(
            "azure.communication.sms._shared.policy.get_current_utc_time", lambda: headers["x-ms-date"]
        )
        request.body = gateway.bodies[0].decode()
        azure_policy.HMACCredentialsPolicy(gateway.url, ACCESS_KEY).on_request(
            azure_pipeline.PipelineRequest(request, azure_pipeline.PipelineContext(None))
        )
        for name in ("x-ms-date", "x-ms-content-sha256", "Authorization"):
            assert headers[name.lower()] == request.headers[name]

    def test_options_of_one_message(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        key = quote(ACCESS_KEY, safe="")
        provider = from_url("main", f"azure://:{key}@?from=Shop&base_url={gateway.url}")
        provider.send(replace(SMS, sender="+18445550199"))
        self.provider(gateway.url).send(replace(SMS, callback_url=""))
        first, second = (json.loads(body) for body in gateway.bodies)
        assert first["from"] == "+18445550199"
        assert [sent["smsSendOptions"]["enableDeliveryReport"] for sent in (first, second)] == [False, False]
        assert (provider.receives, provider.takes_receipts) == (False, False)

    def test_the_word_that_is_kept(self, gateway):
        for given, code in (
            (answer(404), "404"),
            (error(403, "Denied"), "Denied"),
            (error(403, SMS.to), "403"),
        ):
            with pytest.raises(AccountFailure) as caught:
                self.answers(gateway, *given).send(SMS)
            assert caught.value.code == code

    def test_a_number_where_a_status_belongs_is_not_kept(self, gateway):
        with pytest.raises(OutcomeUnknown) as caught:
            self.answers(gateway, *answer(int(SMS.to))).send(SMS)
        assert caught.value.code == "202"

    def test_an_answer_without_an_id(self, gateway):
        with pytest.raises(OutcomeUnknown) as caught:
            self.answers(gateway, *answer(202, True, messageId=None)).send(SMS)
        assert caught.value.code == "no_messageId"

    def test_several_reports_at_once(self, gateway):
        others = [report("Delivered", tag=None), report("Failed", tag=7)]
        reports = [report("Delivered"), *others, report("Failed", tag="ref-2")]
        body = posted(*(event(REPORT, data) for data in reports))
        found = self.provider(gateway.url).parse_receipts(*body, self.receipt_url(""))
        assert [(receipt.reference, receipt.state) for receipt in found] == [
            ("ref-1", State.DELIVERED),
            ("ref-2", State.FAILED),
        ]

    @pytest.mark.parametrize(
        ("word", "details", "code"),
        [
            ("Failed", "4005: blocked", "4005"),
            ("Failed", f"No route to {SMS.to}", ""),
            ("Failed", "12025550123", ""),
            ("Failed", None, ""),
            ("Delivered", "2000: No Error", ""),
        ],
    )
    def test_the_error_of_a_receipt_is_kept(self, gateway, word, details, code):
        headers, body = self.receipt(word, deliveryStatusDetails=details)
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, self.receipt_url(word))
        assert (found.error, found.provider_message_id) == (code, self.accepted_id)

    def test_names_as_azure_once_wrote_them(self, gateway):
        data = {name[0].upper() + name[1:]: value for name, value in report("Delivered").items()}
        body = b"\xef\xbb\xbf" + json.dumps([event(REPORT, data)]).encode()
        (found,) = self.provider(gateway.url).parse_receipts({}, body, self.receipt_url(""))
        assert (found.reference, found.state) == ("ref-1", State.DELIVERED)

    def test_the_sender_that_a_user_answered(self, gateway):
        more = event(MESSAGE, self.message(**{"from": USER, "message": ""}))
        headers, body = posted(event(MESSAGE, self.message()), more)
        first, second = self.provider(gateway.url).parse_inbound(headers, body, self.inbound_url())
        assert (first.id, first.sender) == ("Incoming_20200918002745d29ebbea", "+18445550123")
        assert (first.phone, second.phone, second.text) == (USER, USER, "")

    def validation(self, code: Any = CODE, kind: str = VALIDATION) -> tuple[dict[str, str], bytes]:
        data = {"validationCode": code, "validationUrl": "https://rp-eastus.eventgrid.azure.net/validate"}
        body = json.dumps([event(kind, data)]).encode()
        return {"aeg-event-type": "SubscriptionValidation"}, body

    def test_the_address_is_validated(self, gateway):
        provider = self.provider(gateway.url)
        for url in (self.receipt_url(""), self.inbound_url()):
            found = provider.greet(*self.validation(), url)
            assert found == Reply(json.dumps({"validationResponse": CODE}), "application/json")
        assert gateway.requests == []

    def test_the_end_of_a_subscription_is_heard_and_left(self, gateway):
        headers = {"aeg-event-type": "SubscriptionDeletion"}
        assert self.provider(gateway.url).greet(headers, b"[]", self.receipt_url("")) == Reply()
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).greet(headers, b"[]", RECEIPTS_URL)

    def test_a_report_is_no_greeting(self, gateway):
        provider = self.provider(gateway.url)
        assert provider.greet(*self.receipt("Delivered"), self.receipt_url("")) is None
        assert provider.greet({}, b"", RECEIPTS_URL) is None

    def test_a_stranger_is_not_answered(self, gateway):
        provider = self.provider(gateway.url)
        headers, body = self.validation()
        good = self.receipt_url("")
        for forged in (
            (headers, body, RECEIPTS_URL),
            (headers, body, f"{RECEIPTS_URL}?token={token('another-secret-of-receipts')}"),
            (headers, b"\xff", good),
            (headers, b"[]", good),
            (*self.validation(kind=REPORT), good),
            (*self.validation(code=7), good),
            (*self.validation(code=None), good),
            (*self.validation(code='"}<script>'), good),
            (*self.validation(code="x" * 200), good),
        ):
            with pytest.raises(ReceiptRejected):
                provider.greet(*forged)

    def test_without_a_secret_nothing_is_believed(self, gateway):
        provider = from_url("main", f"azure://:{quote(ACCESS_KEY, safe='')}@a.example?from=Shop")
        for secret in ("", SECRET):
            url = f"{RECEIPTS_URL}?token={token(secret)}"
            for call in (provider.parse_receipts, provider.parse_inbound, provider.greet):
                with pytest.raises(ReceiptRejected):
                    call(*self.validation(), url)

    def test_the_address_to_be_set_at_event_grid(self, gateway):
        provider = self.provider(gateway.url)
        assert isinstance(provider, AzureProvider)
        assert provider.panel_address(RECEIPTS_URL) == self.receipt_url("")

    def test_the_address_of_the_resource(self):
        key = quote(ACCESS_KEY, safe="")
        provider = from_url("main", f"azure://:{key}@my-resource.communication.azure.com?from=Shop")
        assert provider.base_url == "https://my-resource.communication.azure.com"

    @pytest.mark.parametrize(
        ("rest", "words"),
        [
            (":czNjcmV0@a.example", "needs sender"),
            (":czNjcmV0@a.example?from=", "from="),
            (":czNjcmV0@a.example?from=+1500", "%2B"),
            (":czNjcmV0@?from=Shop", "RESOURCE"),
            ("a.example?from=Shop", "needs access_key"),
            (":s3cret@a.example?from=Shop", "base64"),
            (":s3cr%C3%A9t@a.example?from=Shop", "base64"),
            (":czNjcmV0@a.example?from=Shop&receipt_secret=s3cret", "receipt_secret="),
            (":czNjcmV0@a.example:x?from=Shop", "host or port"),
        ],
    )
    def test_options_that_cannot_work(self, rest, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"azure://{rest}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in ("s3cr", "czNjcmV0"))


def names(authorization: str) -> str:
    return authorization.partition("&Signature=")[0]
