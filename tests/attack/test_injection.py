"""Line breaks and separators in every field that reaches a provider, a response or a log line.

None may add a header, a line or a field to what the vendor receives; what cannot be carried is refused
before anything is sent.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import replace
from functools import cache
from urllib.parse import parse_qsl, quote

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sms.errors import ProviderError
from sms.providers import PROVIDERS as EVERY_PROVIDER
from sms.providers import from_url
from sms.providers.base import Provider, Sms
from sms.testing import outbox
from tests.attack.recorder import Recorder, recorder
from tests.attack.wire import post
from tests.settings import API_KEY

PHONE = "+12025550123"

PAYLOADS = {
    "CRLF": "a\r\nX-Injected: yes",
    "LF": "a\nX-Injected: yes",
    "CR": "a\rX-Injected: yes",
    "end of the head": "a\r\n\r\nGET /injected HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL": "a\0X-Injected: yes",
    "NEL": "a\u0085X-Injected: yes",
    "LS": "a\u2028X-Injected: yes",
    "PS": "a\u2029X-Injected: yes",
    "VT and FF": "a\x0b\x0cX-Injected: yes",
    "a folded line": "a\r\n X-Injected: yes",
    "what Latin-1 turns into CRLF": "a\u010d\u010aX-Injected: yes",
    "a field of a form": "a&injected=yes",
    "a field of a form, escaped": "a%26injected=yes%0d%0aX-Injected:%20yes",
    "a field of JSON": 'a","injected":"yes',
    "a placeholder": "{to}{body}{id}{sender}{callback_url}{injected}",
    "half a surrogate pair": "a\ud800X-Injected: yes",
}

SMS = Sms(
    id="ref-1",
    to=PHONE,
    body="Hello\n\n@a.example #123456",
    expires_in=90,
    callback_url="https://a.example/v1/receipts/main?reference=ref-1",
    sender="Shop",
)

_RSA = base64.b64encode(
    rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
).decode()

_HTTP = (
    "http://:token@gateway.example/send?base_url={url}&id=id&receipt_secret=0123456789abcdef"
    "&receipt_state=s&delivered=d&headers=Idempotency-Key: %7Bid%7D|X-Fixed: 1"
)

PROVIDERS = {
    "twilio": ("twilio://AC0:token@?from=Shop&base_url={url}", 201, '{"sid": "SM1"}'),
    "http, JSON": (
        _HTTP + "&json=" + quote('{"to":"{to}","t":"{body}","f":"{sender}","c":"{callback_url}","i":"{id}"}'),
        200,
        '{"id": "1"}',
    ),
    "http, form": (
        _HTTP + "&form=" + quote("to={to_digits}&t={body}&f={sender}&c={callback_url}&i={id}"),
        200,
        '{"id": "1"}',
    ),
    "vonage": (
        f"vonage://app@?key={quote(_RSA, safe='')}&from=Shop&signature_secret=s&base_url={{url}}",
        202,
        '{"message_uuid": "1"}',
    ),
    "kannel": (
        "kannel://user:secret@10.0.0.5?from=Shop&receipt_secret=0123456789abcdef&base_url={url}",
        202,
        "0: Accepted for delivery",
    ),
}


#: They reach no vendor; https is http with TLS.
OTHERS = {"console", "file", "memory", "sandbox", "https"}


def test_every_vendor_is_attacked():
    assert {url.partition("://")[0] for url, *_ in PROVIDERS.values()} == set(EVERY_PROVIDER) - OTHERS


def is_a(kind: bytes, head: bytes) -> bool:
    return b"\r\ncontent-type: application/" + kind in head.lower()


def shape(head: bytes, body: bytes) -> object:
    """What an injection would change: the request line, the header names, the fields of the body."""
    first, *lines = head.split(b"\r\n")
    assert not any(char in head.replace(b"\r\n", b"") for char in (b"\r", b"\n", b"\0"))
    names = Counter(line.partition(b":")[0].lower() for line in lines)
    if is_a(b"json", head):
        fields = json.loads(body).keys()
        assert all(isinstance(value, str | int) for value in json.loads(body).values())
    elif is_a(b"x-www-form-urlencoded", head):
        fields = Counter(name for name, _ in parse_qsl(body.decode(), strict_parsing=True)).items()
    else:
        fields = ()
    return first, sorted(names.items()), sorted(fields)


@cache
def built(url: str) -> Provider:
    """A key of RSA takes its time to be read."""
    return from_url("main", url)


def sent(vendor: Recorder, provider: str, sms: Sms) -> object | None:
    """The shape of what reaches the vendor, None if the provider refused before sending."""
    url, status, text = PROVIDERS[provider]
    body = text.encode()
    vendor.requests.clear()
    vendor.rest.clear()
    vendor.answer = b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )
    refused = ""
    try:
        built(url.format(url=quote(vendor.url, safe=""))).send(sms)
    except (ProviderError, ValueError) as error:  # ValueError: no encoding can carry it
        refused = str(error)
    assert "njected" not in refused
    if not vendor.requests:
        return None
    assert len(vendor.requests) == 1
    assert vendor.rest == [b""]
    return shape(*vendor.requests[0])


@pytest.fixture(scope="module")
def vendor():
    with recorder() as found:
        yield found


@pytest.mark.parametrize("field", ["to", "body", "id", "callback_url", "sender"])
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_field_adds_to_what_the_vendor_receives(vendor, provider, payload, field):
    plain = sent(vendor, provider, SMS)
    assert plain is not None
    assert sent(vendor, provider, replace(SMS, **{field: payload})) in (plain, None)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_text_arrives_as_it_is(vendor, provider):
    """Else the tests above would hold for a provider that sends nothing."""
    text = 'a & b = "c"\n%41 {to} ü \u2028 \U0001f600'
    assert sent(vendor, provider, replace(SMS, body=text)) is not None
    head, body = vendor.requests[0]
    if is_a(b"json", head):
        assert text in json.loads(body).values()
    elif is_a(b"x-www-form-urlencoded", head):
        assert text in dict(parse_qsl(body.decode())).values()
    else:
        assert text == body.decode()


# --- from the outside --------------------------------------------------------------------------------


@pytest.fixture
def through(vendor, settings):
    """The API in front of a provider at the recorder."""
    url, status, text = PROVIDERS["kannel"]
    settings.SMS_PROVIDERS = {"main": url.format(url=quote(vendor.url, safe=""))}
    vendor.requests.clear()
    vendor.answer = b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        len(text),
        text.encode(),
    )
    return vendor


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("field", ["phone", "purpose", "locale"])
def test_no_field_of_a_start_reaches_the_vendor_as_it_is(api, through, payload, field):
    plain = {"phone": PHONE, "purpose": "login", "locale": "en"}
    assert api.post("/v1/verifications", plain | {"phone": "+12025550124"}).status_code == 202
    answer = api.post("/v1/verifications", plain | {field: payload[:35]})
    assert answer.status_code in (202, 422)
    assert len({str(shape(*request)) for request in through.requests}) == 1
    assert not any(b"njected" in head + body for head, body in through.requests)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("field", ["to", "body"])
def test_no_field_of_a_message_adds_to_it(api, through, payload, field):
    plain = {"to": PHONE, "body": "Hello"}
    assert api.post("/v1/messages", plain).status_code == 202
    answer = api.post("/v1/messages", plain | {field: payload})
    assert answer.status_code == 422 or field == "body"
    assert len({str(shape(*request)) for request in through.requests}) == 1


@pytest.mark.parametrize(
    "name", ["X-Request-ID", "Idempotency-Key", "User-Agent", "Accept-Language", "Referer"]
)
@pytest.mark.parametrize(
    "value",
    [
        "a\x0bX-Injected: yes",
        "a\tX-Injected: yes",
        "a\x85X-Injected: yes",
        '{"level": "error"}',
        "%0d%0aX: y",
    ],
)
def test_no_header_of_a_caller_comes_back_or_splits_a_log_line(target, name, value):
    """What a server lets through: it ends a header at CR, LF and NUL itself."""
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json", name: value}
    answer = post(target.web_port, "/v1/verifications", b'{"phone": "+1"}', headers)
    assert answer.status in (400, 422)
    assert "njected" not in str(answer.headers)
    assert b"njected" not in answer.body
    assert "njected" not in target.log("web")


@pytest.mark.parametrize("separator", ["\r", "\0", "\n"])
def test_a_header_with_a_control_character_is_no_header(target, separator):
    headers = {"Authorization": f"Bearer {API_KEY}", "X-Request-ID": f"a{separator}X-Injected: yes"}
    answer = post(target.web_port, "/v1/verifications/x", b"", headers, "GET")
    assert "njected" not in str(answer.headers)


@pytest.mark.parametrize(
    "path",
    ["/v1/verifications/a%0d%0aX-Injected:%20yes", "/code%0d%0aX-Injected:%20yes", "/%00", "/v1/%E2%80%A8"],
)
def test_no_path_adds_a_header(target, path):
    answer = post(target.web_port, path, b"", {"Authorization": f"Bearer {API_KEY}"}, "GET")
    assert answer.status in (200, 404)
    assert "x-injected" not in answer.headers
    assert "njected" not in target.log("web")


def test_a_locale_only_picks_a_text(api):
    api.post("/v1/verifications", {"phone": PHONE, "locale": "en\r\nBcc: x"})
    assert "Bcc" not in outbox[-1].body
