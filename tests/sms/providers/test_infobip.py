"""Infobip: the contract, and its own features. Samples follow infobip.com/docs/api/channels/sms."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from sms.errors import OutcomeUnknown, PermanentFailure, ProviderError, ReceiptRejected
from sms.message import State
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
from tests.sms.providers.oracles import Oracle

sdk = Oracle("infobip_api_client")

KEY, SECRET = "key-of-the-account", "secret-of-the-receipts"

#: The group of each status, and its number.
GROUPS = {"PENDING": 1, "UNDELIVERABLE": 2, "DELIVERED": 3, "EXPIRED": 4, "REJECTED": 5}


def token(reference: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"receipt:{reference}".encode(), hashlib.sha256).hexdigest()


def status(name: str) -> dict[str, Any]:
    group = next((group for group in GROUPS if name.startswith(group)), "REJECTED")
    text = f"{SMS.to} {SMS.body}"
    return {"groupId": GROUPS[group], "groupName": group, "id": 7, "name": name, "description": text}


def answer(name: str, **changes: Any) -> tuple[int, str]:
    message = {
        "messageId": "ref-1.1",
        "status": status(name),
        "destination": SMS.to.removeprefix("+"),
        "details": {"messageCount": 1},
    }
    return 200, json.dumps({"bulkId": "2034072219640523072", "messages": [message | changes]})


def error(code: int, word: str, *properties: str) -> tuple[int, str]:
    violations = [{"property": name, "violation": SMS.to} for name in properties]
    text = f"{SMS.to} {SMS.body}"
    problem = {"errorCode": word, "description": text, "action": text, "violations": violations}
    return code, json.dumps(problem | {"resources": []})


def exception(code: int, word: str) -> tuple[int, str]:
    """The answers of their older services."""
    return code, json.dumps({"requestError": {"serviceException": {"messageId": word, "text": SMS.to}}})


class TestInfobip(ProviderContract, InboundContract):
    url = (
        f"infobip://:{KEY}@abc123.api.infobip.com?from=Shop&receipt_secret={SECRET}&feedback=yes"
        "&base_url={base_url}&timeout={timeout}"
    )
    accepted = answer("PENDING_ACCEPTED")
    accepted_id = "ref-1.1"
    refused_number = answer("REJECTED_DESTINATION")
    refused_credentials = error(401, "E401")
    throttled = error(429, "E429")
    refusals: ClassVar = {
        "refused": [
            answer("REJECTED_PREFIX_MISSING"),
            answer("REJECTED_DND"),
            answer("REJECTED_DESTINATION_BLOCKLISTED"),
            answer("REJECTED_MESSAGE_TOO_LONG"),
            error(400, "E400", "messages[0].destinations[0].to"),
        ],
        "account": [
            answer("REJECTED_SOURCE"),
            answer("REJECTED_SENDER"),
            answer("REJECTED_NOT_ENOUGH_CREDITS"),
            answer("REJECTED_PREPAID_PACKAGE_EXPIRED"),
            error(400, "E400", "messages[0].sender"),
            error(403, "E403"),
            exception(401, "UNAUTHORIZED"),
            (404, ""),
        ],
        "country": [
            answer("REJECTED_ROUTE_NOT_AVAILABLE"),
            answer("REJECTED_DESTINATION_NOT_REGISTERED"),
        ],
        "temporary": [
            answer("REJECTED_FLOODING_FILTER"),
            answer("REJECTED_SYSTEM_ERROR"),
            answer("REJECTED_NETWORK"),
            answer("UNDELIVERABLE_REJECTED_PLATFORM"),
            answer("UNDELIVERABLE_NOT_SENT"),
            error(500, "E500"),
        ],
        "unknown": [
            answer("EXPIRED_DLR_UNKNOWN"),
            answer("PENDING_ACCEPTED", status={}),
            answer("PENDING_ACCEPTED", status={"groupName": ["PENDING"]}),
            answer("PENDING_ACCEPTED", messageId=None),
        ],
    }
    words: ClassVar = {
        "PENDING_ENROUTE": State.SENT,
        "DELIVERED_TO_OPERATOR": State.SENT,
        "DELIVERED_TO_HANDSET": State.DELIVERED,
        "UNDELIVERABLE_NOT_DELIVERED": State.FAILED,
        "EXPIRED_EXPIRED": State.FAILED,
        "EXPIRED_DLR_UNKNOWN": State.UNKNOWN,
        "REJECTED_OPERATOR": State.FAILED,
    }

    def result(self, word: str, **changes: Any) -> dict[str, Any]:
        state = status(word) | ({} if word in self.words else {"groupName": "TELEPORTED", "groupId": 9})
        no_error = {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False}
        return {
            "bulkId": "2034072219640523072",
            "messageId": "ref-1.1",
            "to": SMS.to.removeprefix("+"),
            "sentAt": "2026-11-09T16:00:00.000+0000",
            "doneAt": "2026-11-09T16:00:02.000+0000",
            "messageCount": 1,
            "callbackData": "ref-1",
            "price": {"pricePerMessage": 0.01, "currency": "EUR"},
            "status": state,
            "error": no_error,
        } | changes

    def receipt(self, word, **changes):
        return {}, json.dumps({"results": [self.result(word, **changes)]}).encode()

    def receipt_url(self, word):
        return f"{URL}&token={token('ref-1')}"

    def forgeries(self):
        _, body = self.receipt("DELIVERED_TO_HANDSET")
        good = self.receipt_url("DELIVERED_TO_HANDSET")
        addresses = [
            URL,
            f"{URL}&token=",
            f"{URL}&token=%FF",
            f"{URL}&token={token('ref-1', 'another-secret-of-receipts')}",
            good.replace("reference=ref-1", "reference=ref-2"),
            good + "&reference=ref-2",
            # The token of the URL for users' messages is good for no receipt.
            f"https://a.example/v1/receipts/main?token={token('')}",
        ]
        bodies = [b"", b"\xff", b"[]", b"{}", b"[" * 200_000, body + b"&x=1", b'{"results": []}']
        return [({}, body, forged) for forged in addresses] + [({}, odd, good) for odd in bodies]

    def inbound(self, **changes: Any):
        result = {
            "messageId": "817790313235066447",
            "from": USER.removeprefix("+"),
            "to": "447860099299",
            "text": TEXT,
            "cleanText": TEXT,
            "keyword": "",
            "receivedAt": "2026-11-09T16:00:00.000+0000",
            "smsCount": 1,
        }
        content = {"results": [result | changes], "messageCount": 1, "pendingMessageCount": 0}
        return {}, json.dumps(content).encode()

    def inbound_url(self):
        return f"{INBOUND_URL}?token={token('')}"

    def seen_key(self, path, headers, body):
        return json.loads(body)["messages"][0]["destinations"][0]["messageId"]

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert (path, headers["content-type"]) == ("/sms/3/messages", "application/json")
        assert headers["authorization"] == f"App {KEY}"
        assert json.loads(gateway.bodies[0]) == {
            "messages": [
                {
                    "sender": "Shop",
                    "destinations": [{"to": "12025550123", "messageId": "ref-1.1"}],
                    "content": {"text": SMS.body},
                    "options": {"validityPeriod": {"amount": 90, "timeUnit": "SECONDS"}},
                    "webhooks": {
                        "delivery": {"url": f"{URL}&token={token('ref-1')}"},
                        "contentType": "application/json",
                        "callbackData": "ref-1",
                    },
                }
            ],
            "options": {"conversionTracking": {"useConversionTracking": True}},
        }

    def test_the_request_is_what_their_sdk_sends(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        message = sdk.SmsMessage(
            sender="Shop",
            destinations=[sdk.SmsDestination(to="12025550123", messageId="ref-1.1")],
            content=sdk.SmsMessageContent(sdk.SmsTextContent(text=SMS.body)),
            options=sdk.SmsMessageOptions(
                validityPeriod=sdk.ValidityPeriod(amount=90, timeUnit=sdk.ValidityPeriodTimeUnit.SECONDS)
            ),
            webhooks=sdk.SmsWebhooks(
                delivery=sdk.SmsMessageDeliveryReporting(url=f"{URL}&token={token('ref-1')}"),
                contentType="application/json",
                callbackData="ref-1",
            ),
        )
        options = sdk.SmsMessageRequestOptions(
            includeSmsCountInResponse=None, conversionTracking=sdk.SmsTracking(useConversionTracking=True)
        )
        api = sdk.SmsApi(sdk.ApiClient(sdk.Configuration(host=gateway.url, api_key=KEY)))
        found = api.send_sms_messages(sdk.SmsRequest(messages=[message], options=options))
        assert found.messages[0].message_id == self.accepted_id
        ours, theirs = gateway.requests
        assert ours[0] == theirs[0]
        assert json.loads(gateway.bodies[0]) == json.loads(gateway.bodies[1])
        for name in ("authorization", "content-type", "accept"):
            assert ours[1][name] == theirs[1][name]

    def test_their_sdk_reads_our_samples(self):
        answer = sdk.SmsResponse.from_json(self.accepted[1])
        _, body = self.receipt("DELIVERED_TO_HANDSET")
        reports = sdk.SmsDeliveryResult.from_json(body.decode())
        _, body = self.inbound()
        inbound = sdk.SmsInboundMessageResult.from_json(body.decode())
        assert answer
        assert answer.messages[0].status.name == "PENDING_ACCEPTED"
        assert reports
        assert [report.status.group_name for report in reports.results or ()] == ["DELIVERED"]
        assert inbound
        assert [(each.var_from, each.text) for each in inbound.results or ()] == [(USER[1:], TEXT)]

    def test_a_repetition_that_is_refused_was_accepted_before(self, gateway):
        for changes in ({}, {"messageId": None}):
            provider = self.answers(gateway, *answer("REJECTED_DUPLICATE_MESSAGE_ID", **changes))
            assert provider.send(SMS) == "ref-1.1"

    def test_without_a_key_infobip_makes_the_id(self, gateway):
        """One that all share would be a repetition each time."""
        self.answers(gateway, *self.accepted).send(replace(SMS, key=""))
        assert json.loads(gateway.bodies[0])["messages"][0]["destinations"] == [{"to": "12025550123"}]

    def test_options_of_one_message(self, gateway):
        self.answers(gateway, *self.accepted)
        provider = from_url("main", f"infobip://:{KEY}@x?from=%2B15005550006&base_url={gateway.url}")
        provider.send(replace(SMS, expires_in=0.0))
        provider.send(replace(SMS, sender="Otpost", code=""))
        first, second = (json.loads(body) for body in gateway.bodies)
        assert first["messages"][0]["sender"] == "15005550006"
        assert second["messages"][0]["sender"] == "Otpost"
        assert set(first) == set(second) == {"messages"}
        # Without a secret no receipts are asked for.
        assert set(first["messages"][0]) == {"sender", "destinations", "content"}

    @pytest.mark.parametrize(("expires_in", "seconds"), [(0.3, 1), (119.9, 119), (1e9, 172_800)])
    def test_the_validity_is_in_seconds(self, gateway, expires_in, seconds):
        self.answers(gateway, *self.accepted).send(replace(SMS, expires_in=expires_in))
        options = json.loads(gateway.bodies[0])["messages"][0]["options"]
        assert options == {"validityPeriod": {"amount": seconds, "timeUnit": "SECONDS"}}

    def test_feedback_tells_of_codes_that_were_typed(self, gateway):
        provider = self.answers(gateway, 200, '{"processKey": "1"}')
        assert provider.takes_feedback
        provider.feed_back("ref-1", "ref-1.1", converted=False)
        assert gateway.requests == []
        provider.feed_back("ref-1", "a/../b?c", converted=True)
        ((path, headers, _),) = gateway.requests
        assert (path, gateway.bodies) == ("/ct/1/log/end/a%2F..%2Fb%3Fc", [b""])
        assert headers["authorization"] == f"App {KEY}"
        with pytest.raises(ProviderError):
            self.answers(gateway, 500, "").feed_back("ref-1", "ref-1.1", converted=True)

    def test_only_codes_are_told_of(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, code=""))
        assert set(json.loads(gateway.bodies[0])) == {"messages"}

    def test_feedback_is_asked_for(self, gateway):
        assert not from_url("main", f"infobip://:{KEY}@x.api.infobip.com?from=Shop").takes_feedback

    @pytest.mark.parametrize("name", [SMS.to, "", "Text of theirs", 12025550123, ["REJECTED_DND"]])
    def test_an_error_keeps_neither_number_nor_text(self, gateway, name):
        refused = {"groupName": "REJECTED", "name": name}
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *answer("", status=refused)).send(SMS)
        assert (str(caught.value), caught.value.code) == ("Infobip refuses it", "200")

    def test_an_answer_about_nothing_is_an_unknown_outcome(self, gateway):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, 200, '{"messages": []}').send(SMS)

    def test_a_batch_is_taken_whole_or_refused_whole(self, gateway):
        provider = self.provider(gateway.url)
        good, foreign = self.result("PENDING_ENROUTE"), self.result("PENDING_ENROUTE", callbackData="ref-2")
        url = self.receipt_url("")
        both = provider.parse_receipts({}, json.dumps({"results": [good, good]}).encode(), url)
        assert [found.state for found in both] == [State.SENT, State.SENT]
        nonsense: list[Any] = [{}, None, []]
        for odd in (foreign, self.result("PENDING_ENROUTE", status=None), *nonsense):
            with pytest.raises(ReceiptRejected):
                provider.parse_receipts({}, json.dumps({"results": [good, odd]}).encode(), url)

    def test_the_error_of_a_receipt_is_kept(self, gateway):
        provider = self.provider(gateway.url)
        no_subscriber = {"groupId": 1, "id": 27, "name": "EC_ABSENT_SUBSCRIBER", "permanent": False}
        for error_, kept in ((no_subscriber, "EC_ABSENT_SUBSCRIBER"), (None, "")):
            headers, body = self.receipt("REJECTED_OPERATOR", error=error_)
            (found,) = provider.parse_receipts(headers, body, self.receipt_url(""))
            assert (found.error, found.provider_message_id) == (kept, "ref-1.1")

    def test_a_bom_and_half_a_surrogate_pair(self, gateway):
        provider = self.provider(gateway.url)
        headers, body = self.receipt("DELIVERED_TO_HANDSET", messageId="\ud83d")
        (found,) = provider.parse_receipts(headers, b"\xef\xbb\xbf" + body, self.receipt_url(""))
        assert found.state is State.DELIVERED

    def test_the_sender_of_an_inbound_message(self, gateway):
        provider = self.provider(gateway.url)
        for user, phone in ((USER, USER), (12025550123, USER), ("Shop", "Shop")):
            headers, body = self.inbound(**{"from": user})
            (found,) = provider.parse_inbound(headers, body, self.inbound_url())
            assert (found.phone, found.sender) == (phone, "447860099299")

    @pytest.mark.parametrize("changes", [{"text": None}, {"from": None}, {"messageId": ""}])
    def test_an_inbound_message_without_its_parts_is_refused(self, gateway, changes):
        headers, body = self.inbound(**changes)
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_inbound(headers, body, self.inbound_url())

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("infobip://:s3cret@x.api.infobip.com", "from="),
            ("infobip://:s3cret@x.api.infobip.com?from=+1500", "%2B"),
            ("infobip://:s3cret@?from=Shop", "needs host"),
            ("infobip://:s3cret@x?from=Shop", "abc123.api.infobip.com"),
            ("infobip://x.api.infobip.com?from=Shop", "needs api_key"),
            ("infobip://:s3cret@x.api.infobip.com?from=Shop&feedback=s3cret", "feedback= takes only yes"),
            ("infobip://:s3cret@x.api.infobip.com?from=Shop&receipt_secret=s3cret", "receipt_secret="),
        ],
    )
    def test_options_that_cannot_work(self, url, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", url)
        assert words in str(caught.value)
        assert "s3cret" not in str(caught.value)
