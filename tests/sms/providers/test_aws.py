"""AWS End User Messaging: the contract, and its own features. Samples follow the API's model and the guides
of AWS End User Messaging SMS and of SNS; requests are held against boto3's.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from sms.errors import OutcomeUnknown, ProviderError, ReceiptRejected, Unavailable
from sms.message import State
from sms.providers import from_url
from sms.providers.aws import AwsProvider
from sms.providers.base import Reply
from sms.providers.sigv4 import Credentials, signed
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import (
    FUZZED,
    INBOUND_URL,
    SMS,
    TEXT,
    USER,
    FeedbackContract,
    InboundContract,
    ProviderContract,
)
from tests.sms.providers.gateway import read_request, response
from tests.sms.providers.oracles import Oracle

boto3 = Oracle("boto3")
botocore_auth = Oracle("botocore.auth")
botocore_awsrequest = Oracle("botocore.awsrequest")
botocore_config = Oracle("botocore.config")
botocore_credentials = Oracle("botocore.credentials")

ACCESS_KEY, SECRET_KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOPIC, INBOUND_TOPIC = (f"arn:aws:sns:eu-central-1:123456789012:{name}" for name in ("events", "two-way"))
HOST = "sns.eu-central-1.amazonaws.com"
CERTIFICATE_URL = f"https://{HOST}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
RECEIPTS_URL = "https://a.example/v1/receipts/main"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certified(key: Any, name: str = "sns.amazonaws.com", age: timedelta = timedelta()) -> x509.Certificate:
    """A certificate that signs itself, valid for a day to both sides of ``age`` ago."""
    subject, middle = x509.Name([]), datetime.now(UTC) - age
    return (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(middle - timedelta(days=1))
        .not_valid_after(middle + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .sign(key, hashes.SHA256())
    )


CERTIFICATE = certified(KEY)


def sns(
    message: str, version: str = "2", key: Any = KEY, **changes: Any
) -> tuple[dict[str, str], dict[str, Any]]:
    """Headers and fields of what SNS posts. A change to None takes a field away."""
    post: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": f"https://{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:c9135db0",
    }
    post = {name: value for name, value in (post | changes).items() if value is not None}
    if post["Type"] == "Notification":
        names = ["Message", "MessageId", *(["Subject"] if "Subject" in post else []), "Timestamp"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token"]
    text = "".join(f"{name}\n{post[name]}\n" for name in [*names, "TopicArn", "Type"])
    digest: Any = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303
    post["Signature"] = base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), digest)).decode()
    return {
        "x-amz-sns-message-type": post["Type"],
        "x-amz-sns-topic-arn": post["TopicArn"],
        "content-type": "text/plain; charset=UTF-8",
    }, post


def posted(message: str, **changes: Any) -> tuple[dict[str, str], bytes]:
    headers, post = sns(message, **changes)
    return headers, json.dumps(post).encode()


def handshake(type_: str = "SubscriptionConfirmation", **changes: Any) -> tuple[dict[str, str], bytes]:
    url = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
    made = {"Type": type_, "Token": "2336412f37", "SubscribeURL": url, "UnsubscribeURL": None}
    return posted("You have chosen to subscribe to the topic.", **made | changes)


def event(word: str, **changes: Any) -> str:
    fields = {
        "eventType": word,
        "eventVersion": "1.0",
        "eventTimestamp": 1686975103470,
        "isFinal": True,
        "originationPhoneNumber": "+12065550152",
        "destinationPhoneNumber": SMS.to,
        "isoCountryCode": "US",
        "mcc": "310",
        "mnc": "800",
        "messageId": "862a8790-60c0",
        "messageRequestTimestamp": 1686975103170,
        "messageEncoding": "GSM",
        "messageType": "TRANSACTIONAL",
        "messageStatus": word.removeprefix("TEXT_"),
        "messageStatusDescription": f"Message to {SMS.to}",
        "context": {"reference": "ref-1"},
        "totalMessageParts": 1,
        "totalMessagePrice": 0.09582,
        "totalCarrierFee": 0.0,
    }
    return json.dumps(fields | changes)


def error(type_: str, reason: str = "", status: int = 400, **fields: Any) -> tuple[int, str]:
    found = {"__type": f"com.amazonaws.pinpointsmsvoicev2#{type_}", "Message": f"About {SMS.to}"}
    return status, json.dumps(found | ({"Reason": reason} if reason else {}) | fields)


def parts(authorization: str) -> tuple[str, ...]:
    """The algorithm, whose key it is and which headers are signed, without the time and the signature."""
    scheme, credential, names, _ = authorization.replace(",", "").split()
    key, _, *scope = credential.split("/")
    return scheme, key, *scope, names


def signed_by_boto(url: str, headers: Mapping[str, str], body: bytes, token: str | None = None) -> str:
    """The Authorization that botocore makes for a request with these headers, at the time that they name."""
    names = {"content-type", "x-amz-target", "x-amz-date", "x-amz-security-token"}
    sent = {name: value for name, value in headers.items() if name.lower() in names}
    request = botocore_awsrequest.AWSRequest("POST", url, sent, body)
    request.context["timestamp"] = sent[next(name for name in sent if name.lower() == "x-amz-date")]
    auth = botocore_auth.SigV4Auth(
        botocore_credentials.Credentials(ACCESS_KEY, SECRET_KEY, token), "sms-voice", "eu-central-1"
    )
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return str(request.headers["Authorization"])


class TestAws(ProviderContract, InboundContract, FeedbackContract):
    url = (
        f"aws://{ACCESS_KEY}:{quote(SECRET_KEY, safe='')}@?region=eu-central-1&from=%2B15005550006"
        f"&configuration_set=codes&topic={TOPIC}|{INBOUND_TOPIC}&feedback=yes"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = (200, json.dumps({"MessageId": "862a8790-60c0"}))
    accepted_id = "862a8790-60c0"
    refused_number = error("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT")
    refused_credentials = error("UnrecognizedClientException")
    throttled = error("ThrottlingException")
    refusals: ClassVar = {
        "opted_out": [error("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT")],
        "temporary": [
            error("InternalServerException", status=500),
            (400, '{"__type": "ThrottlingException"}'),
            (503, "<ServiceUnavailable/>"),
            # It does not say whose fault it is.
            error("ValidationException", "CANNOT_PARSE"),
            error("ValidationException", "A_NEW_REASON"),
            error("ValidationException", "FIELD_VALIDATION_FAILED"),
            error("ValidationException", "FIELD_VALIDATION_FAILED", Fields=[]),
            error("ValidationException", SMS.to),
            error("SomethingNewException"),
            error(SMS.to),
            (400, "{}"),
        ],
        "refused": [
            error("ConflictException", "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE"),
            error("ValidationException", "FIELD_VALIDATION_FAILED", Fields=[{"Name": "MessageBody"}]),
            error("ValidationException", "A_NEW_REASON", Fields=[{"Name": "DestinationPhoneNumber"}]),
        ],
        "account": [
            error("AccessDeniedException", "ACCOUNT_DISABLED"),
            error("AccessDeniedException", "INSUFFICIENT_ACCOUNT_REPUTATION"),
            error("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
            error("ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND"),
            error("ResourceNotFoundException"),
            error("InvalidSignatureException", status=403),
            error("SomethingNewException", status=403),
            error("SomethingNewException", status=404),
            error("ValidationException", "RESOURCE_NOT_ACCESSIBLE"),
            error(
                "ValidationException", "FIELD_VALIDATION_FAILED", Fields=[{"Name": "ConfigurationSetName"}]
            ),
        ],
        "country": [
            error("ConflictException", "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"),
            error("ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"),
            error("ValidationException", "DESTINATION_COUNTRY_BLOCKED"),
            error("ValidationException", "COUNTRY_NOT_ENABLED"),
            error("ValidationException", "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY"),
            error("ValidationException", "SENDER_ID_REQUIRES_REGISTRATION"),
            error("ValidationException", "PRICE_OVER_THRESHOLD"),
        ],
    }
    words: ClassVar = {
        "TEXT_QUEUED": State.SENT,
        "TEXT_PENDING": State.SENT,
        "TEXT_SENT": State.SENT,
        "TEXT_SUCCESSFUL": State.SENT,
        "TEXT_DELIVERED": State.DELIVERED,
        "TEXT_INVALID": State.FAILED,
        "TEXT_INVALID_MESSAGE": State.FAILED,
        "TEXT_UNREACHABLE": State.FAILED,
        "TEXT_CARRIER_UNREACHABLE": State.FAILED,
        "TEXT_BLOCKED": State.FAILED,
        "TEXT_CARRIER_BLOCKED": State.FAILED,
        "TEXT_PROTECT_BLOCKED": State.FAILED,
        "TEXT_SPAM": State.FAILED,
        "TEXT_TTL_EXPIRED": State.FAILED,
        "TEXT_UNKNOWN": State.UNKNOWN,
        "RCS_READ": State.DELIVERED,
        "RCS_FALLEN_BACK_TO_SMS": State.SENT,
        "RCS_FAILED": State.FAILED,
    }

    def provider(self, base_url, timeout=5.0) -> AwsProvider:
        """One that has fetched the certificate before."""
        found = super().provider(base_url, timeout)
        assert isinstance(found, AwsProvider)
        found._topics._certificates[CERTIFICATE_URL] = CERTIFICATE
        return found

    def receipt(self, word: str, **changes: Any) -> tuple[dict[str, str], bytes]:
        return posted(event(word, **changes))

    def receipt_url(self, word):
        return RECEIPTS_URL

    def forgeries(self):
        headers, post = sns(event("TEXT_DELIVERED"))
        other = "arn:aws:sns:eu-central-1:999999999999:events"
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

        def changed(**fields: Any) -> tuple[dict[str, str], bytes, str]:
            return headers, json.dumps(post | fields).encode(), RECEIPTS_URL

        return [
            ({}, json.dumps(post).encode(), RECEIPTS_URL),
            (headers | {"x-amz-sns-topic-arn": INBOUND_TOPIC}, json.dumps(post).encode(), RECEIPTS_URL),
            changed(Message=event("TEXT_DELIVERED", messageId="another")),
            changed(MessageId="another"),
            changed(Subject="another"),
            changed(Timestamp="2030-01-01T00:00:00.000Z"),
            changed(Timestamp=None),
            changed(Type="SubscriptionConfirmation"),
            changed(Type=["Notification"]),
            changed(SignatureVersion="1"),
            changed(SignatureVersion="3"),
            changed(SignatureVersion=2),
            changed(Signature=""),
            changed(Signature="é"),
            changed(Signature=None),
            changed(Message="\ud800"),
            changed(TopicArn=INBOUND_TOPIC),
            changed(SigningCertURL=None),
            *(
                (*posted(event("TEXT_DELIVERED"), SigningCertURL=url), RECEIPTS_URL)
                for url in (
                    CERTIFICATE_URL.replace("https", "http"),
                    CERTIFICATE_URL.replace("eu-central-1", "us-east-1"),
                    CERTIFICATE_URL.replace("amazonaws.com", "amazonaws.com.cn"),
                    CERTIFICATE_URL.replace("amazonaws.com", "amazonaws.com.attacker.example"),
                    CERTIFICATE_URL.replace("amazonaws.com/", "amazonaws.com@attacker.example/"),
                    CERTIFICATE_URL.replace(HOST, f"attacker.example/{HOST}"),
                    CERTIFICATE_URL.rpartition("/")[2],
                    f"https://{HOST}/?Action=GetObject",
                    f"https://{HOST}/../SimpleNotificationService-1.pem",
                    f"{CERTIFICATE_URL}\n",
                )
            ),
            (*posted(event("TEXT_DELIVERED"), TopicArn=other), RECEIPTS_URL),
            (*posted(event("TEXT_DELIVERED"), key=stranger), RECEIPTS_URL),
            (*posted(event("TEXT_DELIVERED"), Timestamp="2026-01-01T00:00:00.000Z"), RECEIPTS_URL),
            (*posted(event("TEXT_DELIVERED"), Timestamp="soon"), RECEIPTS_URL),
            (*handshake(), RECEIPTS_URL),
            (*handshake(Message=event("TEXT_DELIVERED")), RECEIPTS_URL),
            (*posted("{"), RECEIPTS_URL),
            (*posted("[" * 100_000), RECEIPTS_URL),
            (*posted('{"eventType": ["TEXT_DELIVERED"]}'), RECEIPTS_URL),
            (*self.inbound(), RECEIPTS_URL),
            (headers, b"\xff", RECEIPTS_URL),
            (headers, b"[" * 200_000, RECEIPTS_URL),
            (headers, b'{"Type": "Notification"}', RECEIPTS_URL),
        ]

    def inbound(self) -> tuple[dict[str, str], bytes]:
        message = {
            "originationNumber": USER,
            "destinationNumber": "+12125550101",
            "messageKeyword": "KEYWORD_123456789012",
            "messageBody": TEXT,
            "inboundMessageId": "cae173d2-66b9-564c-8309-21f858e9fb84",
            "previousPublishedMessageId": self.accepted_id,
        }
        return posted(json.dumps(message), TopicArn=INBOUND_TOPIC)

    def feedback(self, converted):
        status = "RECEIVED" if converted else "FAILED"
        return "/", {"MessageId": self.accepted_id, "MessageFeedbackStatus": status}

    def inbound_forgeries(self):
        headers, body = self.inbound()
        return [
            ({}, body, INBOUND_URL),
            (dict.fromkeys(headers, "wrong"), body, INBOUND_URL),
            (headers, body.replace(b"+12025550123", b"+12025550124"), INBOUND_URL),
            (headers, b"\xff", INBOUND_URL),
            (*self.receipt("TEXT_DELIVERED"), INBOUND_URL),
            (*posted('{"originationNumber": 7}'), INBOUND_URL),
            (*handshake(), INBOUND_URL),
        ]

    def test_the_sender_that_a_user_answered(self, gateway):
        (found,) = self.provider(gateway.url).parse_inbound(*self.inbound(), INBOUND_URL)
        assert (found.id, found.sender) == ("cae173d2-66b9-564c-8309-21f858e9fb84", "+12125550101")

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert (path, headers["content-type"]) == ("/", "application/x-amz-json-1.0")
        assert headers["x-amz-target"] == "PinpointSMSVoiceV2.SendTextMessage"
        assert json.loads(gateway.bodies[0]) == {
            "DestinationPhoneNumber": SMS.to,
            "OriginationIdentity": "+15005550006",
            "MessageBody": SMS.body,
            "MessageType": "TRANSACTIONAL",
            "ConfigurationSetName": "codes",
            "TimeToLive": 90,
            "Context": {"reference": "ref-1"},
            "MessageFeedbackEnabled": True,
        }

    @pytest.fixture
    def boto(self, gateway, monkeypatch) -> Any:
        """AWS's own client for the same account, which speaks with the gateway."""
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        gateway.answer = lambda: response(*self.accepted)
        return boto3.client(
            "pinpoint-sms-voice-v2",
            region_name="eu-central-1",
            endpoint_url=gateway.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=botocore_config.Config(retries={"total_max_attempts": 1}),
        )

    def same(self, gateway: Any) -> None:
        """The last two requests say the same, and both are signed as botocore signs them."""
        (path, headers, _), (their_path, theirs, _) = gateway.requests
        ours, boto_body = gateway.bodies
        assert (path, json.loads(ours)) == (their_path, json.loads(boto_body))
        for name in ("x-amz-target", "content-type"):
            assert headers[name] == theirs[name]
        assert parts(headers["authorization"]) == parts(theirs["authorization"])
        assert headers["authorization"] == signed_by_boto(gateway.url, headers, ours)

    def test_a_message_as_boto3_hands_it_over(self, gateway, boto):
        self.provider(gateway.url).send(SMS)
        boto.send_text_message(
            DestinationPhoneNumber=SMS.to,
            OriginationIdentity="+15005550006",
            MessageBody=SMS.body,
            MessageType="TRANSACTIONAL",
            ConfigurationSetName="codes",
            TimeToLive=90,
            Context={"reference": "ref-1"},
            MessageFeedbackEnabled=True,
        )
        self.same(gateway)

    @pytest.mark.parametrize(("converted", "status"), [(True, "RECEIVED"), (False, "FAILED")])
    def test_feedback_as_boto3_gives_it(self, gateway, boto, converted, status):
        provider = self.provider(gateway.url)
        assert provider.takes_feedback
        provider.feed_back("ref-1", self.accepted_id, converted=converted)
        boto.put_message_feedback(MessageId=self.accepted_id, MessageFeedbackStatus=status)
        self.same(gateway)

    def test_reasons_that_aws_knows(self, boto):
        """Each that the table lists is one of the model's; a slip of the pen would never match."""
        model = boto.meta.service_model
        kinds = ("Conflict", "Validation", "AccessDenied", "ServiceQuotaExceeded")
        known = {reason for kind in kinds for reason in model.shape_for(f"{kind}ExceptionReason").enum}
        assert {word for word in AwsProvider.outcomes if word.isupper()} <= known
        assert (
            set(self.words)
            <= set(AwsProvider.states) | {"TEXT_UNKNOWN"}
            <= set(model.shape_for("EventType").enum)
        )

    def test_options_of_one_message(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        provider = from_url("main", f"aws://{ACCESS_KEY}:secret@?region=eu-central-1&base_url={gateway.url}")
        provider.send(replace(SMS, sender="Shop", expires_in=0.0))
        provider.send(SMS)
        first, second = (json.loads(body) for body in gateway.bodies)
        assert first == {
            "DestinationPhoneNumber": SMS.to,
            "OriginationIdentity": "Shop",
            "MessageBody": SMS.body,
            "MessageType": "TRANSACTIONAL",
            "Context": {"reference": "ref-1"},
        }
        assert "OriginationIdentity" not in second
        assert (provider.takes_feedback, provider.receives, provider.takes_receipts) == (False,) * 3

    def test_no_feedback_is_promised_for_a_message_without_a_code(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, code=""))
        assert "MessageFeedbackEnabled" not in json.loads(gateway.bodies[0])

    @pytest.mark.parametrize(("expires_in", "ttl"), [(3.0, 5), (119.9, 119), (1e9, 259_200)])
    def test_the_time_to_live_is_one_that_aws_takes(self, gateway, expires_in, ttl):
        self.answers(gateway, *self.accepted).send(replace(SMS, expires_in=expires_in))
        assert json.loads(gateway.bodies[0])["TimeToLive"] == ttl

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (
                error("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
                "DESTINATION_PHONE_NUMBER_OPTED_OUT",
            ),
            (error("ValidationException", "A_NEW_REASON"), "A_NEW_REASON"),
            (error("ThrottlingException"), "ThrottlingException"),
            (error(f"X{SMS.to}", SMS.to), "400"),
        ],
    )
    def test_the_word_that_is_kept(self, gateway, answer, code):
        with pytest.raises(ProviderError) as caught:
            self.answers(gateway, *answer).send(SMS)
        assert caught.value.code == code

    def test_an_answer_without_an_id(self, gateway):
        with pytest.raises(OutcomeUnknown) as caught:
            self.answers(gateway, 200, "{}").send(SMS)
        assert caught.value.code == "no_MessageId"

    @pytest.mark.parametrize("version", ["1", "2"])
    def test_both_versions_of_signatures(self, gateway, version):
        headers, body = posted(event("TEXT_DELIVERED"), version=version, Subject="An event")
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, RECEIPTS_URL)
        assert (found.reference, found.provider_message_id) == ("ref-1", "862a8790-60c0")

    def test_a_byte_order_mark_and_an_empty_subject(self, gateway):
        headers, post = sns(event("TEXT_DELIVERED"))
        body = b"\xef\xbb\xbf" + json.dumps(post | {"Subject": None}).encode()
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, RECEIPTS_URL)
        assert found.state is State.DELIVERED

    def test_the_error_of_a_receipt_is_kept(self, gateway):
        provider = self.provider(gateway.url)
        for word, code in (("TEXT_CARRIER_BLOCKED", "CARRIER_BLOCKED"), ("TEXT_DELIVERED", "")):
            (found,) = provider.parse_receipts(*self.receipt(word), RECEIPTS_URL)
            assert found.error == code

    def test_a_failure_that_is_not_final_is_none(self, gateway):
        headers, body = self.receipt("TEXT_CARRIER_UNREACHABLE", isFinal=False)
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, RECEIPTS_URL)
        assert (found.state, found.raw) == (State.SENT, "TEXT_CARRIER_UNREACHABLE")

    @pytest.mark.parametrize("context", [{}, {"account": "bar"}, {"reference": 7}, None, ["reference"]])
    def test_events_of_others_are_taken_and_left(self, gateway, context):
        headers, body = self.receipt("TEXT_DELIVERED", context=context)
        assert self.provider(gateway.url).parse_receipts(headers, body, RECEIPTS_URL) == []

    @pytest.mark.parametrize("age", [-299, 3_890])
    def test_a_receipt_that_was_tried_again_for_an_hour(self, gateway, age):
        stamp = (datetime.now(UTC) - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
        headers, body = posted(event("TEXT_DELIVERED"), Timestamp=stamp)
        assert self.provider(gateway.url).parse_receipts(headers, body, RECEIPTS_URL)

    @pytest.mark.parametrize("age", [-310, 3_910])
    def test_an_old_signature_is_refused(self, gateway, age):
        stamp = (datetime.now(UTC) - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
        headers, body = posted(event("TEXT_DELIVERED"), Timestamp=stamp)
        with pytest.raises(ReceiptRejected, match="too old"):
            self.provider(gateway.url).parse_receipts(headers, body, RECEIPTS_URL)

    @pytest.mark.parametrize(
        "certificate", [certified(KEY, age=timedelta(days=2)), certified(KEY, age=-timedelta(days=2))]
    )
    def test_a_certificate_out_of_date(self, gateway, certificate):
        provider = self.provider(gateway.url)
        provider._topics._certificates[CERTIFICATE_URL] = certificate
        with pytest.raises(ReceiptRejected, match="has expired"):
            provider.parse_receipts(*self.receipt("TEXT_DELIVERED"), RECEIPTS_URL)

    def test_a_certificate_of_another_kind(self, gateway):
        provider = self.provider(gateway.url)
        provider._topics._certificates[CERTIFICATE_URL] = certified(ec.generate_private_key(ec.SECP256R1()))
        with pytest.raises(ReceiptRejected):
            provider.parse_receipts(*self.receipt("TEXT_DELIVERED"), RECEIPTS_URL)

    def test_topics_of_china(self, gateway):
        """Their certificates have a host of their own."""
        topic = TOPIC.replace("aws:sns:eu-central-1", "aws-cn:sns:cn-north-1")
        url = CERTIFICATE_URL.replace("eu-central-1.amazonaws.com", "cn-north-1.amazonaws.com.cn")
        provider = from_url(
            "main", f"aws://{ACCESS_KEY}:secret@?region=cn-north-1&configuration_set=a&topic={topic}"
        )
        assert isinstance(provider, AwsProvider)
        provider._topics._certificates[url] = provider._topics._certificates[CERTIFICATE_URL] = CERTIFICATE
        changes = {"TopicArn": topic, "SigningCertURL": url}
        assert provider.parse_receipts(*posted(event("TEXT_DELIVERED"), **changes), RECEIPTS_URL)
        changes["SigningCertURL"] = CERTIFICATE_URL
        with pytest.raises(ReceiptRejected):
            provider.parse_receipts(*posted(event("TEXT_DELIVERED"), **changes), RECEIPTS_URL)

    def test_without_a_topic_nothing_is_believed(self, gateway):
        provider = from_url("main", f"aws://{ACCESS_KEY}:secret@?region=eu-central-1&base_url={gateway.url}")
        for call, words in (
            (provider.parse_receipts, "topic= is not set"),
            (provider.greet, "topic= is not set"),
            (provider.parse_inbound, "hands over no inbound messages"),
        ):
            with pytest.raises(ReceiptRejected, match=words):
                call(*handshake(), RECEIPTS_URL)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ("", "needs region"),
            ("region=frankfurt", "region="),
            ("region=eu-central-1.attacker.example/", "region="),
            ("region=eu-central-1&from=+1500", "%2B"),
            ("region=eu-central-1&session_token=s3cret+x", "session_token="),
            ("region=eu-central-1&session_token=s3cret%0D%0AX:y", "session_token="),
            ("region=eu-central-1&feedback=on", "feedback="),
            (f"region=eu-central-1&topic={TOPIC}", "configuration_set="),
            ("region=eu-central-1&configuration_set=a&topic=events", "topic= takes ARNs"),
            (f"region=eu-central-1&configuration_set=a&topic={TOPIC}.fifo", "topic= takes ARNs"),
            (f"region=eu-central-1&configuration_set=a&topic={TOPIC}|x", "topic= takes ARNs"),
        ],
    )
    def test_options_that_cannot_work(self, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"aws://{ACCESS_KEY}:s3cret@?{options}")
        assert words in str(caught.value)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("user", "words"),
        [
            (f"{ACCESS_KEY}:@", "secret_key"),
            (f"s3cretMDENGbPxRfiCY:{ACCESS_KEY}@", "AKIA"),
            ("ASIAIOSFODNN7EXAMPLE:s3cret@", "session_token="),
        ],
    )
    def test_keys_that_cannot_work(self, user, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"aws://{user}?region=eu-central-1")
        assert words in str(caught.value)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("region", "host"),
        [
            ("eu-central-1", "https://sms-voice.eu-central-1.amazonaws.com"),
            ("us-gov-west-1", "https://sms-voice.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "https://sms-voice.cn-north-1.amazonaws.com.cn"),
        ],
    )
    def test_the_address_is_that_of_boto3(self, region, host):
        assert from_url("main", f"aws://{ACCESS_KEY}:secret@?region={region}").base_url == host
        client = boto3.client(
            "pinpoint-sms-voice-v2",
            region_name=region,
            aws_access_key_id="A",
            aws_secret_access_key="s",
        )
        assert client.meta.endpoint_url == host


class Amazon:
    """Amazon's host of SNS, played on loopback with TLS. ``answers``: by path, status and body."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = serialization.Encoding.PEM
        form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self.trusted = folder / "amazon.pem"
        self.trusted.write_bytes(certified(key, HOST).public_bytes(pem) + key.private_bytes(pem, form, bare))
        self.answers = {CERTIFICATE_URL: (200, CERTIFICATE.public_bytes(pem))}
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.trusted)
        threading.Thread(target=self._serve, daemon=True).start()

    def connect(self, address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        """The resolver for all other hosts."""
        assert address == (HOST, 443)
        return socket.create_connection(self._listener.getsockname())

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as tls:
                    stream = tls.makefile("rb")
                    while request := read_request(stream):
                        url = f"https://{request[1]['host']}{request[0]}"
                        self.asked.append(url)
                        status, body = self.answers.get(url, (403, b"<AccessDenied/>"))
                        tls.sendall(response(status, body))


class TestTheHandshake:
    """SNS asks whether the address wants the topic; its certificate is fetched from Amazon's host."""

    CONFIRM = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"

    @pytest.fixture
    def amazon(self, monkeypatch, tmp_path) -> Iterator[Amazon]:
        with closing(Amazon(tmp_path)) as found:
            monkeypatch.setattr("sms.providers.tls.certifi.where", lambda: str(found.trusted))
            monkeypatch.setattr("sms.providers.transport.create_connection", found.connect)
            found.answers[self.CONFIRM] = 200, b"<ConfirmSubscriptionResponse/>"
            yield found

    @pytest.fixture
    def provider(self) -> AwsProvider:
        found = from_url("main", TestAws.url.format(base_url="https://sms-voice.example", timeout=5))
        assert isinstance(found, AwsProvider)
        return found

    def test_a_subscription_is_confirmed(self, amazon, provider):
        assert provider.greet(*handshake(), RECEIPTS_URL) == Reply()
        assert amazon.asked == [CERTIFICATE_URL, self.CONFIRM]

    def test_the_certificate_is_fetched_once(self, amazon, provider):
        for word in ("TEXT_SENT", "TEXT_DELIVERED"):
            assert provider.parse_receipts(*posted(event(word)), RECEIPTS_URL)
        assert amazon.asked == [CERTIFICATE_URL]

    def test_an_unsubscription_is_heard_and_left(self, amazon, provider):
        assert provider.greet(*handshake("UnsubscribeConfirmation"), RECEIPTS_URL) == Reply()
        assert amazon.asked == [CERTIFICATE_URL]

    def test_a_receipt_is_no_greeting(self, amazon, provider):
        assert provider.greet(*posted(event("TEXT_DELIVERED")), RECEIPTS_URL) is None
        assert provider.greet({}, b"", RECEIPTS_URL) is None
        assert amazon.asked == []

    def test_a_forged_handshake_makes_us_call_nobody(self, amazon, provider):
        headers, body = handshake()
        evil = handshake(SubscribeURL=f"https://attacker.example/{self.CONFIRM}")
        near = handshake(
            SubscribeURL=self.CONFIRM.replace("amazonaws.com/", "amazonaws.com.attacker.example/")
        )
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        for forged in (
            (headers, body.replace(b"2336412f37", b"1111111111")),
            (headers | {"x-amz-sns-topic-arn": INBOUND_TOPIC}, body),
            (headers | {"x-amz-sns-message-type": "UnsubscribeConfirmation"}, body),
            ({"x-amz-sns-message-type": "SubscriptionConfirmation"}, body),
            (headers, posted(event("TEXT_DELIVERED"))[1]),
            (headers, b"\xff"),
            handshake(TopicArn="arn:aws:sns:eu-central-1:999999999999:events"),
            handshake(Timestamp="2026-01-01T00:00:00.000Z"),
            handshake(key=stranger),
            evil,
            near,
        ):
            with pytest.raises(ReceiptRejected):
                provider.greet(*forged, RECEIPTS_URL)
        assert amazon.asked == [CERTIFICATE_URL]

    def test_a_confirmation_that_amazon_does_not_take(self, amazon, provider):
        """It asks again, if we say that it shall."""
        amazon.answers[self.CONFIRM] = 400, b"<ErrorResponse/>"
        with pytest.raises(Unavailable):
            provider.greet(*handshake(), RECEIPTS_URL)

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_while_amazon_is_in_trouble_receipts_come_again(self, amazon, provider, status):
        good, amazon.answers[CERTIFICATE_URL] = amazon.answers[CERTIFICATE_URL], (status, b"")
        with pytest.raises(Unavailable):
            provider.parse_receipts(*posted(event("TEXT_DELIVERED")), RECEIPTS_URL)
        amazon.answers[CERTIFICATE_URL] = good
        with pytest.raises(Unavailable):
            provider.parse_receipts(*posted(event("TEXT_DELIVERED")), RECEIPTS_URL)
        assert amazon.asked == [CERTIFICATE_URL]
        provider._topics._held.clear()
        assert provider.parse_receipts(*posted(event("TEXT_DELIVERED")), RECEIPTS_URL)

    def test_while_amazon_is_away_receipts_come_again(self, amazon, provider, monkeypatch):
        def away(*args: Any, **options: Any) -> None:
            raise ConnectionRefusedError

        monkeypatch.setattr("sms.providers.transport.create_connection", away)
        with pytest.raises(Unavailable):
            provider.parse_receipts(*posted(event("TEXT_DELIVERED")), RECEIPTS_URL)

    def test_while_amazon_is_away_nobody_waits_for_it(self, amazon, provider, monkeypatch):
        """Each try would keep a thread for seconds, whatever certificate is named."""
        tried = []

        def away(*args: Any, **options: Any) -> None:
            tried.append(args)
            raise ConnectionRefusedError

        monkeypatch.setattr("sms.providers.transport.create_connection", away)
        for number in range(9):
            with pytest.raises(Unavailable):
                provider.parse_receipts(*self.signed_by(number), RECEIPTS_URL)
        assert len(tried) == 1

    def test_a_certificate_that_amazon_does_not_know_is_asked_for_once_a_second(self, amazon, provider):
        for meant in ((ReceiptRejected, "no such certificate"), *[(Unavailable, "a moment ago")] * 3):
            with pytest.raises(meant[0], match=meant[1]):
                provider.parse_receipts(*self.signed_by(7), RECEIPTS_URL)
        assert len(amazon.asked) == 1

    @pytest.mark.parametrize("status", [403, 429, 500])
    def test_made_up_certificates_keep_no_genuine_post_out(self, amazon, provider, monkeypatch, status):
        """However many a stranger names, and whatever Amazon thinks of them."""
        monkeypatch.setattr("sms.providers.sns.MOST_HELD", 5)
        for number in range(9):
            headers, body = self.signed_by(number)
            amazon.answers[json.loads(body)["SigningCertURL"]] = status, b""
            with pytest.raises(ReceiptRejected if status == 403 else Unavailable):
                provider.parse_receipts(headers, body, RECEIPTS_URL)
        assert len(provider._topics._held) <= 5
        assert provider.parse_receipts(*posted(event("TEXT_DELIVERED")), RECEIPTS_URL)

    @staticmethod
    def signed_by(number: int) -> tuple[dict[str, str], bytes]:
        """A post that names a certificate which there is not."""
        url = CERTIFICATE_URL.replace("0123456789", f"{number}" * 10)
        return posted(event("TEXT_DELIVERED"), SigningCertURL=url)

    def test_what_is_no_certificate(self, amazon, provider):
        amazon.answers[CERTIFICATE_URL] = 200, b"<html>"
        with pytest.raises(ReceiptRejected):
            provider.parse_receipts(*posted(event("TEXT_DELIVERED")), RECEIPTS_URL)


class TestSigV4:
    """Our lines and botocore's sign whatever there is alike."""

    plain = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)

    def test_whatever_is_signed(self, monkeypatch):
        @FUZZED
        @given(
            body=st.text(st.characters(codec="utf-8"), max_size=100),
            target=st.lists(self.plain, min_size=1, max_size=3).map("  ".join),
            token=st.one_of(st.just(""), self.plain),
            url=st.sampled_from(
                [
                    "https://sms-voice.eu-central-1.amazonaws.com/",
                    "http://127.0.0.1:8080/aws/v1/",
                    "https://Proxy.example:443/a-b_c.d~e/",
                ]
            ),
            moment=st.integers(1_700_000_000, 4_000_000_000),
        )
        def compare(body, target, token, url, moment):
            monkeypatch.setattr("sms.providers.sigv4.time.time", lambda: moment)
            headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}
            keys = Credentials(ACCESS_KEY, SECRET_KEY, token)
            found = signed(url, body, headers, keys, region="eu-central-1", service="sms-voice")
            assert found.get("X-Amz-Security-Token", "") == token
            assert found["Authorization"] == signed_by_boto(url, found, body.encode(), token or None)

        compare()
