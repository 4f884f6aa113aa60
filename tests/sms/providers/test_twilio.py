"""Twilio: the contract, and its own features. Samples follow twilio.com/docs/messaging/api."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from sms.errors import AccountFailure, PermanentFailure, ReceiptRejected, TemporaryFailure
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import (
    INBOUND_URL,
    SMS,
    TEXT,
    URL,
    USER,
    FeedbackContract,
    InboundContract,
    ProviderContract,
)
from tests.sms.providers.gateway import response

SID, TOKEN = "AC" + "0" * 32, "token-of-the-account"


def error(status: int, code: int) -> tuple[int, str]:
    text = f"The 'To' number {SMS.to} is not valid"  # the vendor does repeat the number
    return status, json.dumps({"code": code, "message": text, "status": status})


class TestTwilio(ProviderContract, FeedbackContract, InboundContract):
    url = (
        f"twilio://{SID}:{TOKEN}@?from=%2B15005550006&base_url={{base_url}}&timeout={{timeout}}&feedback=yes"
    )
    accepted = (201, json.dumps({"sid": "SM123", "status": "queued", "body": "…"}))
    accepted_id = "SM123"
    refused_number = error(400, 21211)
    refused_credentials = error(401, 20003)
    throttled = error(429, 20429)
    refusals: ClassVar = {
        "opted_out": [error(400, 21610)],
        "account": [
            error(404, 20404),
            *(error(400, code) for code in (21212, 21603, 21606, 21659, 21703, 21704, 21910)),
            (404, "<html>"),
        ],
    }
    words: ClassVar = {
        "queued": State.SENT,
        "sending": State.SENT,
        "sent": State.SENT,
        "delivered": State.DELIVERED,
        "undelivered": State.FAILED,
        "failed": State.FAILED,
    }

    told = (201, '{"outcome": "confirmed"}')

    def feedback(self, converted):
        return (
            f"/2010-04-01/Accounts/{SID}/Messages/SM123/Feedback.json",
            {"Outcome": "confirmed" if converted else "unconfirmed"},
        )

    def receipt(self, word: str, **changes: str) -> tuple[dict[str, str], bytes]:
        fields = {"MessageSid": "SM123", "MessageStatus": word, "To": SMS.to, "ErrorCode": ""} | changes
        signature = RequestValidator(TOKEN).compute_signature(URL, fields)
        return {"x-twilio-signature": signature}, urlencode(fields).encode()

    def inbound(self, **changes: Any) -> tuple[dict[str, str], bytes]:
        fields = {
            "ToCountry": "US",
            "MessageSid": "SM9",
            "NumSegments": "1",
            "From": USER,
            "To": "+15005550006",
            "Body": TEXT,
        } | changes
        signature = RequestValidator(TOKEN).compute_signature(INBOUND_URL, fields)
        return {"x-twilio-signature": signature}, urlencode(fields).encode()

    def inbound_forgeries(self):
        headers, body = self.inbound()
        elsewhere = URL.partition("?")[0]
        nobody = self.inbound(From="")
        return [*super().inbound_forgeries(), (headers, body, elsewhere), (*nobody, INBOUND_URL)]

    def test_what_a_user_means_by_keywords_of_ones_own(self, gateway):
        """A messaging service says so; else the text is looked at."""
        provider = self.provider(gateway.url)
        for given, word in (("STOP", "stop"), ("START", "start"), ("HELP", "help"), ("", ""), ("x", "")):
            (found,) = provider.parse_inbound(*self.inbound(OptOutType=given), INBOUND_URL)
            assert (found.word, found.sender, found.id) == (word, "+15005550006", "SM9")
        assert provider.inbound_reply == ("<Response/>", "text/xml")

    def test_a_receipt_is_no_message_of_a_user(self, gateway):
        fields = {"MessageSid": "SM123", "MessageStatus": "delivered", "To": SMS.to}
        signature = RequestValidator(TOKEN).compute_signature(INBOUND_URL, fields)
        with pytest.raises(ReceiptRejected):
            self.provider(gateway.url).parse_inbound(
                {"x-twilio-signature": signature}, urlencode(fields).encode(), INBOUND_URL
            )

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, fields),) = gateway.requests
        assert path == f"/2010-04-01/Accounts/{SID}/Messages.json"
        assert headers["authorization"] == "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        assert fields == {
            "To": SMS.to,
            "From": "+15005550006",
            "Body": SMS.body,
            "StatusCallback": SMS.callback_url,
            "ValidityPeriod": "90",
            "ProvideFeedback": "true",
        }

    def test_feedback_is_asked_for_with_codes_alone(self, gateway):
        provider = self.answers(gateway, *self.accepted)
        without = from_url("main", f"twilio://{SID}:{TOKEN}@?from=Shop&base_url={gateway.url}")
        for sender, sms in ((provider, SMS), (provider, replace(SMS, code="")), (without, SMS)):
            sender.send(sms)
        assert [request[2].get("ProvideFeedback") for request in gateway.requests] == ["true", None, None]
        assert not without.takes_feedback

    def test_the_request_is_what_their_sdk_sends(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)

        class Here(TwilioHttpClient):
            def request(self, *args: Any, **more: Any) -> Any:
                method, url, *rest = args
                return super().request(
                    method, url.replace("https://api.twilio.com", gateway.url), *rest, **more
                )

        messages = Client(SID, TOKEN, http_client=Here()).messages
        messages.create(
            to=SMS.to,
            from_="+15005550006",
            body=SMS.body,
            status_callback=SMS.callback_url,
            validity_period=90,
            provide_feedback=True,
        )
        ours, theirs = gateway.requests
        assert (ours[0], ours[2]) == (theirs[0], theirs[2])
        # Those of their HTTP library are no part of the protocol.
        same = set(theirs[1]) - {"accept-encoding", "connection", "content-length"}
        assert {name: ours[1][name] for name in same} == {name: theirs[1][name] for name in same}

    def test_a_messaging_service_instead_of_a_number(self, gateway):
        gateway.answer = lambda: response(*self.accepted)
        from_url("a", f"twilio://{SID}:{TOKEN}@?messaging_service=MG1&base_url={gateway.url}").send(SMS)
        assert gateway.requests[0][2]["MessagingServiceSid"] == "MG1"
        assert "From" not in gateway.requests[0][2]

    def test_a_sender_of_the_route(self, gateway):
        self.answers(gateway, *self.accepted).send(replace(SMS, sender="Otpost"))
        assert gateway.requests[0][2]["From"] == "Otpost"

    @pytest.mark.parametrize(("code", "here"), [(20005, False), (21606, False), (21408, True), (21612, True)])
    def test_some_refusals_are_about_us(self, gateway, code, here):
        with pytest.raises(AccountFailure) as caught:
            self.answers(gateway, *error(400, code)).send(SMS)
        assert caught.value.here is here

    @pytest.mark.parametrize("code", [21611, 30001])
    def test_some_refusals_pass(self, gateway, code):
        with pytest.raises(TemporaryFailure):
            self.answers(gateway, *error(400, code)).send(SMS)

    def test_the_table_can_be_overridden(self, gateway):
        gateway.answer = lambda: response(*error(400, 21211))
        url = f"twilio://{SID}:{TOKEN}@?from=x&base_url={gateway.url}"
        with pytest.raises(TemporaryFailure):
            from_url("a", url + "&temporary=21211+30003").send(SMS)
        gateway.answer = lambda: response(*error(429, 20429))
        with pytest.raises(PermanentFailure):
            from_url("a", url + "&permanent=20429").send(SMS)

    @pytest.mark.parametrize(
        ("status", "code", "options", "expected"),
        [
            (503, 20003, "", TemporaryFailure),
            (401, 99999, "", AccountFailure),
            (403, 21211, "&permanent=21211", PermanentFailure),
            (400, 21606, "&temporary=21606", TemporaryFailure),
            (400, 21606, "&permanent=21606", AccountFailure),
            (400, 20429, "&temporary=20429&permanent=20429", PermanentFailure),
            (429, 21610, "&permanent=21610", PermanentFailure),
            (429, 0, "&permanent=429", PermanentFailure),
            (402, 0, "", AccountFailure),
        ],
    )
    def test_what_outweighs_what(self, gateway, status, code, options, expected):
        gateway.answer = lambda: response(*error(status, code))
        with pytest.raises(expected) as caught:
            from_url("a", f"twilio://{SID}:{TOKEN}@?from=x&base_url={gateway.url}{options}").send(SMS)
        assert (type(caught.value), caught.value.code) == (expected, str(code or status))

    def test_the_error_of_a_receipt_is_kept(self, gateway):
        headers, body = self.receipt("undelivered", ErrorCode="30005")
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, URL)
        assert (found.error, found.provider_message_id) == ("30005", "SM123")

    def test_a_receipt_may_say_that_the_number_has_opted_out(self, gateway):
        """As for a messaging service, which chooses the sender after it has answered."""
        provider = self.provider(gateway.url)
        for code, phone in (("21610", SMS.to), ("30005", ""), ("", "")):
            (found,) = provider.parse_receipts(*self.receipt("failed", ErrorCode=code), URL)
            assert found.opted_out == phone
            assert SMS.to not in repr(found)

    @pytest.mark.parametrize(
        "options", ["", "from=a&messaging_service=b", "from=+1500", "from=a&temporary=x"]
    )
    def test_options_that_cannot_work(self, options):
        with pytest.raises(BadProviderURL) as caught:
            from_url("main", f"twilio://{SID}:{TOKEN}@?{options}")
        assert TOKEN not in str(caught.value)

    @pytest.mark.parametrize(
        ("user", "password", "options", "mend"),
        [
            (TOKEN, SID, "from=x", "SID and token are swapped"),
            ("0123456789abcdef" * 2, "AC1", "from=x", "SID and token are swapped"),
            (f"SK{'0' * 32}", TOKEN, "from=x", "Write the one that begins with AC"),
            (SID, TOKEN, f"from=MG{'0' * 32}", "Write messaging_service=MG"),
        ],
    )
    def test_credentials_in_the_wrong_place_are_told(self, user, password, options, mend):
        """Twilio would answer 401 or 21659 to the first code, and to every other."""
        with pytest.raises(BadProviderURL, match=mend) as caught:
            from_url("main", f"twilio://{user}:{password}@?{options}")
        assert user not in str(caught.value)
        assert password not in str(caught.value)

    @pytest.mark.parametrize("scheme", ["twilio", "twilio-voice"])
    def test_without_the_extra_the_mend_is_told(self, monkeypatch, scheme):
        monkeypatch.setitem(sys.modules, "twilio.request_validator", None)
        with pytest.raises(BadProviderURL, match=rf"main: {scheme}://.*pip install 'otpost\[twilio\]'"):
            from_url("main", f"{scheme}://{SID}:{TOKEN}@?from=x")
