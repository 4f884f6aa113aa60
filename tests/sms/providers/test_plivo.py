"""Plivo: the contract, and its own features. Samples follow plivo.com/docs/messaging/api/messages."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import ClassVar
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from sms.errors import OutcomeUnknown, PermanentFailure, ReceiptRejected
from sms.message import State
from sms.providers import from_url
from sms.providers.url import BadProviderURL
from tests.sms.providers.contract import INBOUND_URL, SMS, TEXT, URL, InboundContract, ProviderContract
from tests.sms.providers.oracles import Oracle

plivo = Oracle("plivo")
plivo_utils = Oracle("plivo.utils")

ID, TOKEN = "MA" + "X" * 18, "token-of-the-account"
UUID = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"


def answer(**changes: object) -> tuple[int, str]:
    fields = {"api_id": "db342550", "message": "message(s) queued", "message_uuid": [UUID]}
    return 202, json.dumps(fields | changes)


def error(status: int, text: str = f"'{SMS.to}' is not a valid phone number.") -> tuple[int, str]:
    return status, json.dumps({"api_id": "1", "error": text})


def signed(text: str, *, tokens: tuple[str, ...] = (TOKEN,), main: bool = True) -> dict[str, str]:
    """The headers for the text that is signed, without its nonce."""
    content = f"{text}.05429567804466091622".encode()
    keys = [hmac.new(token.encode(), content, hashlib.sha256) for token in tokens]
    name = "x-plivo-signature-ma-v3" if main else "x-plivo-signature-v3"
    signatures = ",".join(base64.b64encode(key.digest()).decode() for key in keys)
    return {name: signatures, "x-plivo-signature-v3-nonce": "05429567804466091622"}


class TestPlivo(ProviderContract, InboundContract):
    url = f"plivo://{ID}:{TOKEN}@?from=%2B15005550006&base_url={{base_url}}&timeout={{timeout}}"
    accepted = answer()
    accepted_id = UUID
    refused_number = error(400)
    refused_credentials = error(401)
    throttled = error(429)
    refusals: ClassVar = {
        "temporary": [error(500), error(503)],
        "refused": [
            error(422),
            # A request for a code to our own number must not close the alias.
            error(400, f"src and dst cannot be same: {SMS.to}"),
            (400, '{"error": ["src"]}'),
            answer(message_uuid=[], invalid_number=[{"number": SMS.to}]),
        ],
        "account": [
            error(402),
            error(404),
            error(405),
            error(400, f"src is not valid for {SMS.to}"),
            error(400, "powerpack_uuid is not found"),
        ],
        "country": [error(403)],
    }
    words: ClassVar = {
        "queued": State.SENT,
        "sent": State.SENT,
        "delivered": State.DELIVERED,
        "read": State.DELIVERED,
        "undelivered": State.FAILED,
        "failed": State.FAILED,
        "rejected": State.FAILED,
    }

    def form(self, word: str, **changes: str) -> dict[str, str]:
        return {
            "MessageUUID": UUID,
            "ParentMessageUUID": UUID,
            "Status": word,
            "ErrorCode": "",
            "To": "12025550123",
            "From": "15005550006",
            "TotalRate": "0.0025",
            **changes,
        }

    def receipt(self, word, **changes):
        form = self.form(word, **changes)
        text = f"{URL}." + "".join(name + form[name] for name in sorted(form))
        return signed(text), urlencode(form).encode()

    def inbound(self):
        form = {"From": "12025550123", "To": "15005550006", "Text": TEXT, "Type": "sms", "MessageUUID": "7a2"}
        text = f"{INBOUND_URL}?" + "".join(name + form[name] for name in sorted(form))
        return signed(text), urlencode(form).encode()

    def test_the_request(self, gateway):
        self.answers(gateway, *self.accepted).send(SMS)
        ((path, headers, _),) = gateway.requests
        assert (path, headers["content-type"]) == (f"/v1/Account/{ID}/Message/", "application/json")
        assert headers["authorization"] == "Basic " + base64.b64encode(f"{ID}:{TOKEN}".encode()).decode()
        assert json.loads(gateway.bodies[0]) == {
            "src": "+15005550006",
            "dst": SMS.to,
            "text": SMS.body,
            "type": "sms",
            "url": SMS.callback_url,
            "method": "POST",
            "log": "number_only",
            "message_expiry": 90,
        }

    def test_the_request_is_what_their_sdk_sends(self, gateway, monkeypatch):
        self.answers(gateway, *self.accepted).send(SMS)
        client = plivo.RestClient
        monkeypatch.setattr("plivo.rest.client.PLIVO_API_BASE_URI", f"{gateway.url}/v1/Account")
        client(ID, TOKEN).messages.create(
            src="+15005550006",
            dst=SMS.to,
            text=SMS.body,
            url=SMS.callback_url,
            log="number_only",
            message_expiry=90,
        )
        ours, theirs = gateway.requests
        assert ours[0] == theirs[0]
        assert ours[1]["authorization"] == theirs[1]["authorization"]
        # Ours asks for no conversion.
        assert json.loads(gateway.bodies[0]) | {"trackable": False} == json.loads(gateway.bodies[1])

    @pytest.mark.parametrize(
        ("query", "decoded"),
        [
            ("reference=ref-1", "reference=ref-1"),
            ("reference=ref-1&b=2&b=x+%26&a=&b=1", "a=&b=1&b=2&b=x &&reference=ref-1"),
        ],
    )
    @pytest.mark.parametrize("extra", [{}, {"Zz": "é &=", "A": ""}])
    def test_the_signature_is_what_their_sdk_believes(self, gateway, query, decoded, extra):
        """If there are several signatures, they and we believe the same one."""
        provider = self.provider(gateway.url)
        form = self.form("delivered", **extra)
        bare, joined = URL.partition("?")[0], "".join(name + form[name] for name in sorted(form))
        believed = set()
        for text in {f"{bare}{mark}{q}{dot}" for mark in ("?", "") for q in (query, decoded) for dot in ".?"}:
            headers = signed(text + joined)
            signature, nonce = headers["x-plivo-signature-ma-v3"], headers["x-plivo-signature-v3-nonce"]
            if plivo_utils.validate_v3_signature(
                "POST", f"{bare}?{query}", nonce, TOKEN, signature, dict(form)
            ):
                believed.add(text)
                assert provider.parse_receipts(headers, urlencode(form).encode(), f"{bare}?{query}")
            else:
                with pytest.raises(ReceiptRejected, match="wrong"):
                    provider.parse_receipts(headers, urlencode(form).encode(), f"{bare}?{query}")
        assert believed == {f"{bare}?{decoded}."}

    def test_the_signature_of_a_bare_address_is_what_their_sdk_believes(self):
        headers, body = self.inbound()
        form = dict(parse_qsl(body.decode()))
        signature, nonce = headers["x-plivo-signature-ma-v3"], headers["x-plivo-signature-v3-nonce"]
        assert plivo_utils.validate_v3_signature("POST", INBOUND_URL, nonce, TOKEN, signature, form)

    def test_a_messages_own_account_may_sign(self, gateway):
        """V3 is signed by the subaccount's token, Ma-V3 by the main account's. Several may be valid."""
        provider = self.provider(gateway.url)
        form = self.form("delivered")
        text = f"{URL}." + "".join(name + form[name] for name in sorted(form))
        foreign = signed(text, tokens=("another",), main=False)
        for headers in (
            signed(text, main=False),
            signed(text, tokens=("another", TOKEN)),
            foreign | signed(text),
        ):
            (found,) = provider.parse_receipts(headers, urlencode(form).encode(), URL)
            assert found.state is State.DELIVERED
        with pytest.raises(ReceiptRejected):
            provider.parse_receipts(foreign, urlencode(form).encode(), URL)

    def test_the_older_signature_is_not_believed(self, gateway):
        """V2 covers neither the reference in the address nor the body."""
        _, body = self.receipt("delivered")
        bare = URL.partition("?")[0]
        digest = hmac.new(TOKEN.encode(), f"{bare}123".encode(), hashlib.sha256).digest()
        headers = {
            "x-plivo-signature-v2": base64.b64encode(digest).decode(),
            "x-plivo-signature-v2-nonce": "123",
        }
        with pytest.raises(ReceiptRejected, match="no signature V3"):
            self.provider(gateway.url).parse_receipts(headers, body, URL)

    @pytest.mark.parametrize("changes", [{"Status": ""}, {"url": "https://a.example/v1/receipts/main"}])
    def test_a_signed_form_that_is_no_receipt(self, gateway, changes):
        url = changes.get("url", URL)
        form = self.form(changes.get("Status", "delivered"))
        text = f"{url}{'.' if '?' in url else '?'}" + "".join(name + form[name] for name in sorted(form))
        with pytest.raises(ReceiptRejected, match="not a receipt"):
            self.provider(gateway.url).parse_receipts(signed(text), urlencode(form).encode(), url)

    @pytest.mark.parametrize(("code", "kept"), [("200", "200"), ("000", ""), ("", "")])
    def test_the_error_of_a_receipt_is_kept(self, gateway, code, kept):
        headers, body = self.receipt("undelivered", ErrorCode=code)
        (found,) = self.provider(gateway.url).parse_receipts(headers, body, URL)
        assert (found.error, found.provider_message_id) == (kept, UUID)
        assert found.opted_out == (SMS.to if code == "200" else "")

    def test_a_powerpack_instead_of_a_number(self, gateway):
        self.answers(gateway, *self.accepted)
        provider = from_url("a", f"plivo://{ID}:{TOKEN}@?powerpack=p-1&log=false&base_url={gateway.url}")
        provider.send(SMS)
        provider.send(replace(SMS, sender="Otpost", expires_in=0.0, callback_url=""))
        first, second = (json.loads(body) for body in gateway.bodies)
        assert (first["powerpack_uuid"], first["log"], "src" in first) == ("p-1", "false", False)
        assert (second["src"], "powerpack_uuid" in second) == ("Otpost", False)
        assert not {"message_expiry", "url", "method"} & set(second)

    @pytest.mark.parametrize(("expires_in", "expiry"), [(0.5, 5), (119.9, 119), (1e9, 10_799)])
    def test_the_expiry_is_one_that_plivo_takes(self, gateway, expires_in, expiry):
        self.answers(gateway, *self.accepted).send(replace(SMS, expires_in=expires_in))
        assert json.loads(gateway.bodies[0])["message_expiry"] == expiry

    @pytest.mark.parametrize("to", [f"{SMS.to}<447400123456", "", "12025550123", "+١٢٣"])
    def test_one_message_goes_to_one_number(self, gateway, to):
        with pytest.raises(PermanentFailure) as caught:
            self.answers(gateway, *self.accepted).send(replace(SMS, to=to))
        assert (caught.value.code, gateway.requests) == ("to", [])

    def test_one_number_of_several_is_accepted(self, gateway):
        answered = answer(invalid_number=[{"number": "1"}])
        assert self.answers(gateway, *answered).send(SMS) == UUID

    def test_no_id_is_an_unknown_outcome(self, gateway):
        with pytest.raises(OutcomeUnknown):
            self.answers(gateway, *answer(message_uuid=[])).send(SMS)

    def test_what_a_user_sends_is_answered_with_an_empty_document(self, gateway):
        assert self.provider(gateway.url).inbound_reply == ("<Response/>", "application/xml")

    @pytest.mark.parametrize(
        "changes", [{"From": None}, {"From": "Shop"}, {"From": ""}, {"MessageUUID": None}, {"Text": None}]
    )
    def test_a_signed_form_that_is_no_message(self, gateway, changes):
        fields = {"From": "12025550123", "To": "15005550006", "Text": TEXT, "MessageUUID": "7a2"} | changes
        form = {name: value for name, value in fields.items() if value is not None}
        text = f"{INBOUND_URL}?" + "".join(name + form[name] for name in sorted(form))
        with pytest.raises(ReceiptRejected, match="not a message"):
            self.provider(gateway.url).parse_inbound(signed(text), urlencode(form).encode(), INBOUND_URL)

    @pytest.mark.parametrize(
        ("user", "options", "words"),
        [
            (f"{TOKEN}:{ID}@", "from=Shop", "AUTH_ID:AUTH_TOKEN"),
            (f"{ID}@", "from=Shop", "needs auth_token"),
            (f"{ID}:{quote('s3cret ü')}@", "from=Shop", "printable ASCII"),
            (f"{ID}:{TOKEN}@", "", "either from= or powerpack="),
            (f"{ID}:{TOKEN}@", "from=Shop&powerpack=p-1", "either from= or powerpack="),
            (f"{ID}:{TOKEN}@", "from=+1500", "%2B"),
            (f"{ID}:{TOKEN}@", "from=TheShopNextDoor", "11 letters"),
            (f"{ID}:{TOKEN}@", "from=Shop&log=no", "log= takes true"),
        ],
    )
    def test_options_that_cannot_work(self, user, options, words):
        with pytest.raises(BadProviderURL, match="main: ") as caught:
            from_url("main", f"plivo://{user}?{options}")
        assert words in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (TOKEN, "s3cret"))
