"""Messages from users, over HTTP: genuine messages are told and keep opt-outs, the rest changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from sms import broker, names, optouts, registry, services, signals
from sms.checks import settings as checks
from sms.errors import OptedOut, ReceiptRejected
from sms.message import Inbound, State
from sms.providers.base import Reply
from sms.testing import outbox
from tests.commands import commands
from tests.conftest import point_cache_at, server_with
from tests.sms.providers.test_africastalking import OPT_OUT
from tests.sms.providers.test_vonage import BASE64, SECRET
from tests.sms.providers.test_vonage import signed as vonage_signed
from tests.spoilt import SPOILT

PUBLIC = "https://verify.example.com"
TOKEN = "token-of-the-account"
PHONE = "+12025550123"
SENDER = "+15005550006"
TEXT = "Is my parcel there?"
GATEWAY = (
    'https://gateway.example/?json={"to":"{to}"%2C"text":"{body}"}&id=id'
    "&receipt_secret=shared-with-the-gateway&inbound_from=from&inbound_text=text&inbound_id=id&inbound_to=to"
)


@pytest.fixture(autouse=True)
def twilio(settings, monkeypatch):
    settings.PUBLIC_URL = PUBLIC
    settings.SMS_PROVIDERS = {"main": f"twilio://AC1:{TOKEN}@?from=%2B15005550006"}
    monkeypatch.setattr(broker, "publish", lambda message_id, queue: True)


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """The arguments of ``message_received``, by name."""
    found: list[dict[str, Any]] = []

    def hear(alias, message, **_):
        found.append({"alias": alias} | asdict(message))

    signals.message_received.connect(hear)
    yield found
    signals.message_received.disconnect(hear)


def send(text: str, *, alias: str = "main", token: str = TOKEN, public: str = PUBLIC, **fields: str) -> Any:
    """The vendor calls the public address; the proxy hands it on to ours, by plain HTTP."""
    path = f"/v1/inbound/{alias}"
    form = {"MessageSid": "SM1", "From": PHONE, "To": SENDER, "Body": text} | fields
    signature = RequestValidator(token).compute_signature(public + path, form)
    return Client().post(
        path,
        urlencode(form),
        "application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )


def from_the_gateway(content: object) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content)
    headers = {"Authorization": "Bearer shared-with-the-gateway"}
    return Client().post("/v1/inbound/main", body, "application/json", headers=headers)


def is_out(phone: str = PHONE) -> bool:
    try:
        services.send(phone, "Your parcel is here.")
    except OptedOut:
        return True
    return False


class TestAMessage:
    def test_it_is_told_and_answered_as_the_vendor_wants(self, heard):
        with capture_logs() as logs:
            response = send(TEXT)
        assert (response.status_code, response.content, response["Content-Type"]) == (
            200,
            b"<Response/>",
            "text/xml",
        )
        assert heard == [
            {"alias": "main", "id": "SM1", "phone": PHONE, "sender": SENDER, "text": TEXT, "word": ""}
        ]
        assert [(line["event"], line["alias"]) for line in logs] == [("message_received", "main")]
        assert not is_out()

    def test_nothing_of_it_is_logged_or_kept(self, redis, heard):
        with capture_logs() as logs:
            send("STOP")
            send(TEXT)
        kept = str([(key, redis.dump(key)) for key in redis.scan_iter()])
        for secret in (PHONE[1:], "parcel"):
            assert secret not in str(logs)
            assert secret not in kept

    def test_by_json_it_is_answered_with_nothing(self, settings, heard):
        settings.SMS_PROVIDERS = {"main": GATEWAY}
        response = from_the_gateway({"from": "12025550123", "to": "30001", "text": TEXT, "id": 7})
        assert (response.status_code, response.content) == (204, b"")
        assert (heard[0]["phone"], heard[0]["sender"], heard[0]["id"]) == (PHONE, "30001", "7")

    def test_by_vonage(self, settings, heard):
        settings.SMS_PROVIDERS = {"main": f"vonage://app-1@?key={BASE64}&from=Shop&signature_secret={SECRET}"}
        message = {"channel": "sms", "message_uuid": "u1", "from": PHONE[1:], "to": "15005550006"}
        body = json.dumps(message | {"text": "stop", "message_type": "text"}).encode()
        answer = Client().post(
            "/v1/inbound/main",
            body,
            "application/json",
            headers={"Authorization": vonage_signed(body)["authorization"]},
        )
        assert (answer.status_code, heard[0]["word"]) == (204, "stop")
        assert is_out()

    def test_a_receiver_that_fails_is_named_and_quoted_nowhere(self, heard):
        def fail(message, **_):
            raise KeyError(message.text + message.phone)

        signals.message_received.connect(fail)
        try:
            with capture_logs() as logs:
                assert send(TEXT).status_code == 200
        finally:
            signals.message_received.disconnect(fail)
        (line,) = [line for line in logs if line["event"] == "receiver_failed"]
        assert "fail" in line["receiver"]
        assert line["error"] == "KeyError"
        assert PHONE[1:] not in str(logs)
        assert len(heard) == 1

    @pytest.mark.parametrize("odd", ["\ud83d", "a\x00\n\u202e", "x" * 6_000, "é" * 700, "🅂🅃🄾🄿" * 9])
    def test_a_genuine_one_may_hold_anything(self, settings, heard, odd):
        """The vendor would send it again and again where we answered with an error of ours."""
        settings.SMS_PROVIDERS = {"main": GATEWAY}
        content = {"from": PHONE, "to": "30001", "text": TEXT, "id": "7"}
        for name in content:
            assert from_the_gateway(content | {name: odd}).status_code == 204
        for told in heard:
            assert all(value.encode() is not None for value in told.values())
            assert all(told[name].isprintable() for name in ("phone", "sender", "id"))

    @pytest.mark.parametrize("odd", [None, 7, 1e999, True, ["x"], {"x": ["y"]}, [[[]]]])
    def test_what_is_no_text_is_told_as_one_or_refused(self, settings, heard, odd):
        settings.SMS_PROVIDERS = {"main": GATEWAY}
        content = {"from": PHONE, "to": "30001", "text": TEXT, "id": "7"}
        for name in content:
            assert from_the_gateway(content | {name: odd}).status_code in (204, 403)
        assert all(isinstance(value, str) for told in heard for value in told.values())

    def test_a_byte_order_mark_hides_nothing(self, settings, heard):
        settings.SMS_PROVIDERS = {"main": GATEWAY}
        body = json.dumps({"from": PHONE, "to": "30001", "text": "\ufeffSTOP", "id": "7"}).encode()
        assert from_the_gateway(b"\xef\xbb\xbf" + body).status_code == 204
        assert from_the_gateway(body.decode().encode("utf-16")).status_code == 403
        assert (heard[0]["word"], is_out()) == ("stop", True)


class TestForgeries:
    @pytest.mark.parametrize("forged", [{"token": "wrong"}, {"public": "https://evil.example.com"}])
    def test_they_are_refused_and_change_nothing(self, redis, heard, forged):
        response = send("STOP", **forged)
        assert (response.status_code, response.json()["code"]) == (403, "receipt_rejected")
        assert (heard, redis.keys()) == ([], [])

    def test_what_was_signed_for_another_address_is_one(self, heard, redis):
        path = "/v1/receipts/main"
        form = {"MessageSid": "SM1", "From": PHONE, "To": SENDER, "Body": "STOP"}
        signature = RequestValidator(TOKEN).compute_signature(PUBLIC + path, form)
        headers = {"X-Twilio-Signature": signature}
        kind = "application/x-www-form-urlencoded"
        answer = Client().post("/v1/inbound/main", urlencode(form), kind, headers=headers)
        assert (answer.status_code, heard) == (403, [])

    def test_an_alias_that_is_none(self):
        response = Client().post("/v1/inbound/other", "x", "text/plain")
        assert (response.status_code, response.json()["code"]) == (404, "alias_unknown")

    @pytest.mark.parametrize(
        "url", ["memory://", "msg91://:k@?template=1&variable=OTP&receipt_secret=0123456789abcdef"]
    )
    def test_a_provider_that_hands_nothing_over(self, settings, url):
        settings.SMS_PROVIDERS = {"main": url}
        assert send("STOP").status_code == 403

    def test_they_are_told_once_a_minute_with_a_count(self, alarm_clock):
        with capture_logs() as logs:
            for _ in range(50):
                assert send("STOP", token="wrong").status_code == 403
            alarm_clock.advance(61)
            assert send("STOP", token="wrong").status_code == 403
        assert [line["count"] for line in logs if line["event"] == "receipt_rejected"] == [1, 50]

    def test_a_flood_of_them_costs_no_lookup(self):
        with commands() as sent:
            for _ in range(50):
                assert send("STOP", token="wrong").status_code == 403
        assert sent == []

    def test_one_over_16_kib_is_refused(self):
        headers = {"X-Twilio-Signature": "x"}
        response = Client().post("/v1/inbound/main", "x" * 17_000, "text/plain", headers=headers)
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")

    @pytest.mark.parametrize("method", ["put", "delete", "patch"])
    def test_other_methods(self, method):
        assert getattr(Client(), method)("/v1/inbound/main").status_code == 405

    def test_one_on_which_the_module_fails_is_refused_and_named(self, monkeypatch):
        def fail(*_):
            raise KeyError(PHONE)

        monkeypatch.setattr(registry.providers()["main"], "parse_inbound", fail)
        with capture_logs() as logs:
            assert send(TEXT).json()["code"] == "receipt_rejected"
        (line,) = [line for line in logs if line["event"] == "receipt_unreadable"]
        assert line["error"] == "KeyError"
        assert PHONE[1:] not in str(logs)


class TestGreeting:
    """A vendor makes sure that the address is ours before it reports there."""

    @pytest.fixture(autouse=True)
    def greets(self, monkeypatch):
        def greet(headers, body, url):
            if body == b"forged":
                raise ReceiptRejected("the greeting is wrong")
            return Reply('{"code": "7"}', "application/json") if body == b"hello" else None

        monkeypatch.setattr(registry.providers()["main"], "greet", greet)

    @pytest.mark.parametrize("path", ["/v1/inbound/main", "/v1/receipts/main"])
    def test_it_is_answered(self, path, heard):
        headers = {"X-Twilio-Signature": "x"}
        answer = Client().post(path, b"hello", "text/plain", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"code": "7"})
        assert answer["Content-Type"] == "application/json"
        assert Client().post(path, b"hello", "text/plain").status_code == 403  # by its head
        assert Client().post(path, b"forged", "text/plain", headers=headers).status_code == 403
        assert heard == []

    def test_others_go_on(self, heard):
        assert send(TEXT).status_code == 200
        assert len(heard) == 1

    def test_receipts_are_answered_as_the_vendor_wants(self, monkeypatch):
        provider = registry.providers()["main"]
        monkeypatch.setattr(provider, "receipt_reply", Reply("OK"), raising=False)
        path = "/v1/receipts/main?reference=x"
        form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
        signature = RequestValidator(TOKEN).compute_signature(PUBLIC + path, form)
        kind = "application/x-www-form-urlencoded"
        answer = Client().post(path, urlencode(form), kind, headers={"X-Twilio-Signature": signature})
        assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"OK", "text/plain")


class TestWords:
    def test_stop_and_start(self, heard):
        assert send("Stop!").status_code == 200
        assert is_out()
        assert send("please send me more").status_code == 200
        assert is_out()
        assert send(" unstop ").status_code == 200
        assert not is_out()
        assert [told["word"] for told in heard] == ["stop", "", "start"]

    def test_who_never_stopped_may_start(self, redis):
        send("YES")
        assert (is_out(), redis.keys(f"{names.OPTOUTS}*")) == (False, [])

    def test_what_the_vendor_says_counts_before_the_text(self):
        send("Ya basta con esto", OptOutType="STOP")
        assert is_out()
        send("weiter bitte", OptOutType="START")
        assert not is_out()

    def test_an_opt_out_that_is_no_message_is_a_stop(self, settings, heard):
        """As Africa's Talking reports it: see tests/sms/providers/test_africastalking.py."""
        settings.SMS_PROVIDERS = {
            "main": "africastalking://shop:key@?from=Shop&receipt_secret=secret-of-the-receipts",
            "other": "kannel://u:p@h?from=SHOP",
            "spare": "memory://",
        }
        settings.SMS_ROUTES = {"default": "main>other"}
        path = registry.providers()["main"].panel_address("/v1/inbound/main")
        kind = "application/x-www-form-urlencoded"
        assert Client().post(f"{path}0", OPT_OUT, kind).json()["code"] == "receipt_rejected"
        assert (is_out(), heard) == (False, [])
        assert Client().post(path, OPT_OUT, kind).status_code == 204
        assert (is_out(), set(optouts.counts())) == (True, {"main", "other"})
        assert [(told["phone"], told["sender"], told["word"]) for told in heard] == [(PHONE, "Shop", "stop")]

    def test_it_holds_for_the_alias_it_came_by_and_for_no_other(self, settings):
        settings.SMS_PROVIDERS |= {"spare": "memory://"}
        send("STOP")
        assert optouts.counts() == {"main": (1, 0)}
        message = services.send(PHONE, "Your parcel is here.")
        assert message.state is State.QUEUED

    def test_it_holds_for_every_alias_that_sends_by_the_same_sender(self, settings):
        settings.SMS_PROVIDERS |= {
            "second": f"twilio://AC2:{TOKEN}@?from=%2B15005550006",
            "third": "kannel://u:p@h?from=15005550006",
            "fourth": "kannel://u:p@h?from=Shop",
            "fifth": "memory://",
            "sixth": "memory://",
        }
        settings.SMS_ROUTES = {"default": "main>fourth>sixth", "DE": f"fifth@{SENDER.replace('+', '%2B')}"}
        send("STOP")
        assert set(optouts.counts()) == {"main", "second", "third", "fifth"}
        send("START")
        assert set(optouts.counts()) == set()

    def test_who_speaks_for_one_alias_says_nothing_of_anothers_sender(self, settings):
        """The call names the sender, and whoever has the secret of this alias makes calls."""
        settings.SMS_PROVIDERS |= {"spare": "kannel://u:p@h?from=Shop", "other": "memory://"}
        optouts.add("spare", [PHONE])
        send("START", To="Shop")
        assert set(optouts.counts()) == {"spare"}
        optouts.remove("spare", PHONE)
        send("STOP", To="Shop")
        assert set(optouts.counts()) == {"main"}
        settings.SMS_ROUTES = {"default": "main>other@Shop", "DE": "main@Shop"}
        send("STOP", To="Shop")
        assert set(optouts.counts()) == {"main", "spare", "other"}
        send("START", To="Shop")
        assert optouts.counts() == {}

    def test_no_sender_is_one(self, settings):
        settings.SMS_PROVIDERS = {"main": GATEWAY, "spare": "memory://"}
        from_the_gateway({"from": PHONE, "to": "", "text": "STOP", "id": "7"})
        assert set(optouts.counts()) == {"main"}

    @pytest.mark.parametrize(
        "phone", ["12345", "Shop", "whatsapp:+12025550123", "+0123456", "+123", "\u0661"]
    )
    def test_who_is_no_number_has_nothing_to_opt_out_of(self, redis, heard, phone):
        assert send("STOP", From=phone).status_code == 200
        assert len(heard) == 1
        assert redis.keys(f"{names.OPTOUTS}*") == []

    @pytest.mark.parametrize(
        "phone", ["0012025550123", "(202) 555-0123", "+1 202 555 0123", "12025550123", "2025550123"]
    )
    def test_a_number_is_read_however_it_is_written(self, settings, heard, phone):
        settings.SMS_PROVIDERS = {"main": GATEWAY}
        settings.PHONE_REGION = "US"
        from_the_gateway({"from": phone, "to": "30001", "text": "STOP", "id": "7"})
        assert (heard[0]["phone"], is_out()) == (PHONE, True)
        from_the_gateway({"from": phone, "to": "30001", "text": "START", "id": "8"})
        assert not is_out()

    @pytest.mark.parametrize("region", ["", "US"])
    def test_a_stop_of_a_number_that_cannot_be_read_is_told(self, settings, heard, region):
        settings.PHONE_REGION = region
        with capture_logs() as logs:
            for text in ("STOP", "START", "HELP", TEXT):
                assert send(text, From="017012").status_code == 200
        (line,) = [line for line in logs if line["log_level"] == "warning"]
        assert (line["event"], line["alias"]) == ("inbound_number_unreadable", "main")
        assert "017012" not in str(logs)
        assert len(heard) == 4

    @pytest.mark.parametrize("name", SPOILT)
    def test_a_stop_comes_again_where_redis_cannot_keep_it(self, settings, heard, name):
        """503: the vendor repeats it. No receiver hears of it before it is stored."""
        with server_with(lua_time_limit="50") as server:
            point_cache_at(settings, server.url)
            assert send(TEXT).status_code == 200
            with SPOILT[name](server, settings):
                response = send("STOP")
                assert (response.status_code, response.json()["code"]) == (503, "unavailable")
                assert len(heard) == 1
            point_cache_at(settings, server.url)
            assert send("STOP").status_code == 200
            assert is_out()


class TestHelp:
    ANSWER = "Example: call +1 202 555 0199. STOP ends these messages."

    @pytest.fixture
    def answers(self, settings, monkeypatch):
        settings.SMS_PROVIDERS = {"main": GATEWAY, "out": "memory://"}
        settings.SMS_ROUTES = {"default": "out"}
        settings.SMS_HELP = self.ANSWER
        monkeypatch.undo()  # what is sent goes out at once

    def ask(self, phone: str = PHONE, to: str = "30001") -> None:
        assert from_the_gateway({"from": phone, "to": to, "text": "Help", "id": "7"}).status_code == 204

    def test_it_is_answered_once_an_hour(self, answers, redis, heard):
        for _ in range(3):
            self.ask()
        assert [(sms.to, sms.body) for sms in outbox] == [(PHONE, self.ANSWER)]
        (key,) = redis.scan_iter(f"{names.HELPED}*")
        assert 3500 < redis.ttl(key) <= 3600
        assert PHONE[1:] not in key.decode()
        assert len(heard) == 3
        self.ask("+12025550124")
        self.ask(to="30002")
        assert [sms.to for sms in outbox] == [PHONE, "+12025550124", PHONE]

    def test_without_a_text_nothing_is_answered(self, answers, settings, redis):
        settings.SMS_HELP = " "
        self.ask()
        assert (outbox, redis.keys()) == ([], [])

    def test_who_has_opted_out_gets_none(self, answers):
        optouts.add("out", [PHONE])
        with capture_logs() as logs:
            self.ask()
        (line,) = [line for line in logs if line["event"] == "help_unanswered"]
        assert (line["alias"], line["error"], outbox) == ("main", "OptedOut", [])

    def test_nor_does_who_may_get_no_sms(self, answers, settings):
        settings.SMS_DESTINATIONS = ["DE"]
        with capture_logs() as logs:
            self.ask()
        assert [line["error"] for line in logs if line["event"] == "help_unanswered"] == ["InvalidNumber"]

    @pytest.mark.parametrize("text", ["x" * 1601, "a\x00b", "a\tb"])
    def test_a_text_that_cannot_be_sent_is_told_at_start(self, settings, text):
        settings.SMS_HELP = text
        (error,) = checks.help_can_be_sent()
        assert (error.id, error.msg.startswith("SMS_HELP")) == ("sms.E034", True)
        settings.SMS_HELP = "Two\r\nlines"
        assert checks.help_can_be_sent() == []


def test_an_inbound_message_shows_nobody():
    shown = repr(Inbound("1", PHONE, SENDER, TEXT))
    assert PHONE not in shown
    assert TEXT not in shown
