"""BulkSMS: the contract, and its own features. Samples follow bulksms.com/developer/json/v1."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from sms.errors import PermanentFailure, ReceiptRejected, TemporaryFailure
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import (
    INBOUND_URL,
    SMS,
    TEXT,
    USER,
    InboundContract,
    ProviderContract,
    meaning_of,
)

TOKEN, SECRET = "s3cret-of-the-token", "secret-of-the-receipts"
OWN_ID = "1201231231231231231"
ADDRESS = "https://a.example/v1/receipts/main"


def token(reference: str = "", secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"receipt:{reference}".encode(), hashlib.sha256).hexdigest()


def message(word: str, subtype: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "id": OWN_ID,
        "type": "SENT",
        "from": "Shop",
        "to": SMS.to.removeprefix("+"),
        "body": SMS.body,
        "encoding": "TEXT",
        "protocolId": 0,
        "messageClass": 2,
        "numberOfParts": None,
        "creditCost": None,
        "submission": {"id": "2-00000000000522347562", "date": "2026-11-09T16:00:00Z"},
        "status": {"id": f"{word}.{subtype or 'null'}", "type": word, "subtype": subtype},
        "relatedSentMessageId": None,
    } | changes


def answer(word: str, subtype: str | None = None, **changes: Any) -> tuple[int, str]:
    return 201, json.dumps([message(word, subtype, **changes)])


def error(status: int, word: str) -> tuple[int, str]:
    problem = {
        "type": f"https://developer.bulksms.com/json/v1/errors#{word}",
        "title": f"The number {SMS.to} is not valid",
        "status": status,
        "detail": f"{SMS.to} {SMS.body}",
    }
    return status, json.dumps(problem)


class TestBulkSms(ProviderContract, InboundContract):
    url = f"bulksms://token-1:{TOKEN}@?from=Shop&receipt_secret={SECRET}&base_url={{base_url}}&timeout={{timeout}}"
    accepted = answer("ACCEPTED")
    accepted_id = OWN_ID
    refused_number = error(400, "bad-request")
    refused_credentials = error(401, "authentication-failed")
    throttled = (429, "")
    refusals: ClassVar = {
        "refused": [answer("FAILED", "HANDSET_ERROR")],
        "opted_out": [answer("FAILED", "BLOCKED")],
        "account": [
            error(403, "insufficient-credits"),
            error(400, "insufficient-credits"),
            error(403, "forbidden"),
            error(404, "not-found"),
        ],
        "temporary": [
            answer("FAILED", "EXPIRED"),
            answer("FAILED", "NOT_SENT"),
            error(503, "insufficient-credits"),
            (500, ""),
        ],
        "unknown": [
            answer("UNKNOWN"),
            answer("FAILED", "TELEPORTED"),
            answer("ACCEPTED", status=None),
            answer("ACCEPTED", id=None),
            (201, "[[]]"),
            (201, '[{"status": {"type": ["ACCEPTED"]}}]'),
        ],
    }
    words: ClassVar = {
        "ACCEPTED": State.SENT,
        "SCHEDULED": State.SENT,
        "SENT": State.SENT,
        "DELIVERED": State.DELIVERED,
        "FAILED": State.FAILED,
        "UNKNOWN": State.UNKNOWN,
    }

    def receipt(self, word, **changes):
        return {}, json.dumps([message(word, **changes)]).encode()

    def receipt_url(self, word):
        return f"{ADDRESS}?token={token()}"

    def forgeries(self):
        _, body = self.receipt("DELIVERED")
        good = self.receipt_url("")
        addresses = [
            ADDRESS,
            f"{ADDRESS}?token=",
            f"{ADDRESS}?token=%FF",
            f"{ADDRESS}?token={token(secret='another-secret-of-receipts')}",
            f"{good}&reference=ref-1",
        ]
        bodies = [b"", b"\xff", b"{}", b"null", b"[" * 200_000, body + b"&x=1", b"[null]", b"[7]"]
        return [({}, body, forged) for forged in addresses] + [({}, odd, good) for odd in bodies]

    def inbound(self, **changes: Any):
        received = message("x", type="RECEIVED", body=TEXT, to="447860099299", userSuppliedId=None)
        received |= {"from": USER.removeprefix("+"), "status": {"id": "x", "type": "x"}}
        return {}, json.dumps([received | changes]).encode()

    def inbound_url(self):
        return f"{INBOUND_URL}?token={token()}"

    def seen_key(self, path, headers, body):
        (id,) = parse_qs(urlsplit(path).query)["deduplication-id"]
        assert 0 <= int(id) < 2**31
        return id

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        digest = hashlib.sha256(b"ref-1.1")
        id = int.from_bytes(digest.digest()[:4], "big") % 2**31
        assert path == f"/v1/messages?auto-unicode=true&deduplication-id={id}"
        assert headers["content-type"] == "application/json"
        assert headers["authorization"] == "Basic " + base64.b64encode(f"token-1:{TOKEN}".encode()).decode()
        assert json.loads(gateway.bodies[0]) == [
            {
                "to": SMS.to,
                "body": SMS.body,
                "from": "Shop",
                "longMessageMaxParts": 99,
                "userSuppliedId": digest.hexdigest()[:20],
            }
        ]

    def test_options_of_one_message(self, gateway):
        self.answers(gateway, *self.accepted)
        provider = from_url("main", f"bulksms://token-1:{TOKEN}@?base_url={gateway.url}")
        for sender in ("", "+15005550006"):
            provider.send(replace(SMS, sender=sender, key=""))
        first, second = (json.loads(body)[0] for body in gateway.bodies)
        # Without a key there is no id: one that all share would be a repetition each time.
        assert first == {"to": SMS.to, "body": SMS.body, "longMessageMaxParts": 99}
        assert second == first | {"from": "+15005550006"}
        assert {path for path, _, _ in gateway.requests} == {"/v1/messages?auto-unicode=true"}

    def test_a_deduplication_id_that_another_message_has(self, gateway):
        """BulkSMS answers with the message that it has, and sends none."""
        ours = hashlib.sha256(b"ref-1.1").hexdigest()[:20]
        with pytest.raises(TemporaryFailure) as caught:
            self.answers(gateway, *answer("SENT", userSuppliedId="x" * 20, to="447700900000")).send(SMS)
        assert caught.value.code == "deduplication-id"
        for changes in (
            {"userSuppliedId": ours, "to": "447700900000"},
            {"userSuppliedId": "x" * 20, "to": SMS.to},
            {"userSuppliedId": None, "to": "447700900000"},
            {"userSuppliedId": "x" * 20, "to": None},
        ):
            assert self.answers(gateway, *answer("SENT", **changes)).send(SMS) == OWN_ID

    @pytest.mark.parametrize("id", [OWN_ID, int(OWN_ID)])
    def test_an_id_is_kept_to_the_last_digit(self, gateway, id):
        assert self.answers(gateway, *answer("ACCEPTED", id=id)).send(SMS) == OWN_ID
        headers, body = self.receipt("DELIVERED", id=id)
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, self.receipt_url(""))
        assert found.provider_message_id == OWN_ID

    @pytest.mark.parametrize(
        ("given", "options", "meaning"),
        [
            (error(400, "bad-request"), "", "refused"),
            (error(400, "bad-request"), "&account=bad-request", "account"),
            (error(400, "bad-request"), "&temporary=x+bad-request", "temporary"),
            (answer("FAILED", "NOT_SENT"), "&refused=FAILED.NOT_SENT", "refused"),
            (error(403, "insufficient-credits"), "&temporary=insufficient-credits", "temporary"),
        ],
    )
    def test_the_table_can_be_overridden(self, gateway, given, options, meaning):
        provider = from_url("main", f"bulksms://token-1:{TOKEN}@?base_url={gateway.url}{options}")
        self.answers(gateway, *given)
        with pytest.raises((PermanentFailure, TemporaryFailure)) as caught:
            provider.send(SMS)
        assert meaning_of(caught.value) == meaning

    @pytest.mark.parametrize("type_", [SMS.to, f"https://x/#{SMS.to}", "https://x/# a", "https://x/#", 7])
    def test_an_error_keeps_neither_number_nor_text(self, gateway, type_):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, 400, json.dumps({"type": type_, "detail": SMS.to})).send(SMS)
        assert (str(caught.value), caught.value.code) == ("BulkSMS refuses it", "400")

    def test_the_word_of_a_refusal_is_kept(self, gateway):
        for given, word in (
            (answer("FAILED", "BLOCKED"), "FAILED.BLOCKED"),
            (error(403, "insufficient-credits"), "insufficient-credits"),
        ):
            with pytest.raises(PermanentFailure) as caught:
                self.answers(gateway, *given).send(SMS)
            assert caught.value.code == word

    def test_an_empty_list_tries_the_address(self, gateway):
        """BulkSMS keeps a webhook only if this is answered by a 2xx."""
        provider = self.provider(gateway.url)
        assert provider.parse_receipts({}, b"[]", self.receipt_url("")) == []
        assert provider.parse_inbound({}, b"[]", self.inbound_url()) == []

    def test_the_address_for_the_console(self, gateway):
        provider = self.provider(gateway.url)
        assert provider.set_in_console
        assert provider.panel_address(ADDRESS) == self.receipt_url("")

    def test_a_batch_is_taken_whole_or_refused_whole(self, gateway):
        provider = self.provider(gateway.url)
        good = message("SENT")
        both = provider.parse_receipts({}, json.dumps([good, good]).encode(), self.receipt_url(""))
        assert [found.state for found in both] == [State.SENT, State.SENT]
        for odd in (message("SENT", id=None), message("SENT", status=None), {}, None, message("")):
            with pytest.raises(ReceiptRejected):
                provider.parse_receipts({}, json.dumps([good, odd]).encode(), self.receipt_url(""))

    def test_a_webhook_with_the_address_of_the_other_is_told(self, gateway):
        provider = self.provider(gateway.url)
        (_, received), (_, report) = self.inbound(), self.receipt("DELIVERED")
        with pytest.raises(ReceiptRejected, match="URL of another"):
            provider.parse_receipts({}, received, self.receipt_url(""))
        with pytest.raises(ReceiptRejected, match="URL of another"):
            provider.parse_inbound({}, report, self.inbound_url())

    def test_the_error_of_a_receipt_is_kept(self, gateway):
        headers, body = self.receipt("FAILED", subtype="BLOCKED")
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, self.receipt_url(""))
        assert (found.raw, found.error, found.opted_out) == ("FAILED", "BLOCKED", SMS.to)

    def test_a_bom_and_half_a_surrogate_pair(self, gateway):
        headers, body = self.receipt("DELIVERED", id="\ud83d")
        body = b"\xef\xbb\xbf" + body
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, self.receipt_url(""))
        assert found.state is State.DELIVERED

    @pytest.mark.parametrize(("user", "phone"), [(USER, USER), (int(USER), USER), ("Shop", "Shop")])
    def test_the_sender_of_an_inbound_message(self, gateway, user, phone):
        headers, body = self.inbound(**{"from": user})
        (found,) = self.provider(gateway.url).parse_inbound(headers, body, self.inbound_url())
        assert (found.phone, found.sender) == (phone, "447860099299")

    @pytest.mark.parametrize("changes", [{"from": None}, {"id": None}])
    def test_an_inbound_message_without_its_parts_is_refused(self, gateway, changes):
        headers, body = self.inbound(**changes)
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_inbound(headers, body, self.inbound_url())

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("bulksms://:s3cret@?from=Shop", "needs token_id"),
            ("bulksms://token-1@?from=Shop", "needs token_secret"),
            ("bulksms://token-1:s3cret@?from=+1500", "%2B"),
            ("bulksms://token-1:s3cret@?receipt_secret=s3cret", "receipt_secret="),
            ("bulksms://token-1:s3cret@?temporary=a&account=a", "list the same word"),
        ],
    )
    def test_options_that_cannot_work(self, url, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", url)
        assert words in str(caught.value)
        assert "s3cret" not in str(caught.value)
