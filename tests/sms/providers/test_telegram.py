"""Telegram Gateway: the contract, and its own features. Samples follow core.telegram.org/gateway/api."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from sms.errors import (
    AccountFailure,
    OutcomeUnknown,
    PermanentFailure,
    ReceiptRejected,
    TemporaryFailure,
    Unreachable,
)
from sms.message import Channel, State
from sms.providers import from_url
from sms.providers.telegram import TelegramProvider
from sms.providers.url import BadProviderURL
from tests.sms.providers import gateway as servers
from tests.sms.providers.contract import SMS, URL, ProviderContract
from tests.sms.providers.gateway import break_tls, certify, one_connection, response
from tests.sms.providers.oracles import Oracle

sdk = Oracle("tgateway.exceptions")
sdk_integrity = Oracle("tgateway.integrity")
sdk_methods = Oracle("tgateway.methods")

TOKEN = "AAF-of-the-account_0123456789"
CHECKED, SENT = "f5c9a1-checked", "f5c9a1-sent"
CHECK, SEND, REVOKE = "/checkSendAbility", "/sendVerificationMessage", "/revokeVerificationMessage"


def status(id: str, **more: Any) -> str:
    result = {"request_id": id, "phone_number": SMS.to, "request_cost": 0.01} | more
    return json.dumps({"ok": True, "result": result})


def refusal(word: str, http: int = 200) -> tuple[int, str]:
    return http, json.dumps({"ok": False, "error": word})


def signed(body: bytes, moment: float, token: str = TOKEN) -> dict[str, str]:
    key = hashlib.sha256(token.encode()).digest()
    signature = hmac.new(key, f"{moment:.0f}\n".encode() + body, "sha256").hexdigest()
    return {"x-request-timestamp": f"{moment:.0f}", "x-request-signature": signature}


def report(word: str, **changes: Any) -> bytes:
    told = {"request_id": SENT, "phone_number": SMS.to, "request_cost": 0.01, "payload": "ref-1"}
    told |= {"delivery_status": {"status": word, "updated_at": 1_760_000_000}}
    return json.dumps(told | changes).encode()


class TestTelegram(ProviderContract):
    """The message itself; the number has been checked. The check is below."""

    url = f"telegram://:{TOKEN}@?base_url={{base_url}}&timeout={{timeout}}"
    accepted = (200, status(SENT, delivery_status={"status": "sent", "updated_at": 1_760_000_000}))
    accepted_id = SENT
    refused_number = refusal("PHONE_NUMBER_NOT_FOUND")
    refused_credentials = refusal("ACCESS_TOKEN_INVALID", 401)
    throttled = (429, "")
    refusals: ClassVar = {
        "unreachable": [
            refusal("PHONE_NUMBER_INVALID"),
            refusal("PHONE_NUMBER_NOT_AVAILABLE", 400),
            refusal("CODE_INVALID"),
            refusal("A_WORD_OF_TOMORROW"),
            refusal("A_WORD_OF_TOMORROW", 400),
            refusal("A_WORD_OF_TOMORROW", 404),
            refusal(SMS.to),  # which is no word
            refusal("PHONE_NUMBER_NOT_FOUND", 429),
        ],
        "temporary": [
            refusal("FLOOD_WAIT_30"),
            refusal("FLOOD_WAIT_30", 429),
            refusal("REQUEST_ID_INVALID"),
            refusal("A_WORD_OF_TOMORROW", 429),
            refusal("ACCESS_TOKEN_INVALID", 503),
        ],
        "account": [
            refusal("ACCESS_TOKEN_INVALID"),
            refusal("ACCESS_TOKEN_REQUIRED", 401),
            refusal("A_WORD_OF_TOMORROW", 403),
            refusal("BALANCE_NOT_ENOUGH"),
            refusal("SENDER_NOT_VERIFIED"),
            refusal("CALLBACK_URL_INVALID", 400),
            refusal("UNKNOWN_METHOD", 404),
            (404, "<html>"),  # base_url= leads elsewhere
        ],
        "unknown": [refusal("MESSAGE_ALREADY_SENT")],
    }
    words: ClassVar = {
        "sent": State.SENT,
        "delivered": State.DELIVERED,
        "read": State.DELIVERED,
        "expired": State.FAILED,
        "revoked": State.FAILED,
    }

    @pytest.fixture
    def gateway(self):
        with servers.gateway() as found:
            found.before[CHECK] = response(200, status(CHECKED))
            yield found

    def receipt(self, word: str, **changes: Any) -> tuple[dict[str, str], bytes]:
        body = report(word, **changes)
        return signed(body, time.time()), body

    def test_tls_that_breaks_after_the_request(self, monkeypatch, tmp_path):
        """After the request for the check, which handed nothing over."""
        certificate = certify(tmp_path / "certificate.pem")
        monkeypatch.setattr("sms.providers.tls.certifi.where", lambda: str(certificate))
        with one_connection(break_tls(certificate)) as url, pytest.raises(TemporaryFailure):
            self.provider(url).send(SMS)

    def sent(self, gateway, sms=SMS, **options: str) -> dict[str, Any]:
        gateway.answer = lambda: response(*self.accepted)
        query = "".join(f"&{name}={value}" for name, value in options.items())
        assert from_url("main", f"telegram://:{TOKEN}@?base_url={gateway.url}{query}").send(sms) == SENT
        assert [path for path, _, _ in gateway.requests] == [SEND]
        return dict(json.loads(gateway.bodies[-1]))

    def test_what_it_is(self, gateway):
        provider = self.provider(gateway.url)
        assert (provider.channel, provider.needs_code, provider.revokes) == (Channel.TELEGRAM, True, True)
        assert not provider.takes_feedback

    # --- the message -------------------------------------------------------------------------------

    def test_the_message(self, gateway):
        assert self.sent(gateway) == {
            "phone_number": SMS.to,
            "request_id": CHECKED,
            "code": "123456",
            "callback_url": URL,
            "payload": "ref-1",
            "ttl": 90,
        }
        assert gateway.requests[-1][1]["authorization"] == f"Bearer {TOKEN}"
        ((path, headers, body),) = gateway.asked
        assert (path, json.loads(body)) == (CHECK, {"phone_number": SMS.to})
        assert headers["authorization"] == f"Bearer {TOKEN}"

    def test_the_message_is_one_that_the_sdk_knows(self, gateway):
        message = self.sent(gateway, **{"from": "shop"})
        known = sdk_methods.SendVerificationMessage(**message).model_dump(exclude_none=True)
        assert known == message

    @pytest.mark.parametrize(("left", "ttl"), [(3.0, 30), (29.9, 30), (90.7, 90), (7200.0, 3600)])
    def test_how_long_it_lives(self, gateway, left, ttl):
        assert self.sent(gateway, replace(SMS, expires_in=left))["ttl"] == ttl

    def test_without_reports_and_without_an_end(self, gateway):
        assert self.sent(gateway, replace(SMS, callback_url="", expires_in=0.0)).keys() == {
            *("phone_number", "request_id", "code", "payload"),
        }

    def test_the_channel_that_sends(self, gateway):
        assert self.sent(gateway, **{"from": "%40shop"})["sender_username"] == "shop"

    def test_a_route_may_name_another(self, gateway):
        sms = replace(SMS, sender="shop_de")
        assert self.sent(gateway, sms, **{"from": "shop"})["sender_username"] == "shop_de"

    @pytest.mark.parametrize("code", ["", "123", "123456789", "12345A", "١٢٣٤٥٦", "123456\n"])
    def test_a_code_that_it_cannot_carry_is_for_the_next_channel(self, gateway, code):
        with pytest.raises(Unreachable) as caught:
            self.provider(gateway.url).send(replace(SMS, code=code))
        assert caught.value.code == "code"
        assert gateway.requests == gateway.asked == []

    def test_a_text_that_is_no_number_is_not_asked_about(self, gateway):
        with pytest.raises(PermanentFailure):
            self.provider(gateway.url).send(replace(SMS, to="+1202,555"))
        assert gateway.asked == []

    # --- the check ---------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (refusal("PHONE_NUMBER_NOT_FOUND"), Unreachable),
            (refusal("A_WORD_OF_TOMORROW", 400), Unreachable),
            (refusal("BALANCE_NOT_ENOUGH"), AccountFailure),
            (refusal("FLOOD_WAIT_5"), TemporaryFailure),
            ((302, ""), AccountFailure),
            # It hands nothing over, so whatever it does, nothing is unknown.
            ((200, "<html>"), TemporaryFailure),
            ((200, '{"ok":true,"result":{}}'), TemporaryFailure),
            ((503, ""), TemporaryFailure),
        ],
    )
    def test_who_does_not_pass_the_check_is_sent_nothing(self, gateway, answer, error):
        gateway.before[CHECK] = response(*answer)
        with pytest.raises(error) as caught:
            self.provider(gateway.url).send(SMS)
        assert type(caught.value) is error
        assert (len(gateway.asked), gateway.requests) == (1, [])

    def test_a_check_without_an_answer(self, gateway):
        del gateway.before[CHECK]
        gateway.delay = 0.3
        with pytest.raises(TemporaryFailure) as caught:
            self.provider(gateway.url, timeout=0.1).send(SMS)
        assert caught.value.code == "read_timeout"

    @pytest.mark.parametrize(
        ("least", "ends", "requests"),
        [
            (0.01, (OutcomeUnknown, "read_timeout"), [CHECK, SEND]),
            (1.0, (TemporaryFailure, "too_late"), [CHECK]),  # nothing of the second leaves
        ],
    )
    def test_both_requests_take_no_longer_than_one_may(self, gateway, monkeypatch, least, ends, requests):
        """Or the lease would be over, and another worker would hand the message over too."""
        monkeypatch.setattr("sms.providers.transport.LONGEST_CONNECT", 0.4)
        monkeypatch.setattr("sms.providers.transport.LEAST_LEFT", least)
        del gateway.before[CHECK]
        gateway.delay, gateway.answer = 0.8, lambda: response(*self.accepted)
        with pytest.raises(ends[0]) as caught:
            self.provider(gateway.url, timeout=1.0).send(SMS)
        assert (type(caught.value), caught.value.code) == ends
        assert [path for path, _, _ in gateway.requests] == requests

    def test_check_and_message_share_a_connection(self, gateway):
        self.sent(gateway)
        assert gateway.connections == 1

    # --- words -------------------------------------------------------------------------------------

    def test_a_flood_says_how_long(self, gateway):
        with pytest.raises(TemporaryFailure) as caught:
            self.answers(gateway, *refusal("FLOOD_WAIT_42")).send(SMS)
        assert (caught.value.code, caught.value.retry_after) == ("FLOOD_WAIT_42", 42.0)

    def test_words_may_mean_something_else(self, gateway):
        options = "temporary=PHONE_NUMBER_INVALID&account=NEW_WORD OTHER_WORD&unreachable=FLOOD_WAIT"
        provider = from_url("main", f"telegram://:{TOKEN}@?base_url={gateway.url}&{options}")
        for word, error in (
            ("PHONE_NUMBER_INVALID", TemporaryFailure),
            ("NEW_WORD", AccountFailure),
            ("OTHER_WORD", AccountFailure),
            ("FLOOD_WAIT_9", Unreachable),
            ("PHONE_NUMBER_NOT_FOUND", Unreachable),
        ):
            gateway.answer = lambda word=word: response(*refusal(word))
            with pytest.raises(error) as caught:
                provider.send(SMS)
            assert type(caught.value) is error

    def test_a_word_has_one_meaning(self):
        with pytest.raises(BadProviderURL, match="list the same word"):
            from_url("main", f"telegram://:{TOKEN}@?account=X_Y&temporary=X_Y")

    def test_every_word_that_the_sdk_knows_has_a_meaning(self, gateway):
        provider = self.provider(gateway.url)
        assert isinstance(provider, TelegramProvider)
        # Of codes that Telegram makes itself.
        theirs = {"CODE_LENGTH_INVALID", "CODE_LENGTH_REQUIRED"}
        known = {word.removesuffix("_%d") for word in sdk.api_error_code_to_exception}
        assert known - theirs <= set(provider.outcomes)

    # --- reports -----------------------------------------------------------------------------------

    def test_the_sdk_takes_what_we_take_for_genuine(self, gateway):
        headers, body = self.receipt("delivered")
        moment, signature = int(headers["x-request-timestamp"]), headers["x-request-signature"]
        sdk_integrity.validate_report_integrity(TOKEN, moment, signature, body)
        assert self.provider(gateway.url).parse_receipts(headers, body, URL)
        with pytest.raises(sdk_integrity.SignatureInvalidError):
            sdk_integrity.validate_report_integrity("another token", moment, signature, body)

    @pytest.mark.parametrize(("age", "taken"), [(-290, True), (290, True), (-310, False), (310, False)])
    def test_how_old_a_report_may_be(self, gateway, age, taken):
        body = report("delivered")
        provider, headers = self.provider(gateway.url), signed(body, time.time() - age)
        if taken:
            assert provider.parse_receipts(headers, body, URL)
        else:
            with pytest.raises(ReceiptRejected, match="too old"):
                provider.check_head(headers, URL)

    @pytest.mark.parametrize("moment", ["", "soon", "nan", "inf"])
    def test_a_report_without_a_time(self, gateway, moment):
        headers, body = self.receipt("delivered")
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(headers | {"x-request-timestamp": moment}, body, URL)

    def test_another_token_signs_nothing(self, gateway):
        body = report("delivered")
        with pytest.raises(ReceiptRejected, match="signature is wrong"):
            self.provider(gateway.url).parse_receipts(signed(body, time.time(), "another"), body, URL)

    def test_a_time_is_part_of_what_is_signed(self, gateway):
        headers, body = self.receipt("delivered")
        later = str(int(headers["x-request-timestamp"]) + 1)
        with pytest.raises(ReceiptRejected, match="signature is wrong"):
            self.provider(gateway.url).parse_receipts(headers | {"x-request-timestamp": later}, body, URL)

    @pytest.mark.parametrize("payload", ["", None, "ref-2"])
    def test_a_report_of_another_message(self, gateway, payload):
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_receipts(*self.receipt("read", payload=payload), URL)

    def test_a_report_about_a_code_says_nothing_of_its_message(self, gateway):
        receipt = self.receipt("", delivery_status=None, verification_status={"status": "code_valid"})
        assert self.provider(gateway.url).parse_receipts(*receipt, URL) == []

    def test_a_refund_is_told(self, gateway):
        (found,) = self.provider(gateway.url).parse_receipts(*self.receipt("expired", is_refunded=True), URL)
        assert (found.state, found.raw) == (State.FAILED, "expired, refunded")
        assert found.provider_message_id == SENT

    def test_who_is_not_online_is_no_fault_of_telegram(self, gateway):
        provider = self.provider(gateway.url)
        for word, unreachable in (("expired", True), ("revoked", False), ("delivered", False)):
            (found,) = provider.parse_receipts(*self.receipt(word), URL)
            assert found.unreachable is unreachable

    # --- revoking ----------------------------------------------------------------------------------

    def test_revoking(self, gateway):
        self.answers(gateway, 200, '{"ok":true,"result":true}').revoke("ref-1", SENT)
        assert gateway.requests[-1][0] == REVOKE
        message = json.loads(gateway.bodies[-1])
        assert message == {"request_id": SENT}
        assert sdk_methods.RevokeVerificationMessage(**message).model_dump(exclude_none=True) == message

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (refusal("REQUEST_ID_INVALID"), TemporaryFailure),
            (refusal("ACCESS_TOKEN_INVALID", 401), AccountFailure),
            ((500, "<html>"), TemporaryFailure),
        ],
    )
    def test_revoking_that_is_refused(self, gateway, answer, error):
        with pytest.raises(error):
            self.answers(gateway, *answer).revoke("ref-1", SENT)

    def test_revoking_without_an_answer(self, gateway):
        gateway.answer = lambda: None
        with pytest.raises(OutcomeUnknown):
            self.provider(gateway.url).revoke("ref-1", SENT)
