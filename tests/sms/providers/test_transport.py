"""HTTP for providers: the bytes of a request are those that urllib3 writes, and TLS trusts no other CA."""

from __future__ import annotations

import multiprocessing
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import urllib3

from sms import registry
from sms.errors import OutcomeUnknown, TemporaryFailure
from sms.providers.transport import Http, request_left
from tests.sms.providers.gateway import certify, gateway, read_request, response


def written(ask) -> bytes:
    """The bytes of one request that arrive at the address given to ``ask``."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            connection, _ = listener.accept()
            with connection:
                while not b"".join(heard).endswith(b"END"):
                    heard.append(connection.recv(10_000))
                connection.sendall(response(200, "{}"))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        ask(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(5)
        port = str(listener.getsockname()[1]).encode()
    return b"".join(heard).replace(port, b"PORT")


@pytest.mark.parametrize("path", ["", "/", "/a b/ü/%2f/../x?k=v w&é=%zz", "//x/./y?", "?q=1"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain", "X-Key": "é;1"}, {"user-agent": "own", "ACCEPT-ENCODING": "gzip"}],
)
def test_a_request_is_what_urllib3_writes(path, headers):
    body = "text: é🙂 END".encode()
    ours = written(lambda url: Http(1, 5.0).ask("PUT", url + path, body, headers))
    with urllib3.PoolManager() as pool:
        theirs = written(lambda url: pool.urlopen("PUT", url + path, body=body, headers=headers))
    assert ours == theirs


@pytest.mark.parametrize("headers", [{"X": "1\r\nY: 2"}, {"X": "1\nY: 2"}, {"X\r\nY": "2"}, {"X": "1\r"}])
def test_a_header_cannot_add_another(headers):
    with gateway() as vendor:
        with pytest.raises(ValueError, match="line break"):
            Http(1, 5.0).ask("POST", vendor.url, b"", headers)
        assert not request_left()
        assert vendor.requests == []


def test_a_connection_that_the_vendor_has_closed_is_not_used_again():
    """Otherwise the message would be lost unnoticed."""
    with gateway() as vendor:
        vendor.answer = lambda: response(200, "{}", Connection="close")
        http = Http(1, 5.0)
        for _ in range(3):
            assert http.ask("POST", vendor.url, b"", {}).status == 200
        assert vendor.connections == 3
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as stream:
                    read_request(stream)
                    connection.sendall(response(200, "{}"))  # it promises to stay, and goes
                ended.set()

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert http.ask("POST", url, b"", {}).status == 200
        assert ended.wait(5)
        assert http.ask("POST", url, b"", {}).status == 200


def test_no_more_connections_are_kept_than_calls_run_at_once():
    with gateway() as vendor:
        vendor.answer = lambda: response(200, "{}")
        vendor.delay = 0.2
        http = Http(2, 5.0)

        def ask() -> None:
            http.ask("POST", vendor.url, b"", {})

        for _ in range(2):
            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert vendor.connections == 6


def in_a_child(call: Callable[[], object]) -> None:
    """Do it in a process that is forked now."""
    child = multiprocessing.get_context("fork").Process(target=call)
    child.start()
    child.join(20)
    assert child.exitcode == 0


def test_a_child_process_opens_connections_of_its_own():
    """On its parent's connections, each would read answers to the other's messages."""
    http = Http(2, 5.0)
    with gateway() as vendor:
        vendor.answer = lambda: response(200, "{}")
        http.ask("POST", vendor.url, b"", {})
        in_a_child(lambda: [http.ask("POST", vendor.url, b"", {}) for _ in range(2)])
        assert http.ask("POST", vendor.url, b"", {}).status == 200
        assert vendor.connections == 2


def test_a_child_process_leaves_the_tls_of_its_parent_whole(tmp_path):
    known = certify(tmp_path / "known.pem")
    https = Http(2, 5.0, str(known))
    with tls(known) as port:
        url = f"https://127.0.0.1:{port}"
        https.ask("POST", url, b"", {})
        in_a_child(lambda: https.ask("POST", url, b"", {}))
        assert https.ask("POST", url, b"", {}).status == 200


def test_a_child_process_has_all_slots(settings):
    settings.SMS_PROVIDERS = {"only": "memory://"}
    registry.work_with(1)
    try:
        parents = registry.aliases()["only"]

        def call() -> None:
            with registry.aliases()["only"].slot() as held:
                assert held

        with parents.slot():
            in_a_child(call)
    finally:
        registry.work_with(0)


def test_an_answer_that_ends_too_early_is_an_unknown_outcome():
    def hang_up(connection: socket.socket) -> None:
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: hang_up(listener.accept()[0]), daemon=True).start()
        with pytest.raises(OutcomeUnknown) as caught:
            Http(1, 5.0).ask("POST", f"http://127.0.0.1:{listener.getsockname()[1]}", b"", {})
    assert caught.value.code == "IncompleteRead"


@contextmanager
def tls(certificate: Path) -> Iterator[int]:
    """The port of a server that shows ``certificate`` and answers every request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as inside:
            while read_request(inside.makefile("rb")):
                inside.sendall(response(200, "{}"))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def test_a_server_is_believed_by_its_ca_and_its_name_alone(tmp_path):
    known = certify(tmp_path / "known.pem")
    with tls(known) as port:
        assert Http(1, 5.0, str(known)).ask("POST", f"https://127.0.0.1:{port}", b"", {}).status == 200
        strangers = [
            Http(1, 5.0),  # by the public ones
            Http(1, 5.0, str(certify(tmp_path / "another.pem"))),
            Http(1, 5.0, __file__),  # no CA at all
        ]
        for http in strangers:
            with pytest.raises(TemporaryFailure):
                http.ask("POST", f"https://127.0.0.1:{port}", b"", {})
        with pytest.raises(TemporaryFailure):  # the certificate is for 127.0.0.1
            Http(1, 5.0, str(known)).ask("POST", f"https://localhost:{port}", b"", {})
    assert not request_left()


def test_a_ca_may_be_replaced_while_we_run(tmp_path):
    ours = tmp_path / "ca.pem"
    certify(ours)
    http = Http(1, 5.0, str(ours))
    with tls(certify(tmp_path / "new.pem")) as port:
        with pytest.raises(TemporaryFailure):
            http.ask("POST", f"https://127.0.0.1:{port}", b"", {})
        shutil.copy(tmp_path / "new.pem", ours)
        assert http.ask("POST", f"https://127.0.0.1:{port}", b"", {}).status == 200


@pytest.mark.parametrize(
    "first",
    [
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale",
    ],
)
def test_no_message_reads_the_answer_of_another(first):
    """More than one answer, or an interim one, and the connection is used no more."""
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            for answer in (first, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"):
                connection, _ = listener.accept()
                accepted.append(connection)
                connection.recv(10_000)
                connection.sendall(answer.encode())

        threading.Thread(target=listen, daemon=True).start()
        http = Http(1, 5.0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        http.ask("POST", url, b"1", {})
        assert http.ask("POST", url, b"2", {}).data == b"right"
    for connection in accepted:
        connection.close()
