"""Connections that say little or nothing: requests of others are answered all the while."""

from __future__ import annotations

import http.client
import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from config.demo.embedded import EmbeddedServer
from config.web import allow_files
from tests.attack.conftest import Target, environment
from tests.attack.wire import Answer, Browser, post
from tests.settings import API_KEY

pytestmark = pytest.mark.together(38)

#: Seconds after which a connection that does not get on has been closed.
PATIENCE = 15.0

CSRF = "c" * 32

SLOW = {
    "an address that is none": "POST /none HTTP/1.1",
    "an address of the API that is none": "POST /v1/none HTTP/1.1",
    "a health check": "POST /healthz HTTP/1.1",
    "a start": "POST /v1/verifications HTTP/1.1",
    "a receipt without a signature": "POST /v1/receipts/twilio HTTP/1.1",
    "a receipt": "POST /v1/receipts/twilio HTTP/1.1\r\nX-Twilio-Signature: x",
    "a receipt of nobody": "POST /v1/receipts/nobody HTTP/1.1",
    "a message of a user": "POST /v1/inbound/twilio HTTP/1.1\r\nX-Twilio-Signature: x",
    "a message of a user without a signature": "POST /v1/inbound/twilio HTTP/1.1",
    "a page": f"POST / HTTP/1.1\r\nCookie: csrftoken={CSRF}; __Host-csrftoken={CSRF}\r\n"
    "Content-Type: application/x-www-form-urlencoded",
    "a start with a key": f"POST /v1/verifications HTTP/1.1\r\nAuthorization: Bearer {API_KEY}\r\n"
    "Content-Type: application/json",
}

#: The addresses that cannot answer without the body.
NEEDED = ("a receipt", "a page", "a start with a key")

#: The bytes after the head. They never end.
BODIES = {
    "a length": b"Content-Length: 1000\r\n\r\n{",
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
}

SILENT = {
    "silence": b"",
    "one byte": b"G",
    "half a head": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "a kept connection": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A web process that takes receipts. It has to read the body of Twilio's, which is signed."""
    allow_files(4096)
    with EmbeddedServer() as server:
        settings = environment(server.url)
        settings["SMS_PROVIDERS"] += f",twilio=twilio://AC{'0' * 32}:{'0' * 32}@?from=%2B15005550006"
        settings["PAGES"] = "open"  # they are closed by default if a provider costs money
        with Target(tmp_path_factory.mktemp("target"), **settings) as stack:
            stack.start("web")
            yield stack
            stack.assert_unhurt()


@contextmanager
def held(target, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """``count`` connections that each sent this and then nothing more."""
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", target.web_port), 10))
            connection.sendall(sent)
            connections.append(connection)
        yield connections


def assert_served(target, waiting: list[socket.socket]) -> None:
    """A health check, a page and a start with a key, each on a connection of its own.

    They are answered while all of ``waiting`` still wait: none of them had to end first.
    """
    asked = [
        ("GET", "/healthz", b"", {}, 200),
        ("GET", "/", b"", {"Accept": "text/html"}, (200, 301)),
        ("GET", "/v1/verifications/none", b"", {"Authorization": f"Bearer {API_KEY}"}, 200),
        (
            "POST",
            "/v1/verifications/none/check",
            b'{"code": "123456"}',
            {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"},
            200,
        ),
    ]
    for method, path, body, headers, status in asked:
        answer = post(target.web_port, path, body, headers, method)
        assert answer.status in (status if isinstance(status, tuple) else (status,)), path
        assert not answered(waiting), path


def answered(connections: list[socket.socket]) -> bool:
    """Whether the server has answered or closed one of them."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def answer_on(connection: socket.socket) -> Answer:
    response = http.client.HTTPResponse(connection, method="POST")
    response.begin()
    return Answer(response)


def closed_within(connections: list[socket.socket], seconds: float) -> bool:
    """Whether the server has closed all of them by then."""
    deadline = time.monotonic() + seconds
    left = set(connections)
    while left and (remaining := deadline - time.monotonic()) > 0:
        poll = select.poll()
        numbers = {connection.fileno(): connection for connection in left}
        for number in numbers:
            poll.register(number, select.POLLIN)
        for number, _ in poll.poll(remaining * 1000):
            try:
                if not numbers[number].recv(65536):
                    left.discard(numbers[number])
            except ConnectionError:
                left.discard(numbers[number])
    return not left


def test_silent_connections_starve_no_request_and_are_closed(target):
    """More of them than granian takes by default, for as long as they like."""
    with ExitStack() as stack:
        connections = []
        for sent, count in zip(SILENT.values(), (1100, 100, 400, 400), strict=True):
            connections += stack.enter_context(held(target, count, sent))
        assert_served(target, connections[:1600])  # a kept connection has been answered
        assert closed_within(connections, PATIENCE)


def test_bodies_that_never_end_starve_no_request_and_are_closed(target):
    """Several times as many as there are threads, on every kind of address."""
    with ExitStack() as stack:
        connections, waiting = [], []
        for name, head in SLOW.items():
            for body in BODIES.values():
                sent = f"{head}\r\nHost: 127.0.0.1\r\n".encode() + body
                connections += (some := stack.enter_context(held(target, 40, sent)))
                waiting += some if name in NEEDED else []
        assert_served(target, waiting)
        assert closed_within(connections, PATIENCE)


def test_bodies_that_are_needed_and_never_end_starve_no_request(target):
    """Again and again, as soon as one is refused."""
    sent = f"{SLOW['a receipt']}\r\nHost: 127.0.0.1\r\n".encode() + BODIES["a length"]
    with ExitStack() as stack:
        for _ in range(5):
            assert_served(target, stack.enter_context(held(target, 128, sent)))


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ("POST /v1/none", 404, "not_found"),
        ("POST /v1/verifications", 401, "unauthorized"),
        ("POST /v1/receipts/nobody", 404, "alias_unknown"),
        ("POST /v1/receipts/sandbox", 403, "receipt_rejected"),
        ("POST /v1/receipts/twilio", 403, "receipt_rejected"),
        ("GET /v1/verifications/none", 401, "unauthorized"),
    ],
)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_nobody_needs_is_answered_unread(target, line, status, code, body):
    with held(target, 1, f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode() + body) as (connection,):
        connection.settimeout(PATIENCE)
        answer = answer_on(connection)  # 408 had the body been waited for
        assert (answer.status, answer.problem["code"]) == (status, code)


def test_a_body_that_comes_too_late_is_refused(target):
    browser = Browser(target.web_port)
    browser.get("/")
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    form = f"POST / HTTP/1.1\r\nCookie: {cookies}\r\nContent-Type: application/x-www-form-urlencoded"
    with ExitStack() as stack:
        asked = []
        for head in (SLOW["a start with a key"], SLOW["a receipt"], form):
            for body in BODIES.values():
                sent = f"{head}\r\nHost: 127.0.0.1\r\n".encode() + body
                asked += stack.enter_context(held(target, 1, sent))
        for number, connection in enumerate(asked):
            connection.settimeout(PATIENCE)
            answer = answer_on(connection)
            assert answer.status == 408
            if number < 4:
                assert answer.problem["code"] == "body_late"
            else:
                assert b"<h1>" in answer.body
        assert closed_within(asked, 2)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_breaks_off_is_refused_at_once(target, body):
    with held(target, 1, f"{SLOW['a start with a key']}\r\nHost: 127.0.0.1\r\n".encode() + body) as (
        connection,
    ):
        time.sleep(0.5)  # Django asked for the body by now
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(PATIENCE)
        assert answer_on(connection).status == 400  # 408 had it been waited for


def test_a_body_that_comes_slowly_is_read_however_many_others_wait(target):
    """A phone on a bad line gets through, even during an attack."""
    text = json.dumps({"code": "123456"}).encode()

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(text), 6):
            yield text[at : at + 6]
            time.sleep(0.3)

    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
    sent = f"{SLOW['a receipt']}\r\nHost: 127.0.0.1\r\n".encode() + BODIES["a length"]
    with held(target, 128, sent):
        time.sleep(0.5)  # each of them is waited for by now
        answer = post(target.web_port, "/v1/verifications/none/check", pieces(), headers)
    assert answer.status == 200
