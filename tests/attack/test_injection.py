"""Line breaks and separators in every field that reaches a provider, a response or a log line.

None may add a header, a line or a field to what the vendor receives; what cannot be carried is refused
before anything is sent.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus

import pytest

from sms.errors import ProviderError, TemporaryFailure
from sms.message import Channel
from sms.providers import provider_classes
from sms.providers.base import Provider, Sms
from sms.testing import outbox
from tests.attack.recorder import Recorder, recorder
from tests.attack.wire import post
from tests.settings import API_KEY
from tests.sms.providers.contract import contracts

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
    code="123456",
    purpose="login",
    locale="en",
    key="ref-1.1",
)

#: The vendors, by their contracts. Each contract has a URL and a vendor's answer.
PROVIDERS = contracts()

#: They reach no vendor, or not over HTTP: for SMPP see test_smpp.py, for e-mail tests/sms/mail.
OTHERS = {"console", "email", "file", "memory", "sandbox", "smpp", "smpps"}


def test_every_vendor_is_attacked():
    attacked = {made(provider, "http://vendor.example").scheme for provider in PROVIDERS}
    assert attacked >= set(provider_classes()) - OTHERS


def is_a(kind: bytes, head: bytes) -> bool:
    return re.search(rb"\r\ncontent-type: application/(x-amz-)?" + kind, head.lower()) is not None


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values in JSON, each with its place."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
    if children is None:
        yield path, node
    for name, child in children or ():
        yield from leaves(child, f"{path}.{name}")


def shape(head: bytes, body: bytes) -> object:
    """The parts an injection would change: the request line, the header names, the fields of the body."""
    first, *lines = head.split(b"\r\n")
    assert not any(char in head.replace(b"\r\n", b"") for char in (b"\r", b"\n", b"\0"))
    names = Counter(line.partition(b":")[0].lower() for line in lines)
    if is_a(b"json", head):
        fields: Iterable[Any] = {path for path, _ in leaves(json.loads(body))}
    elif is_a(b"x-www-form-urlencoded", head):
        fields = Counter(name for name, _ in parse_qsl(body.decode(), strict_parsing=True)).items()
    else:
        fields = ()
    # A number cannot add anything to a URL. BulkSMS has one in its query, by which it knows a repetition.
    line = re.sub(rb"=[0-9]+(?=[& ])", b"=0", first)
    return line, sorted(names.items()), sorted(fields)


@cache  # reading an RSA key takes a while
def made(provider: str, base_url: str) -> Provider:
    return PROVIDERS[provider]().provider(base_url)


def sent(vendor: Recorder, provider: str, sms: Sms) -> list[object] | None:
    """The shapes of what reaches the vendor, None if the provider refused before sending."""
    status, text = PROVIDERS[provider].accepted
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
        made(provider, vendor.url).send(sms)
    except TemporaryFailure:  # it did not look at the message: a connection failed
        raise
    except (ProviderError, ValueError) as error:  # ValueError: no encoding can carry it
        refused = str(error)
    assert "njected" not in refused
    if not vendor.requests:
        return None
    assert vendor.rest == [b""] * len(vendor.requests)
    return [shape(*request) for request in vendor.requests]


@pytest.fixture(scope="module")
def vendor():
    with recorder() as found:
        yield found


@pytest.mark.parametrize("field", ["to", "body", "id", "callback_url", "sender", "code", "key"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_field_adds_to_what_the_vendor_receives(vendor, provider, field):
    plain = sent(vendor, provider, SMS)
    assert plain is not None
    assert len(plain) == (2 if made(provider, vendor.url).channel == "telegram" else 1)
    for name, payload in PAYLOADS.items():
        changed: dict[str, Any] = {field: payload}
        assert sent(vendor, provider, replace(SMS, **changed)) in (plain, None), name


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_text_arrives_as_it_is(vendor, provider):
    """Else the tests above would hold for a provider that sends nothing."""
    text = 'a & b = "c"\n%41 {to} ü \u2028 \U0001f600'
    assert sent(vendor, provider, replace(SMS, body=text)) is not None
    head, body = vendor.requests[-1]
    if made(provider, vendor.url).needs_code:
        is_spoken = made(provider, vendor.url).channel is Channel.VOICE
        assert (", ".join(SMS.code) if is_spoken else SMS.code) in unquote_plus(body.decode())
        return
    if is_a(b"json", head):
        assert text in [value for _, value in leaves(json.loads(body))]
    elif is_a(b"x-www-form-urlencoded", head):
        assert text in dict(parse_qsl(body.decode())).values()
    else:
        assert text == body.decode()


# --- from the outside --------------------------------------------------------------------------------


@pytest.fixture
def through(vendor, settings):
    """The API in front of a provider at the recorder."""
    url, (status, text) = PROVIDERS["Kannel"].url, PROVIDERS["Kannel"].accepted
    settings.SMS_PROVIDERS = {"main": url.format(base_url=quote(vendor.url, safe=""), timeout=5)}
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
    """The headers that a server lets through: it ends a header at CR, LF and NUL itself."""
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
