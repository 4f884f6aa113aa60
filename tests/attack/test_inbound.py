"""Calls by strangers, and by odd vendors, to the address for users' messages: never a 5xx, never an echo.

The fixture ``target`` checks that no error is logged: no vendor's module may fail on what it is given.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import pytest
from redis import Redis
from twilio.request_validator import RequestValidator

from config.demo.embedded import EmbeddedServer
from tests.attack.conftest import Target, environment
from tests.attack.test_bodies import BODIES, FORMS, KIB, MARK, SIZES
from tests.attack.wire import Answer, post
from tests.settings import API_KEY
from tests.sms.providers.test_vonage import BASE64, SECRET, signed
from tests.sms.providers.test_whatsapp import NUMBER_ID, VERIFY, message, status, value, webhook
from tests.sms.providers.test_whatsapp import SECRET as META
from tests.sms.providers.test_whatsapp import signed as signed_by_meta

TOKEN = "0" * 32
PUBLIC = "http://otp.example.com"
JSON = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
GATEWAY = (
    'https://gateway.example/?json={"to":"{to}"%2C"text":"{body}"}&id=id&receipt_secret=shared-with-the-gateway'
    "&inbound_from=list.*.from&inbound_text=list.*.text&inbound_id=list.*.id"
)
WHATSAPP = f"whatsapp://:{TOKEN}@{NUMBER_ID}?template=t&app_secret={META}&verify_token={VERIFY}"
#: Long bodies that one process reads at once, and bytes of one.
LARGE, MANY = 4, 100 * KIB

ALIASES = ["sandbox", "twilio", "vonage", "whatsapp", "gateway"]


def head_of(alias: str) -> dict[str, str]:
    """A head after which the alias reads the body. Vonage's is valid only for a while."""
    return {
        "sandbox": {},
        "twilio": {"X-Twilio-Signature": "x"},
        "vonage": {"Authorization": signed(b"another body")["authorization"]},
        "whatsapp": signed_by_meta(b"another body"),
        "gateway": {"Authorization": "Bearer shared-with-the-gateway"},
    }[alias]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A web process with each vendor that hands users' messages over, and one that does not."""
    providers = {
        "sandbox": "sandbox://",
        "twilio": f"twilio://AC{'0' * 32}:{TOKEN}@?from=%2B15005550006",
        "vonage": f"vonage://app-1@?key={BASE64}&from=Shop&signature_secret={SECRET}",
        "whatsapp": WHATSAPP,
        "gateway": GATEWAY,
    }
    with EmbeddedServer() as server:
        settings = environment(server.url) | {"PAGES": "off", "PUBLIC_URL": PUBLIC}
        settings["SMS_PROVIDERS"] = ",".join(f"{name}={url}" for name, url in providers.items())
        with Target(tmp_path_factory.mktemp("target"), **settings) as stack:
            stack.start("web")
            yield stack
            stack.assert_unhurt()
            assert MARK not in stack.log("web")


@pytest.fixture
def redis(target):
    with Redis.from_url(target.environment["REDIS_URL"]) as client:
        yield client


def hand_over(
    target: Target, alias: str, body: bytes, headers: dict[str, str], what: str = "inbound"
) -> Answer:
    return post(target.web_port, f"/v1/{what}/{alias}", body, headers)


def assert_refused(answer: Answer) -> None:
    assert 400 <= answer.status < 500, (answer.status, answer.body[:200])
    assert answer.problem["detail"]
    assert MARK.encode() not in answer.body


def by_twilio(fields: dict[str, str], path: str = "/v1/inbound/twilio") -> tuple[bytes, dict[str, str]]:
    signature = RequestValidator(TOKEN).compute_signature(PUBLIC + path, fields)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return urlencode(fields, errors="surrogatepass").encode(), {"X-Twilio-Signature": signature} | kind


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("body", [*BODIES.values(), *FORMS.values()], ids=[*BODIES, *FORMS])
def test_a_hostile_body_of_a_stranger_is_refused(target, redis, alias, body):
    before = redis.dbsize()
    for headers in (
        {},
        {"X-Twilio-Signature": "\xff"},
        {"X-Hub-Signature-256": "sha256=\xff"},
        {"Authorization": "Bearer wr\xf6ng"},
        head_of("twilio"),
    ):
        assert_refused(hand_over(target, alias, body, headers))
    assert redis.dbsize() == before


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_hostile_body_of_a_gateway_that_is_genuine(target, body):
    """Its head is genuine, so its body is read, whatever that says."""
    answer = hand_over(target, "gateway", body, head_of("gateway"))
    assert answer.status in (204, 403)
    assert MARK.encode() not in answer.body


ODD: list[Any] = [
    "\ud83d",
    "\udfff\ud800",
    "\0\r\n\u2028",
    "\u202e",
    "9" * 300,
    "",
    None,
    True,
    -1,
    [],
    {},
    [[]],
]


@pytest.mark.parametrize("odd", ODD, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize("name", ["from", "text", "id"])
def test_odd_values_of_a_gateway_that_is_genuine(target, name, odd):
    good = {"from": "+12025550123", "text": "Hello", "id": "1"}
    for several in ([good | {name: odd}], [good, good | {name: odd}] * 20, {"0": good | {name: odd}}):
        body = json.dumps({"list": several}).encode()
        for encoded in (body, b"\xef\xbb\xbf" + body):
            assert hand_over(target, "gateway", encoded, head_of("gateway")).status in (204, 403)


@pytest.mark.parametrize("odd", ODD, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize("name", ["from", "to", "text", "message_uuid", "channel"])
def test_odd_values_that_vonage_has_signed(target, name, odd):
    message = {"channel": "sms", "message_uuid": "u", "from": "12025550123", "to": "1500", "text": "Hello"}
    body = json.dumps(message | {name: odd}).encode()
    assert hand_over(target, "vonage", body, signed(body)).status in (204, 403)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_hostile_bodies_that_vonage_has_signed(target, body):
    assert hand_over(target, "vonage", body, signed(body)).status in (204, 403)


@pytest.mark.parametrize(
    "odd", [value for value in ODD if isinstance(value, str)], ids=lambda value: ascii(value)[:20]
)
@pytest.mark.parametrize("name", ["From", "To", "Body", "MessageSid", "OptOutType"])
def test_odd_values_that_twilio_has_signed(target, name, odd):
    good = {"MessageSid": "SM1", "From": "+12025550123", "To": "+15005550006", "Body": "Hello"}
    odd = odd.encode(errors="replace").decode()  # what is signed is a text
    assert hand_over(target, "twilio", *by_twilio(good | {name: odd})).status in (200, 403)


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("size", SIZES)
def test_a_body_of_any_size_is_answered_in_time(target, alias, size):
    began = time.monotonic()
    answer = hand_over(target, alias, b"[" * size, head_of(alias))
    assert_refused(answer)
    if size > (3 * KIB**2 if alias == "whatsapp" else 16 * KIB) and alias != "sandbox":
        assert answer.problem["code"] == "body_too_large"
    assert time.monotonic() - began < 5


def of_size(size: int) -> bytes:
    """A webhook of Meta's."""
    body = webhook(value(statuses=[]))
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize("what", ["inbound", "receipts"])
def test_a_webhook_of_meta_may_be_long(target, what, in_chunks):
    for size, answered in ((3 * KIB**2, 200), (3 * KIB**2 + 1, 413)):
        body = of_size(size)
        pieces = [body[n : n + 64 * KIB] for n in range(0, size, 64 * KIB)] if in_chunks else body
        answer = post(target.web_port, f"/v1/{what}/whatsapp", pieces, signed_by_meta(body))
        assert answer.status == answered


def test_a_process_reads_few_long_bodies_at_once(target):
    """So that strangers cannot fill its memory; short ones and other requests go on."""
    long = b"POST /v1/receipts/whatsapp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Hub-Signature-256: sha256=x\r\n"
    long += b"Content-Length: 3000000\r\n\r\n{"
    body = of_size(MANY)
    with ExitStack() as open_ones, ThreadPoolExecutor() as pool:
        slow = []
        for _ in range(LARGE):
            slow.append(open_ones.enter_context(socket.create_connection(("127.0.0.1", target.web_port))))
            slow[-1].sendall(long)
        time.sleep(1)  # nothing tells from outside that all of them are being read
        waiting = pool.submit(hand_over, target, "whatsapp", body, signed_by_meta(body))
        short = of_size(KIB)
        assert hand_over(target, "whatsapp", short, signed_by_meta(short)).status == 200
        time.sleep(1)  # long enough for an answer to one that does not wait
        assert not waiting.done()
        slow[0].close()
        assert waiting.result(5).status == 200


@pytest.mark.parametrize("alias", ALIASES)
def test_by_get_no_stranger_is_let_in(target, alias):
    for query in (
        "",
        "?from=%2B12025550123&text=STOP",
        f"?token={MARK}",
        "?" + "a=b&" * 2000,
        "?reference=%ff",
    ):
        answer = post(target.web_port, f"/v1/inbound/{alias}{query}", b"", {}, "GET")
        assert_refused(answer)


@pytest.mark.parametrize(
    "alias",
    ["", "x", "tw%69lio2", "twilio/", "..%2freceipts%2ftwilio", "%00", "a" * 300, "twilio%0d%0aX:y"],
)
def test_an_alias_that_is_none(target, alias):
    answer = hand_over(target, alias, b"x", {})
    assert answer.status == 404
    assert answer.problem["code"] in ("alias_unknown", "not_found")


def test_a_stop_over_http_ends_plain_messages_and_no_codes(target, redis):
    """From the vendor's call to the refusal, and nothing readable is left anywhere."""
    phone = "+12025550177"

    def message() -> Answer:
        body = json.dumps({"to": phone, "body": "Your parcel is here."}).encode()
        return post(target.web_port, "/v1/messages", body, JSON)

    def say(text: str) -> Answer:
        fields = {"MessageSid": "SM1", "From": phone, "To": "+15005550006", "Body": text}
        return hand_over(target, "twilio", *by_twilio(fields))

    assert message().status == 202
    answer = say("Stop.")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"<Response/>", "text/xml")
    assert message().status == 202  # the other aliases of the route are left
    for alias in ("sandbox", "vonage", "gateway"):
        redis.copy(
            redis.keys("sms:optouts:twilio:*")[0],
            redis.keys("sms:optouts:twilio:*")[0].replace(b"twilio", alias.encode()),
        )
    assert (message().status, message().problem["code"]) == (422, "opted_out")
    start = json.dumps({"phone": phone}).encode()
    assert post(target.web_port, "/v1/verifications", start, JSON).status == 202
    assert say("START").status == 200
    assert message().status == 202
    kept = [(key, redis.dump(key)) for key in redis.keys("sms:optouts:*")]
    assert phone[1:] not in str(kept)
    assert phone[1:] not in target.log("web")
    assert "Stop." not in target.log("web")


@pytest.mark.parametrize("body", [*BODIES.values(), *FORMS.values()], ids=[*BODIES, *FORMS])
def test_a_hostile_body_that_meta_has_signed(target, body):
    """At the one address for receipts and users' messages."""
    answer = hand_over(target, "whatsapp", body, signed_by_meta(body), "receipts")
    assert answer.status in (200, 403)
    assert MARK.encode() not in answer.body


@pytest.mark.parametrize("odd", ODD, ids=lambda value: ascii(value)[:20])
def test_odd_values_in_a_webhook_of_meta(target, odd):
    body = webhook(
        value(statuses=[status(odd), status("failed", id=odd, recipient_id=odd, errors=[{"code": odd}])]),
        value(statuses=[status("sent", biz_opaque_callback_data=odd, errors=odd), odd]),
        value(messages=[message(text={"body": odd}) | {"from": odd}, message(id=odd), odd]),
        value(messages=odd, statuses=odd),
        odd,
    )
    for what in ("receipts", "inbound"):
        assert hand_over(target, "whatsapp", body, signed_by_meta(body), what).status in (200, 403)
