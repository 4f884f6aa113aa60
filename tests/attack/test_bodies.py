"""Malformed requests to a running web process: understood, or refused by a problem document.

Never a 5xx, never an echo of what was sent, never an error in the log (the fixture ``target`` checks that).
"""

from __future__ import annotations

import itertools
import json
import socket
import time
import unicodedata
from urllib.parse import quote_from_bytes

import pytest
from django.conf import settings
from redis import Redis

from otp import codes
from otp.names import VERIFICATION
from sms import cells
from tests.attack.wire import PATIENCE, Answer, Browser, post
from tests.settings import API_KEY

KIB = 1024
MARK = "7f3bMARK"  # what must not come back
PHONE = "+12025550123"

JSON = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
PATHS = ["/v1/verifications", "/v1/verifications/none/check", "/v1/messages"]

_serials = itertools.count(1)


def fresh_phone() -> str:
    return f"+1203555{next(_serials):04}"


def surrounded(value: str) -> bytes:
    """``value`` (JSON) as every text field of every operation."""
    fields = ("phone", "purpose", "locale", "code", "to", "body")
    return ("{" + ", ".join(f'"{name}": {value}' for name in fields) + f', "{MARK}": 1}}').encode()


BODIES = {
    "nothing": b"",
    "a blank": b" ",
    "a NUL": b"\0",
    "NULs": b"\0" * 1000,
    "half an object": b'{"phone": "' + MARK.encode(),
    "no JSON": MARK.encode(),
    "a form": b"phone=%2B12025550123&code=" + MARK.encode(),
    "a list": b'["' + MARK.encode() + b'"]',
    "a text": b'"' + MARK.encode() + b'"',
    "a number": b"1",
    "null": b"null",
    "invalid UTF-8": b'{"phone": "\xff\xfe\x80' + MARK.encode() + b'"}',
    "an overlong slash": b'{"phone": "\xc0\xaf"}',
    "a raw surrogate": b'{"phone": "\xed\xa0\x80", "code": "\xed\xa0\x80", "to": "\xed\xa0\x80"}',
    "UTF-16": surrounded(f'"{MARK}"').decode().encode("utf-16"),
    "UTF-32": surrounded(f'"{MARK}"').decode().encode("utf-32"),
    "a BOM": b"\xef\xbb\xbf" + surrounded(f'"{MARK}"'),
    "1,000 lists": b"[" * 1000 + b"]" * 1000,
    "8,000 open lists": b"[" * 8000,
    "8,000 open objects": b'{"a":' * 3000,
    "a deep phone": surrounded("[" * 900 + "]" * 900),
    "lists": surrounded(f'["{MARK}"]'),
    "objects": surrounded(f'{{"{MARK}": 1}}'),
    "null as text": surrounded("null"),
    "true": surrounded("true"),
    "a long number": surrounded("1" * 2500),
    "a number past every limit": surrounded("1e999"),
    "NaN": surrounded("NaN"),
    "Infinity": surrounded("-Infinity"),
    "an escaped NUL": surrounded(f'"\\u0000{MARK}"'),
    "half a surrogate pair": surrounded(f'"\\ud800{MARK}"'),
    "the other half": surrounded(f'"{MARK}\\udfff"'),
    "halves the wrong way": surrounded('"\\udc00\\ud800"'),
    "line breaks": surrounded(f'"{MARK}\\r\\nX: y\\u0085\\u2028\\u2029"'),
    "right to left": surrounded('"\\u202e+12025550123\\u202c"'),
    "a text of 64": surrounded(f'"{MARK * 8}"'),
    "a long text": surrounded(f'"{MARK * 300}"'),
    "combining marks": surrounded('"' + "1\\u0301" * 30 + '"'),
    "a ligature that grows eighteenfold": surrounded('"' + "\ufdfa" * 64 + '"'),
    "double names": b'{"phone": "+12025550123", "phone": "' + MARK.encode() + b'"}',
    "markup": surrounded(f'"<script>{MARK}</script>"'),
    "a format": surrounded('"%s%n{0}{phone}${jndi:x}"'),
    "a script": surrounded('"\\" return redis.call(\'FLUSHALL\') --"'),
}


def assert_refused(answer: Answer) -> None:
    assert 400 <= answer.status < 500, (answer.status, answer.body[:200])
    assert answer.problem["detail"]
    assert MARK.encode() not in answer.body
    assert PHONE.encode() not in answer.body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_hostile_body_is_refused_by_a_problem_document(target, path, body):
    answer = post(target.web_port, path, body, JSON)
    if path.endswith("/check") and answer.status == 200:  # any text may be a guess
        assert json.loads(answer.body)["status"] == "expired"
        assert MARK.encode() not in answer.body
    else:
        assert_refused(answer)
    assert MARK not in target.log("web")


SIZES = [0, 1, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 64 * KIB, KIB**2, 10 * KIB**2]


@pytest.mark.parametrize(
    "path", [*PATHS, "/v1/verifications/none/resend", "/v1/receipts/sandbox", "/v1/inbound/sandbox"]
)
@pytest.mark.parametrize("size", SIZES)
def test_a_body_of_any_size_is_answered_in_time(target, path, size):
    began = time.monotonic()
    answer = post(target.web_port, path, b"[" * size, JSON)
    assert_refused(answer)
    if size > 16 * KIB and path in PATHS:
        assert answer.problem["code"] == "body_too_large"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("path", PATHS)
def test_a_hundred_thousand_levels(target, path):
    assert_refused(post(target.web_port, path, b'{"phone":' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/json2",
        "application/xml",
        "*/*",
        "",
        "\xe9\xff",
        "application/jso" + "n" * 5000,
    ],
)
def test_what_is_not_declared_as_json_is_not_read(target, path, content_type):
    body = json.dumps({"phone": fresh_phone(), "code": "123456", "to": fresh_phone(), "body": MARK}).encode()
    answer = post(target.web_port, path, body, JSON | {"Content-Type": content_type})
    assert_refused(answer)
    assert answer.status == 415


@pytest.mark.parametrize("charset", ["utf-16", "nonsense", "\xe9", "idna", "rot13", "utf-8"])
def test_a_charset_changes_nothing(target, charset):
    body = json.dumps({"phone": MARK}).encode()
    assert_refused(
        post(target.web_port, PATHS[0], body, JSON | {"Content-Type": f"application/json; charset={charset}"})
    )


def test_a_body_in_chunks_is_read_like_any_other(target):
    """Clients that do not know its length beforehand send it so."""
    body = json.dumps({"phone": fresh_phone()}).encode()
    assert post(target.web_port, PATHS[0], [body[:7], body[7:8], body[8:]], JSON).status == 202
    assert post(target.web_port, PATHS[0], [body] * 2000, JSON).problem["code"] == "body_too_large"
    assert post(target.web_port, PATHS[0], [], JSON).problem["code"] == "field_missing"


def test_chunks_without_an_end_are_not_waited_for(target):
    """This client gives up after 64 MiB. A body that is not read cannot fill the memory."""
    began = time.monotonic()
    answer = post(target.web_port, PATHS[0], itertools.repeat(b"[" * 64 * KIB, 1024), JSON)
    assert_refused(answer)
    assert time.monotonic() - began < 15


def test_what_one_length_hides_from_the_other_is_no_second_request(target):
    """A proxy that believes the length passes on as a body what we might read as the next request."""
    hidden = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = b"POST /v1/verifications HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    for lengths in (
        b"Content-Length: %d\r\nTransfer-Encoding: chunked" % (5 + len(hidden)),
        b"Content-Length: 5\r\nContent-Length: %d" % (5 + len(hidden)),
    ):
        with socket.create_connection(("127.0.0.1", target.web_port), timeout=PATIENCE) as connection:
            connection.sendall(head + lengths + b"\r\n\r\n0\r\n\r\n" + hidden)
            answers = b"".join(iter(lambda: connection.recv(4096), b""))  # until it is closed
        assert answers.count(b"HTTP/1.1 ") == 1
        assert answers.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 "))


# --- what people type ------------------------------------------------------------------------------


def in_digits(text: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(char)) if char.isdecimal() else char for char in text)


SCRIPTS = {
    "full-width": "\uff10",
    "Arabic-Indic": "\u0660",
    "Persian": "\u06f0",
    "Devanagari": "\u0966",
    "Bengali": "\u09e6",
    "Thai": "\u0e50",
}


@pytest.fixture
def redis(target):
    with Redis.from_url(target.environment["REDIS_URL"]) as client:
        yield client


def place_of(id: str) -> str:
    """The key of a verification, on the one server of the target."""
    cell = cells.of_id(id)
    return f"{{c{cell}}}{VERIFICATION}{id}" if cell else VERIFICATION + id


def code_of(redis: Redis, id: str) -> str:
    """The code behind an id, for whoever has the key and Redis."""
    seed = redis.hget(place_of(id), "seed")
    assert isinstance(seed, bytes)
    return codes.derive(settings.PHONE_SECRET_KEY.encode(), seed.decode(), 6)


def start(target, spelling: str) -> Answer:
    return post(target.web_port, PATHS[0], json.dumps({"phone": spelling}).encode(), JSON)


@pytest.mark.parametrize("zero", SCRIPTS.values(), ids=SCRIPTS)
def test_digits_of_every_script_are_understood(target, redis, zero):
    plain = fresh_phone()
    started = start(target, in_digits(plain, zero))
    assert started.status == 202
    assert start(target, plain).problem["code"] == "pending"  # it is the same phone
    id = json.loads(started.body)["id"]
    body = json.dumps({"code": in_digits(code_of(redis, id), zero)}).encode()
    checked = post(target.web_port, f"/v1/verifications/{id}/check", body, JSON)
    assert json.loads(checked.body)["status"] == "valid"


@pytest.mark.parametrize(
    "form",
    [
        "\u202a{}\u202c",
        "\u2066{}\u2069",
        "\u200e{}",
        "\u200f{}\u200f",
        "\u202d{}\u202c",
        "\u202b{}\u202c",
        "\ufeff{}",
        "\uff0b{}",
        "\u00a0{} ",
        "\u3000{}",
    ],
)
def test_the_marks_that_copying_leaves_around_a_number_are_understood(target, form):
    plain = fresh_phone()
    spelling = form.format(plain.removeprefix("+") if form.startswith("\uff0b") else plain)
    assert start(target, spelling).status == 202


@pytest.mark.parametrize(
    "spelling",
    [
        "+1202\u202e5550123",  # an override turns round what a person sees
        "+12025550123\u0301",
        "+1202555012\u00b2",  # a superscript: a digit to Unicode, never to a person
        "+1202555012\u2460",
        "+1202555012\u216b",
        "+1202555012\U0001d7d8\U0001f1e6",
        "+1202555\x000123",
        "+12025550123\r\nBcc: x",
        "+12025550123;ext=1",
        "+12025550123,+12025550124",
        "tel:+12025550123",
        "+1 202 555 0123 x4",
        "\u0661\u0662",
        "\ud800",
        "++12025550123",
        "12025550123+",
    ],
)
def test_what_no_person_types_is_no_number(target, spelling):
    answer = start(target, spelling)
    assert_refused(answer)
    assert answer.problem["field"] == "phone"


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        " {} ",
        "\u200e{}\u200f",
        "\u202a{}\u202c",
        "\ufeff{}",
        "{}\u200b",
        "\u2068{}\u2069",
        "\u202e{}\u202c",
    ],
)
def test_the_marks_around_a_code_are_understood(target, redis, form):
    id = json.loads(start(target, fresh_phone()).body)["id"]
    body = json.dumps({"code": form.format(code_of(redis, id))}).encode()
    checked = post(target.web_port, f"/v1/verifications/{id}/check", body, JSON)
    assert json.loads(checked.body)["status"] == "valid"


@pytest.mark.parametrize("form", ["{}\u0301", "{}\0", "0{}", "{}\u00b2", "{}\u2460"])
def test_what_is_not_the_code_is_a_wrong_guess(target, redis, form):
    id = json.loads(start(target, fresh_phone()).body)["id"]
    body = json.dumps({"code": form.format(code_of(redis, id))}).encode()
    checked = json.loads(post(target.web_port, f"/v1/verifications/{id}/check", body, JSON).body)
    assert (checked["status"], checked["attempts_left"]) == ("invalid", 2)


def test_superscripts_are_not_the_digits_that_they_look_like(target, redis):
    id = json.loads(start(target, fresh_phone()).body)["id"]
    raised = "".join(
        "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[int(d)] for d in code_of(redis, id)
    )
    body = json.dumps({"code": raised}).encode()
    checked = json.loads(post(target.web_port, f"/v1/verifications/{id}/check", body, JSON).body)
    assert checked["status"] == "invalid"


def test_half_a_surrogate_pair_is_no_guess_at_all(target, redis):
    id = json.loads(start(target, fresh_phone()).body)["id"]
    body = json.dumps({"code": code_of(redis, id) + "\ud800"}).encode()
    answer = post(target.web_port, f"/v1/verifications/{id}/check", body, JSON)
    assert answer.problem["field"] == "code"
    assert redis.hget(place_of(id), "left") == b"3"


# --- the pages -------------------------------------------------------------------------------------

FORMS = {
    "nothing": b"",
    "a NUL": b"%00",
    "a raw NUL": b"\0",
    "invalid UTF-8": b"%ff%fe" + MARK.encode(),
    "a surrogate": b"%ed%a0%80",
    "right to left": quote_from_bytes("\u202e+12025550123".encode()).encode(),
    "line breaks": b"%0d%0aX-Mark:%20" + MARK.encode(),
    "markup": quote_from_bytes(f'"><script>{MARK}</script>'.encode()).encode(),
    "long": MARK.encode() * 1000,
    "ligatures": quote_from_bytes(("\ufdfa" * 500).encode()).encode(),
    "deep": b"[" * 5000,
}


@pytest.mark.parametrize("value", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("path", ["/", "/code", "/resend", "/cancel"])
def test_a_hostile_form_is_refused_by_a_page(target, path, value):
    browser = Browser(target.web_port)
    if path != "/":
        assert browser.post("/", b"phone=" + quote_from_bytes(fresh_phone().encode()).encode()).status == 303
    answer = browser.post(path, b"phone=" + value + b"&code=" + value)
    assert answer.status in (303, 422)
    if answer.status == 422:  # the number comes back into its field, as text
        assert b"<script>" + MARK.encode() not in answer.body
    else:
        assert MARK.encode() not in browser.get(answer.headers["location"]).body
    assert "x-mark" not in answer.headers


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/", "/code", "/resend", "/cancel"])
def test_a_form_of_any_size_is_answered_in_time(target, path, size):
    browser = Browser(target.web_port)
    started = b"phone=" + quote_from_bytes(fresh_phone().encode()).encode()
    assert browser.post("/", started).headers["location"] == "/code"
    began = time.monotonic()
    answer = browser.post(path, b"phone=" + b"1" * size + b"&code=" + b"x" * 9)
    assert time.monotonic() - began < 5
    if size > 15 * KIB:  # there are other fields beside it
        assert answer.status == 400
    else:
        assert answer.status == (422 if path == "/" else 303)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"phone=" + b"1" * 17 * KIB),
        ("application/x-www-form-urlencoded", b"phone=" + b"1" * 10 * KIB**2),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=" % n for n in range(2000))),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=" + "x" * 300, b"x"),
        ("multipart/form-data; boundary=\xe9", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=phone\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n\0\0\0" * 500),
        ("application/json", b'{"phone": "+12025550123"}'),
        ("text/plain; charset=nonsense", b"phone=1"),
        ("application/x-www-form-urlencoded; charset=nonsense", b"phone=1"),
        ("application/x-www-form-urlencoded; charset=utf-16", b"phone=1"),
    ],
)
def test_a_form_that_is_none_is_refused(target, content_type, body):
    answer = Browser(target.web_port).post("/", body, content_type)
    assert 400 <= answer.status < 500


@pytest.mark.parametrize("zero", SCRIPTS.values(), ids=SCRIPTS)
def test_the_pages_understand_digits_of_every_script(target, redis, zero):
    browser = Browser(target.web_port)
    before = set(redis.keys("*otp:verification:*"))
    spelling = quote_from_bytes(in_digits(fresh_phone(), zero).encode())
    assert browser.post("/", f"phone={spelling}".encode()).headers["location"] == "/code"
    (key,) = set(redis.keys("*otp:verification:*")) - before
    code = in_digits(code_of(redis, key.decode().rpartition(":")[2]), zero)
    answer = browser.post("/code", b"code=" + quote_from_bytes(code.encode()).encode())
    assert answer.headers["location"] == "/done"


def test_every_decimal_digit_of_unicode_is_read_as_its_value():
    for point in range(0x110000):
        char = chr(point)
        if char.isdecimal():
            assert codes.normalise(char * 6) == str(unicodedata.decimal(char)) * 6
